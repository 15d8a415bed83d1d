"""Texts made fit to be kept: valid UTF-8 without NUL, and no longer than allowed. What is changed can be read back."""


def clean(text: str) -> str:
    r"""A text every store and wire can hold: NUL becomes `\x00`, half a surrogate pair becomes `\udc80`."""
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def fits(text: str, limit: int) -> bool:
    """Whether a text takes at most `limit` bytes of UTF-8."""
    length = len(text)
    return length * 4 <= limit or (length <= limit and (text.isascii() or len(text.encode()) <= limit))


def cut(text: str, limit: int) -> tuple[str, bool]:
    """The longest start of a clean text within `limit` bytes of UTF-8, and whether anything was cut off."""
    if fits(text, limit):
        return text, False
    return text.encode()[:limit].decode("utf-8", "ignore"), True


def pieces(text: str, limit: int) -> list[str]:
    """A clean text in pieces of at most `limit` bytes of UTF-8 (`limit` of at least 4), no character cut in two."""
    if fits(text, limit):
        return [text]
    if text.isascii():
        return [text[start : start + limit] for start in range(0, len(text), limit)]
    parts, start = [], 0
    while start < len(text):
        part, _ = cut(text[start : start + limit], limit)
        parts.append(part)
        start += len(part)
    return parts


def shorten(text: str, limit: int) -> str:
    """A clean text of at most `limit` bytes, its middle left out if it is longer: the ends say most."""
    if fits(text, limit):
        return text
    note = "\n… {} characters left out …\n"
    half = max(1, (limit - len(note) - 16) // 2)
    head, _ = cut(text, half)
    tail = text.encode()[-half:].decode("utf-8", "ignore")
    return head + note.format(len(text) - len(head) - len(tail)) + tail
