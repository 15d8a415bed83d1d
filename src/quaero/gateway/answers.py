"""What a route gives back, and how it is put on the wire. One JSON encoder for everything that leaves."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import msgspec
from starlette.types import Send

from quaero.domain.errors import QuaeroError, StoreFull, StoreUnavailable
from quaero.domain.wire import Problem, problem

JSON = b"application/json"
PROBLEM = b"application/problem+json"
Header = tuple[bytes, bytes]

encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Answer:
    """A response held ready: status, body and what is special in its headers."""

    body: bytes = b""
    status: int = 200
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()

    async def send(self, send: Send, *, with_body: bool = True) -> None:
        """Write it out; without the body (but with its length) for HEAD."""
        length = b"%d" % len(self.body)
        headers = [(b"content-type", self.content_type), (b"content-length", length), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body if with_body else b""})


@dataclass(frozen=True, slots=True)
class Stream:
    """A response of any length, made while it is sent: nobody holds it whole. A reader who is slow slows its making."""

    chunks: AsyncIterator[bytes]
    content_type: bytes
    headers: tuple[Header, ...] = ()

    async def send(self, send: Send, *, with_body: bool = True) -> None:
        """Write it out chunk by chunk."""
        headers = [(b"content-type", self.content_type), *self.headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if with_body:
            async for chunk in self.chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@runtime_checkable
class Sendable(Protocol):
    """Whatever can be written out as a response."""

    async def send(self, send: Send, *, with_body: bool = True) -> None:
        """Write it out."""


def json_answer(value: Any, status: int = 200, *headers: Header) -> Answer:
    """A value as JSON."""
    return Answer(encode(value), status, JSON, headers)


def problem_answer(document: Problem, *headers: Header) -> Answer:
    """An error as RFC 9457 tells it."""
    return Answer(encode(document), document.status, PROBLEM, headers)


def error_answer(error: QuaeroError) -> Answer:
    """What an error of ours becomes; those that pass say when to come again."""
    passing = isinstance(error, StoreUnavailable) and not isinstance(error, StoreFull)
    return problem_answer(problem(error), *(((b"retry-after", b"1"),) if passing else ()))
