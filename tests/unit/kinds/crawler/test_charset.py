"""Which charset a body is in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.kinds.crawler.charset import decode

META = '<html><head><meta charset="{}"></head><body>é</body>'


@pytest.mark.parametrize(
    ("body", "declared", "expected", "charset"),
    [
        ("é".encode(), None, "é", "utf-8"),
        ("é".encode("latin-1"), "ISO-8859-1", "é", "cp1252"),
        ("“é”".encode("cp1252"), "iso-8859-1", "“é”", "cp1252"),
        ("é".encode("latin-1"), "us-ascii", "é", "cp1252"),
        ("ж".encode("koi8-r"), "koi8-r", "ж", "koi8-r"),
        ("日本".encode("shift_jis"), "Shift_JIS", "日本", "cp932"),
        ("日本".encode("euc-jp"), "euc-jp", "日本", "euc_jp"),
        ("中文".encode("gbk"), "gb2312", "中文", "gb18030"),
        ("é".encode("utf-16-le"), "utf-16le", "é", "utf-16-le"),
        (b"\xef\xbb\xbf" + "é".encode(), "iso-8859-1", "é", "utf-8"),
        (b"\xff\xfe" + "é".encode("utf-16-le"), None, "é", "utf-16-le"),
        (b"\xfe\xff" + "é".encode("utf-16-be"), "utf-8", "é", "utf-16-be"),
        (b"\xe9", None, "\ufffd", "utf-8"),
        (b"\xe9", "no-such-charset", "\ufffd", "utf-8"),
        ("é".encode(), "utf-7", "é", "utf-8"),
        ("é".encode(), "rot13", "é", "utf-8"),
        ("é".encode(), "unicode_escape", "é", "utf-8"),
        ("é".encode(), "hex", "é", "utf-8"),
        ("é".encode(), "a\0b", "é", "utf-8"),
        (b"", None, "", "utf-8"),
    ],
)
def test_text_is_read_in_the_charset_it_is_in(body: bytes, declared: str | None, expected: str, charset: str) -> None:
    assert decode(body, declared, is_html=False) == (expected, charset)


@pytest.mark.parametrize(
    ("head", "encoding", "charset"),
    [
        (META.format("windows-1252"), "cp1252", "cp1252"),
        (META.format("KOI8-R").replace("é", "ж"), "koi8-r", "koi8-r"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2">ő', "iso8859-2", "iso8859-2"),
        ("<meta charset=windows-1250>ő", "cp1250", "cp1250"),
        ('<?xml version="1.0" encoding="iso-8859-2"?><html>ő', "iso8859-2", "iso8859-2"),
        (META.format("utf-16"), "utf-8", "utf-8"),
        ("<p>é", "utf-8", "utf-8"),
        ("x" * 5_000 + META.format("cp1252"), "utf-8", "utf-8"),
    ],
)
def test_a_page_may_say_its_charset_itself(head: str, encoding: str, charset: str) -> None:
    assert decode(head.encode(encoding), None, is_html=True) == (head, charset)


def test_the_server_is_believed_before_the_page() -> None:
    body = META.format("koi8-r").encode("utf-8")

    assert decode(body, "utf-8", is_html=True) == (body.decode(), "utf-8")


def test_plain_text_says_nothing_about_itself() -> None:
    assert decode(META.format("koi8-r").encode(), None, is_html=False)[1] == "utf-8"


@given(st.binary(max_size=200), st.none() | st.text(max_size=20))
def test_no_bytes_and_no_label_make_it_raise(body: bytes, declared: str | None) -> None:
    decode(body, declared, is_html=True)
