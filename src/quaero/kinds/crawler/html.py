"""What an HTML page says about itself and where it leads: title, links, wishes about robots."""

import re

import msgspec
from selectolax.lexbor import LexborHTMLParser

from quaero.kinds.crawler.canonical import MAX_URL, resolve

MAX_LINKS = 10_000
MAX_TITLE = 500
_SPACE = re.compile(r"\s+")


class PageFacts(msgspec.Struct, array_like=True, frozen=True):
    """Links are canonical, distinct, in the order of the page, without the page itself."""

    title: str = ""
    links: tuple[str, ...] = ()
    shunned: tuple[str, ...] = ()  # links that carry rel=nofollow
    nofollow: bool = False  # the page asks that none of its links be followed
    noindex: bool = False  # ... that its text not be kept
    charset: str = ""


def read_facts(tree: LexborHTMLParser, url: str, charset: str) -> PageFacts:
    """Read a parsed page that was found at a canonical URL."""
    links, shunned = _links(tree, url)
    wishes = _wishes(tree)
    return PageFacts(
        title=_title(tree),
        links=tuple(links),
        shunned=tuple(shunned),
        nofollow=bool(wishes & {"nofollow", "none"}),
        noindex=bool(wishes & {"noindex", "none"}),
        charset=charset,
    )


def _title(tree: LexborHTMLParser) -> str:
    for selector in ("head > title", "title", "h1"):
        node = tree.css_first(selector)
        if node is not None and (text := _SPACE.sub(" ", node.text()).strip()):
            return text[:MAX_TITLE]
    return ""


def _links(tree: LexborHTMLParser, url: str) -> tuple[list[str], list[str]]:
    base = _base(tree, url)
    links: dict[str, bool] = {}
    for node in tree.css("a[href], area[href]"):
        attributes = node.attributes
        reference = attributes.get("href")
        if not reference or len(reference) > 2 * MAX_URL:
            continue
        link = resolve(base, reference)
        if link is None or link == url:
            continue
        is_shunned = "nofollow" in (attributes.get("rel") or "").lower().split()
        links[link] = links.get(link, True) and is_shunned  # one link that may be followed is enough
        if len(links) >= MAX_LINKS:
            break
    return [link for link, shun in links.items() if not shun], [link for link, shun in links.items() if shun]


def _base(tree: LexborHTMLParser, url: str) -> str:
    node = tree.css_first("base[href]")
    reference = node.attributes.get("href") if node is not None else None
    return (resolve(url, reference) if reference else None) or url


def _wishes(tree: LexborHTMLParser) -> set[str]:
    wishes: set[str] = set()
    for node in tree.css("meta[name][content]"):
        if (node.attributes.get("name") or "").strip().lower() == "robots":
            wishes.update(wish.strip().lower() for wish in (node.attributes.get("content") or "").split(","))
    return wishes
