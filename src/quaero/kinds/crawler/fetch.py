"""One question to one server, and what came back. Follows nothing, parses nothing, retries nothing.

An answer of any status is an `Answer`, with the trouble its body had, if any. `NoAnswer` is raised when no status line
came at all; it says whether asking again could help.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from errno import EACCES

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from quaero.kinds.crawler.body import Body, Decoder, Trouble

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}")
Wanted = Callable[[str], bool]


class NoAnswer(Exception):
    """Nothing that could be called an answer. `is_final`: the same would happen again."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


@dataclass(slots=True)
class Answer:
    """A status, headers and as much of the body as was wanted. Times in milliseconds."""

    url: str
    status: int
    headers: CIMultiDictProxy[str] = field(default_factory=lambda: CIMultiDictProxy(CIMultiDict()))
    body: Body = field(default_factory=Body)
    was_read: bool = False  # whether the body was wanted
    first_byte_ms: int = 0
    download_ms: int = 0

    @property
    def content_type(self) -> str:
        """Media type in lower case without parameters; empty if the server named none that is one."""
        name = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return name if _MEDIA_TYPE.fullmatch(name) else ""

    @property
    def charset(self) -> str | None:
        """The charset the server declared."""
        for parameter in self.headers.get("Content-Type", "").split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                return value.strip().strip("\"'") or None
        return None

    @property
    def location(self) -> str | None:
        """Where a redirect points, as written; None if this is none."""
        return self.headers.get("Location") if self.status in (301, 302, 303, 307, 308) else None


async def ask(
    session: aiohttp.ClientSession,
    url: str,
    *,
    user_agent: str,
    max_body: int,
    deadline: float,
    wanted: Wanted = lambda content_type: True,
) -> Answer:
    """GET a canonical URL before `deadline` (the loop's time); read the body if `wanted(content_type)`.

    Raises NoAnswer.
    """
    started = time.perf_counter()
    try:
        async with asyncio.timeout_at(deadline):
            response = await session.get(
                URL(url, encoded=True), headers={"User-Agent": user_agent}, allow_redirects=False
            )
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _no_answer(url, error) from error
    answer = Answer(url, response.status, response.headers, first_byte_ms=_since(started))
    started = time.perf_counter()
    try:
        if answer.location is None and wanted(answer.content_type):
            answer.body, answer.was_read = await _read(response, max_body, deadline), True
    finally:
        if not response.content.at_eof():
            response.close()  # what we do not read must not be waited for by the next request on this connection
    answer.download_ms = _since(started)
    return answer


async def _read(response: aiohttp.ClientResponse, max_body: int, deadline: float) -> Body:
    decoder = Decoder(response.headers.get("Content-Encoding", ""), max_body)
    if not decoder.known:
        return Body(trouble=Trouble.ENCODING)
    trouble: Trouble | None = None
    try:
        async with asyncio.timeout_at(deadline):
            async for chunk in response.content.iter_any():
                if (trouble := decoder.feed(chunk)) is not None:
                    break
    except TimeoutError:
        trouble = Trouble.TOO_SLOW
    except (aiohttp.ClientError, OSError):
        trouble = Trouble.INCOMPLETE
    if trouble is None and not decoder.is_complete:
        trouble = Trouble.INCOMPLETE
    return Body(decoder.content, decoder.wire, trouble)


def _no_answer(url: str, error: Exception) -> NoAnswer:
    host = URL(url, encoded=True).authority
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return NoAnswer(f"the certificate of {host} is not valid: {error.certificate_error}", is_final=True)
        case aiohttp.ClientConnectorDNSError():
            return NoAnswer(f"no address is known for {host}")
        case aiohttp.ClientConnectorError() if error.os_error.errno == EACCES:
            return NoAnswer(f"refused to connect to {host}: {error.os_error.strerror}", is_final=True)
        case aiohttp.ClientConnectorError():
            return NoAnswer(f"cannot connect to {host}: {error.os_error.strerror or error.os_error}")
        case TimeoutError():
            return NoAnswer(f"{host} did not answer in time")
        case aiohttp.ServerDisconnectedError():
            return NoAnswer(f"{host} closed the connection without an answer")
        case aiohttp.ClientResponseError():
            return NoAnswer(f"{host} did not answer in HTTP: {error.message[:200]}")
        case aiohttp.InvalidURL() | UnicodeError():
            return NoAnswer(f"{url} cannot be asked for", is_final=True)
        case _:
            return NoAnswer(f"no answer from {host}: {str(error)[:200] or type(error).__name__}")


def _since(started: float) -> int:
    return round((time.perf_counter() - started) * 1_000)
