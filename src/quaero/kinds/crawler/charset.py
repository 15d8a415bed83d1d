"""Which charset a body is in: byte order mark, then what the server declared, then what the page says, else UTF-8.

Labels mean what browsers take them to mean (`iso-8859-1` is windows-1252 in practice). What does not fit is replaced,
never an error.
"""

import codecs
import re

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_LOOKED_AT = 4_096
_META = re.compile(rb"<meta[^>]{1,512}?charset\s*=\s*[\"']?\s*([a-zA-Z0-9_.:-]{1,40})", re.IGNORECASE)
_XML = re.compile(rb"^\s*<\?xml[^>]{1,256}?encoding\s*=\s*[\"']([a-zA-Z0-9_.:-]{1,40})", re.IGNORECASE)
_IN_PRACTICE = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
_NO_CHARSET = frozenset(
    {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7", "mbcs", "oem"}
)


def decode(body: bytes, declared: str | None, *, is_html: bool) -> tuple[str, str]:
    """The text of a body, and the charset it was read in."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, errors="replace"), name
    charset = _known(declared) or (_said_inside(body) if is_html else None) or "utf-8"
    return body.decode(charset, errors="replace"), charset


def _said_inside(body: bytes) -> str | None:
    head = body[:_LOOKED_AT]
    found = _XML.search(head) or _META.search(head)
    charset = _known(found[1].decode("ascii")) if found else None
    return "utf-8" if charset and charset.startswith("utf-16") else charset  # it was readable as ASCII so far


def _known(label: str | None) -> str | None:
    try:
        codec = codecs.lookup((label or "").strip())
    except (LookupError, ValueError):
        return None
    if codec.name in _NO_CHARSET or not getattr(codec, "_is_text_encoding", True):
        return None
    return _IN_PRACTICE.get(codec.name, codec.name)
