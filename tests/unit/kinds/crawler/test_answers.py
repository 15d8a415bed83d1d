"""What headers mean for the crawler."""

from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from quaero.kinds.crawler.answers import kind_of_content, retry_after
from quaero.kinds.crawler.fetch import Answer


def an_answer(status: int = 200, **headers: str) -> Answer:
    named: dict[str, Any] = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer("http://example.org/", status, CIMultiDictProxy(CIMultiDict(named)))


@pytest.mark.parametrize(
    ("content_type", "content", "kind"),
    [
        ("text/html", b"", "html"),
        ("application/xhtml+xml", b"", "html"),
        ("text/plain", b"<html>", "text"),
        ("text/csv", b"", "text"),
        ("application/pdf", b"<html>", "other"),
        ("image/png", None, "other"),
        ("", b"  <!DOCTYPE html><p>", "html"),
        ("", b"<!-- hello --><html>", "html"),
        ("", b"plain", "text"),
        ("", None, "text"),
    ],
)
def test_a_content_type_is_parsed_kept_or_only_recorded(content_type: str, content: bytes | None, kind: str) -> None:
    assert kind_of_content(content_type, content) == kind


@pytest.mark.parametrize(
    ("value", "content_type", "charset"),
    [
        ("text/html; charset=UTF-8", "text/html", "UTF-8"),
        ("TEXT/HTML;Charset='koi8-r'; x=y", "text/html", "koi8-r"),
        ('text/html; charset="iso-8859-1"', "text/html", "iso-8859-1"),
        ("text/html; charset=", "text/html", None),
        ("text/html", "text/html", None),
        ("text/\udcff", "", None),
        ("nonsense", "", None),
        ("", "", None),
    ],
)
def test_type_and_charset_are_read_from_the_header(value: str, content_type: str, charset: str | None) -> None:
    answer = an_answer(Content_Type=value)

    assert (answer.content_type, answer.charset) == (content_type, charset)


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (503, {"Retry_After": "120"}, 120.0),
        (429, {"Retry_After": "0"}, 0.0),
        (200, {"Retry_After": "120"}, None),
        (503, {}, None),
        (503, {"Retry_After": "soon"}, None),
        (503, {"Retry_After": "-5"}, None),
        (503, {"Retry_After": "Sun, 06 Nov 1994 08:50:37 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 60.0),
        (503, {"Retry_After": "Sun, 06 Nov 1994 08:49:37 GMT", "Date": "Sun, 06 Nov 1994 08:50:37 GMT"}, 0.0),
        (503, {"Retry_After": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
    ],
)
def test_a_busy_server_says_when_to_come_back(status: int, headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(an_answer(status, **headers)) == seconds


@pytest.mark.parametrize(("status", "location"), [(301, "/x"), (308, "/x"), (200, None), (304, None), (201, None)])
def test_only_redirects_have_a_location(status: int, location: str | None) -> None:
    assert an_answer(status, Location="/x").location == location
