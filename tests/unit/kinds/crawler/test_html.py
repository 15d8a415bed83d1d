"""What a page says about itself and where it leads."""

import pytest
from selectolax.lexbor import LexborHTMLParser

from quaero.kinds.crawler.html import MAX_LINKS, PageFacts, read_facts
from quaero.kinds.crawler.maintext import main_text, written_down

URL = "http://example.org/news/index.html"


def facts(html: str) -> PageFacts:
    return read_facts(LexborHTMLParser(html), URL, "utf-8")


def test_links_are_canonical_distinct_and_in_order_without_the_page_itself() -> None:
    page = facts(
        '<a href="b">b</a><a href="../a?y=1&x=2#z">a</a><a href="b?utm_source=x">b again</a>'
        '<a href="#top">here</a><a href="index.html">here too</a><area href="/map"><a name="x">no link</a><a href>'
    )

    assert page.links == ("http://example.org/news/b", "http://example.org/a?x=2&y=1", "http://example.org/map")


def test_what_is_no_web_page_is_no_link() -> None:
    page = facts('<a href="mailto:a@b">m</a><a href="javascript:x()">j</a><a href="ftp://h/">f</a><a href="//[">x</a>')

    assert page.links == ()


def test_links_are_resolved_against_the_base_of_the_page() -> None:
    assert facts('<base href="/other/"><a href="x">').links == ("http://example.org/other/x",)


def test_a_base_that_is_no_url_is_ignored() -> None:
    assert facts('<base href="javascript:x"><a href="x">').links == ("http://example.org/news/x",)


def test_links_with_nofollow_are_set_apart_unless_another_link_leads_there_too() -> None:
    page = facts('<a rel="external NoFollow" href="/a">a</a><a rel=nofollow href="/b">b</a><a href="/b">b</a>')

    assert page.links == ("http://example.org/b",)
    assert page.shunned == ("http://example.org/a",)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("index, follow", (False, False)),
        ("NOFOLLOW", (True, False)),
        ("noindex", (False, True)),
        ("noindex,nofollow", (True, True)),
        ("none", (True, True)),
    ],
)
def test_wishes_about_robots_are_read(content: str, expected: tuple[bool, bool]) -> None:
    page = facts(f'<meta name="Robots" content="{content}">')

    assert (page.nofollow, page.noindex) == expected


@pytest.mark.parametrize(
    ("html", "title"),
    [
        ("<title> A \n  title </title>", "A title"),
        ("<svg><title>Icon</title></svg><head><title>x</title></head><h1>Head</h1>", "Icon"),
        ("<head><title>Real</title></head><svg><title>Icon</title></svg>", "Real"),
        ("<title></title><h1>Heading <b>two</b></h1>", "Heading two"),
        ("<p>nothing", ""),
        ("<title>" + "x" * 900 + "</title>", "x" * 500),
        ("<title>&lt;script&gt;</title>", "<script>"),
    ],
)
def test_the_title_is_the_page_s_own(html: str, title: str) -> None:
    assert facts(html).title == title


def test_a_page_of_very_many_links_gives_the_first_ones() -> None:
    page = facts("".join(f"<a href=/{n}>x</a>" for n in range(MAX_LINKS + 500)))

    assert len(page.links) == MAX_LINKS


def test_an_article_becomes_markdown_without_its_furniture() -> None:
    words = "A sentence about the harbour that is long enough to be taken for an article. "
    html = (
        "<html><body><nav><a href=/>Home</a><a href=/x>Menu</a></nav><article><h1>Lamps are lit</h1>"
        f"<p>{words * 4}</p><h2>Why now</h2><p>{words * 4}</p><ul><li>one point of it</li><li>another point</li></ul>"
        "</article><footer>Imprint</footer></body></html>"
    )

    text = main_text(LexborHTMLParser(html), URL)

    assert "## Why now" in text
    assert "- one point of it" in text
    assert words.strip() in text
    assert "Menu" not in text
    assert "Imprint" not in text


def test_a_page_that_is_no_article_is_written_down_block_by_block() -> None:
    tree = LexborHTMLParser(
        "<div><header>Top</header></div><h2>Tides</h2><ul><li>high <b>noon</b></li><li><p>low</p></li></ul>"
        "<pre>a\n  b</pre><table><tr><td>1</td></tr></table><blockquote>said</blockquote>"
    )

    assert written_down(tree) == "## Tides\n\n- high noon\n\nlow\n\n```\na\n  b\n```\n\n1\n\n> said"


def test_a_page_without_blocks_gives_all_its_text() -> None:
    assert written_down(LexborHTMLParser("<div>one <span>two</span></div><div>three</div>")) == "one two three"
