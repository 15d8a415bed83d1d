"""The text of a page as Markdown, without its furniture.

What is a menu or the like by its element goes first: on short pages trafilatura would take it for text. Then
trafilatura finds the main text where there is one. Very long pages are beyond its speed and lists of links not its
strength, so where it finds nothing the blocks of the page are written down in order.
"""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_EXTRACTED = (
    512 * 1024
)  # characters of HTML; trafilatura takes half a second for so many, ten times that for four times
MAX_TEXT = 1 << 20
MAX_BLOCKS = 20_000
_SPACE = re.compile(r"\s+")
_FURNITURE = "script, style, noscript, template, nav, iframe, svg, button, select, body > header, body > footer"
_MORE_FURNITURE = "header, footer, aside, form, head"  # of the whole page, or of its article: trafilatura can tell
_BLOCKS = "h1, h2, h3, h4, h5, h6, p, li, pre, blockquote, td, th, dt, dd, figcaption"
_MARKS = {**{f"h{n}": "#" * n + " " for n in range(1, 7)}, "li": "- ", "blockquote": "> "}


def main_text(tree: LexborHTMLParser, url: str) -> str:
    """Markdown of a page's main text, at most `MAX_TEXT` characters. Changes the tree."""
    for node in tree.css(_FURNITURE):
        node.decompose()
    html = tree.html or ""
    text = _extracted(html, url) if len(html) <= MAX_EXTRACTED else ""
    return (text or written_down(tree))[:MAX_TEXT]


def written_down(tree: LexborHTMLParser) -> str:
    """The blocks of a page in order, as Markdown; all its text if it has no blocks. Changes the tree."""
    for node in tree.css(_MORE_FURNITURE):
        node.decompose()
    if tree.body is None:
        return ""
    lines = (_line(node) for node in tree.body.css(_BLOCKS)[:MAX_BLOCKS])
    return "\n\n".join(filter(None, lines)) or _SPACE.sub(" ", tree.body.text(separator=" ")).strip()


def _line(node: LexborNode) -> str:
    name = node.tag or ""
    if any(inner != node for inner in node.css(_BLOCKS)[:2]):  # a node counts as inside itself
        return ""  # its parts are blocks of their own
    if name == "pre":
        return "```\n" + node.text().strip("\n") + "\n```" if node.text().strip() else ""
    text = _SPACE.sub(" ", node.text()).strip()
    return _MARKS.get(name, "") + text if text else ""


def _extracted(html: str, url: str) -> str:
    import trafilatura  # 0.3 s and 40 MB, so only where text is wanted

    try:
        text = trafilatura.extract(html, url=url, output_format="markdown", include_comments=False)
    except (ValueError, RecursionError, AssertionError, AttributeError, TypeError):  # it raises for some broken pages
        return ""
    return (text or "").strip()
