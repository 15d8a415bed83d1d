"""A text looked for in journals, whatever its case: first in encoded bytes, which is cheap and may say yes too often.

What is found there is decoded and looked at properly, so the answer is that of Python's `lower()`.
"""

_INTO_ASCII = {"k": "\u212a".encode(), "i": "\u0130".encode()}  # the only other letters that `lower()` turns into ASCII


class Needle:
    """One text that is looked for."""

    __slots__ = ("_bytes", "_others", "_text")

    def __init__(self, text: str) -> None:
        self._text = text.lower()
        self._bytes = self._text.encode() if self._text.isascii() else None
        self._others = tuple(code for letter, code in _INTO_ASCII.items() if letter in self._text)

    def may_be_in(self, encoded: bytes) -> bool:
        """Whether it can be in one of the texts these bytes hold."""
        if self._bytes is None or self._bytes in encoded.lower():
            return True
        return any(code in encoded for code in self._others)

    def is_in(self, text: str) -> bool:
        """Whether it is in a text."""
        return self._text in text.lower()
