"""How a client reaches the routes: a question and its answer, or a stream. What goes wrong becomes an error of ours."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlencode

import msgspec

from quaero.domain import errors
from quaero.domain.errors import InvalidInput, QuaeroError, StoreUnavailable


class Unreachable(StoreUnavailable):
    """No server answers at this address, or it stopped answering."""


class NotAllowed(InvalidInput):
    """The credential is missing, wrong, or its scope is too small; the message names the one it takes."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one: its status, its headers (names in lower case), its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that goes on: its status and headers, its bytes as they come."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Transport(Protocol):
    """A way to the routes."""

    async def ask(
        self, method: str, address: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Put one question. Raises Unreachable."""

    def stream(self, address: str, headers: Mapping[str, str] | None = None) -> AbstractAsyncContextManager[Stream]:
        """Open a stream. Raises Unreachable, also while it is read, when it breaks off."""

    async def close(self) -> None:
        """Let go."""


def address(*parts: object, **query: object) -> str:
    """A path of these parts below `/api`, with what is given of the query."""
    path = "/api/" + "/".join(quote(str(part), safe="") for part in parts)
    given = {name: _word(value) for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Problem(msgspec.Struct):
    type: str = ""
    detail: str = ""


_BY_PROBLEM: dict[str, type[QuaeroError]] = {
    f"urn:quaero:{kind.problem}": kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, QuaeroError)
}


def error_of(reply: Reply) -> QuaeroError:
    """The error a bad answer stands for: the same class the server raised, as far as we know it."""
    try:
        problem = msgspec.json.decode(reply.body, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem()
    detail = problem.detail or f"the server answered {reply.status}"
    if reply.status == 401:
        return NotAllowed("this server wants a credential: give a token, or set QUAERO_TOKEN")
    if reply.status == 403:
        return NotAllowed(detail)
    kind = _BY_PROBLEM.get(problem.type)
    if kind is not None:
        return kind(detail)
    return StoreUnavailable(detail) if reply.status >= 500 or reply.status == 429 else InvalidInput(detail)
