"""A stream that cannot begin now: told so in a stream, because a browser's EventSource dies for good on a refusal.

Whoever gets it comes again with the cursor it has (there is no `id:` to change that), at a random time, so that those
who were postponed together do not come back together. Why, a comment says: for people, programs skip it.
"""

import random

from starlette.types import Scope

from quaero.domain.printable import one_line
from quaero.gateway.answers import Answer, Header

STREAM = b"text/event-stream; charset=utf-8"
UNBUFFERED: tuple[Header, ...] = ((b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no"))
RETRY_MS = (1_000, 5_000)
REASON = 200  # characters


def is_stream(scope: Scope) -> bool:
    """Whether a request asks for server-sent events."""
    return scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and scope["path"].endswith("/stream")


def postponed(why: str) -> Answer:
    """An answer of 200 that says `bye` and ends."""
    wait = random.randint(*RETRY_MS)
    body = f': {one_line(why, REASON)}\nretry: {wait}\nevent: bye\ndata: {{"retry_ms":{wait}}}\n\n'
    return Answer(body.encode(), 200, STREAM, UNBUFFERED)
