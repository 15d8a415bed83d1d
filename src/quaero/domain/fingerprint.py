"""One fingerprint for failures that are the same to a person: numbers, ids, addresses and quotes do not count."""

import hashlib
import re

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"https?://\S+"), "<url>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.I), "<uuid>"),
    (re.compile(r"0x[0-9a-f]+", re.I), "<addr>"),
    (re.compile(r"'[^']*'|\"[^\"]*\""), "<text>"),
    (re.compile(r"\b[0-9a-f]{12,}\b", re.I), "<hex>"),
    (re.compile(r"\d+"), "<n>"),
)
_LONGEST = 300


def normalise(message: str) -> str:
    """The message without what differs from one failure to the next."""
    line = message.strip().split("\n", 1)[0][:_LONGEST]
    for pattern, word in _RULES:
        line = pattern.sub(word, line)
    return line


def fingerprint(error_type: str, message: str) -> str:
    """A short stable name of the kind of failure (16 hex digits)."""
    return hashlib.blake2b(f"{error_type}\0{normalise(message)}".encode(), digest_size=8).hexdigest()
