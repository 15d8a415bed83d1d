"""What an answer's headers and first bytes mean for the crawler."""

import re
import time
from email.utils import parsedate_to_datetime
from typing import Literal

from quaero.kinds.crawler.fetch import Answer

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_LOOKS_LIKE_HTML = re.compile(
    rb"\s*(?:<!--.{0,512}?-->\s*)?<(?:!doctype html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_BUSY = (429, 503)


def kind_of_content(content_type: str, content: bytes | None = None) -> Literal["html", "text", "other"]:
    """Whether a body is parsed, kept as it is, or only recorded. Without a type its first bytes decide."""
    if content_type in _HTML_TYPES:
        return "html"
    if content_type.startswith("text/"):
        return "text"
    if content_type:
        return "other"
    return "html" if content is not None and _LOOKS_LIKE_HTML.match(content) else "text"


def retry_after(answer: Answer) -> float | None:
    """Seconds a busy server (429, 503) asks us to wait; None if it does not ask."""
    value = answer.headers.get("Retry-After", "").strip()
    if answer.status not in _BUSY or not value:
        return None
    if value.isdecimal():
        return float(value[:12])
    try:
        due = parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None
    return max(0.0, due - _now_of(answer))


def _now_of(answer: Answer) -> float:
    """The server's own time where it tells it: dates of its answer are by its clock."""
    try:
        return parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except ValueError:
        return time.time()
