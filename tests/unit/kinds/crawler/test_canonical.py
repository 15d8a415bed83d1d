"""One spelling per page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.kinds.crawler.canonical import MAX_URL, RULES_VERSION, authority_of, canonical, origin_of, resolve

SPELLINGS = [
    ("http://example.org", "http://example.org/"),
    ("HTTP://Example.ORG/", "http://example.org/"),
    ("  http://example.org/a\n", "http://example.org/a"),
    ("http://example.org:80/", "http://example.org/"),
    ("https://example.org:443/", "https://example.org/"),
    ("https://example.org:80/", "https://example.org:80/"),
    ("http://example.org./", "http://example.org/"),
    ("http://user:secret@example.org/", "http://example.org/"),
    ("http://example.org/a#part", "http://example.org/a"),
    ("http://example.org/#!/spa", "http://example.org/"),
    ("http://example.org/a/./b/../c", "http://example.org/a/c"),
    ("http://example.org/../../a", "http://example.org/a"),
    ("http://example.org/a/%2e%2e/b", "http://example.org/b"),
    ("http://example.org/Path/", "http://example.org/Path/"),
    ("http://example.org/path", "http://example.org/path"),
    ("http://example.org//a//b", "http://example.org//a//b"),
    ("http://example.org/%7euser", "http://example.org/~user"),
    ("http://example.org/%41%2f%c3%a9", "http://example.org/A%2F%C3%A9"),
    ("http://example.org/é", "http://example.org/%C3%A9"),
    ("http://example.org/a b", "http://example.org/a%20b"),
    ("http://example.org/100%", "http://example.org/100%25"),
    ("http://example.org/?b=2&a=1", "http://example.org/?a=1&b=2"),
    ("http://example.org/?a=2&a=1", "http://example.org/?a=2&a=1"),
    ("http://example.org/?", "http://example.org/"),
    ("http://example.org/?a=&b", "http://example.org/?a=&b"),
    ("http://example.org/?&&a=1&", "http://example.org/?a=1"),
    ("http://example.org/?q=a b", "http://example.org/?q=a%20b"),
    ("http://example.org/?q=a%26b", "http://example.org/?q=a%26b"),
    ("http://example.org/?utm_source=x&id=7&UTM_Medium=y", "http://example.org/?id=7"),
    ("http://example.org/?gclid=1&fbclid=2&msclkid=3", "http://example.org/"),
    ("http://example.org/?reference=1", "http://example.org/?reference=1"),
    ("http://Bücher.example/", "http://xn--bcher-kva.example/"),
    ("http://[::1]:8080/a", "http://[::1]:8080/a"),
    ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/a"),
    ("http://a_b.example/", "http://a_b.example/"),
    ("http://example.org/a\tb", "http://example.org/ab"),
]

IMPOSSIBLE = [
    "",
    "/path",
    "//example.org/",
    "example.org",
    "ftp://example.org/",
    "javascript:alert(1)",
    "mailto:a@example.org",
    "data:text/html,x",
    "file:///etc/passwd",
    "http://",
    "http:///path",
    "http://exa mple.org/",
    "http://example.org:0/",
    "http://example.org:99999/",
    "http://example.org:http/",
    "http://[::1/",
    "http://[fe80::1%25eth0]/",
    "http://good\\@evil.example/",
    "http://exam\udcffple.org/",
    "http://h%41st/",
    "http://example.org/" + "a" * MAX_URL,
    "http://" + "a" * 300 + ".example/",
]


@pytest.mark.parametrize(("spelling", "expected"), SPELLINGS)
def test_every_spelling_of_a_page_becomes_one(spelling: str, expected: str) -> None:
    assert canonical(spelling) == expected


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_what_no_crawler_can_ask_for_has_no_canonical_form(text: str) -> None:
    assert canonical(text) is None


def test_the_rules_have_the_version_this_table_was_written_for() -> None:
    assert RULES_VERSION == 1


@given(
    st.builds(
        "{}://{}{}{}{}".format,
        st.sampled_from(["http", "HTTPS"]),
        st.sampled_from(["example.org", "EXAMPLE.org:80", "[2001:DB8::1]", "Bücher.example", "u:p@h"]),
        st.sampled_from(["", "/"]),
        st.text(st.sampled_from("aé/.%2eE7F&=+;~ :@\\|^\"<>{}`'()*!$,[]"), max_size=25),
        st.sampled_from(["", "?b=1&a=%c3%A9", "?%zz&a+b=%2B", "#x", "?utm_x=1&&;"]),
    )
)
def test_a_canonical_url_is_its_own_canonical_form(text: str) -> None:
    once = canonical(text)

    assert once is None or canonical(once) == once


@given(st.text(max_size=60))
def test_no_text_makes_it_raise(text: str) -> None:
    assert canonical(text) is None or "://" in text
    resolve("http://example.org/a/b", text)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("c", "http://example.org/a/c"),
        ("../c?x=1#y", "http://example.org/c?x=1"),
        ("/c", "http://example.org/c"),
        ("//other.example/c", "http://other.example/c"),
        ("?page=2", "http://example.org/a/b?page=2"),
        ("#top", "http://example.org/a/b"),
        ("", "http://example.org/a/b"),
        (" https://other.example ", "https://other.example/"),
        ("javascript:void(0)", None),
        ("http://[bad", None),
    ],
)
def test_references_are_resolved_against_their_page(reference: str, expected: str | None) -> None:
    assert resolve("http://example.org/a/b", reference) == expected


def test_origin_and_authority_of_a_canonical_url() -> None:
    assert origin_of("https://example.org:8443/a/b") == "https://example.org:8443"
    assert authority_of("https://example.org:8443/a/b") == "example.org:8443"
