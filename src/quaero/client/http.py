"""To a server over HTTP, with aiohttp."""

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp

from quaero.client.transport import Reply, Stream, Unreachable

CONNECT_SECONDS = 10
ANSWER_SECONDS = 60
SILENCE_SECONDS = 20  # a stream says that it lives every 5 s
BROKEN = (aiohttp.ClientError, TimeoutError, OSError)


class HttpTransport:
    """Implements `transport.Transport`. The token goes into a header, never into an address."""

    def __init__(self, url: str, token: str | None, tls: ssl.SSLContext | None) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.url = url
        self._session = aiohttp.ClientSession(
            url,
            headers=headers,
            connector=aiohttp.TCPConnector(ssl=tls or True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS),
            trust_env=False,
        )

    async def ask(
        self, method: str, address: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Put one question."""
        sent = {**(headers or {}), **({"content-type": "application/json"} if body is not None else {})}
        try:
            async with self._session.request(
                method, address, data=body, headers=sent, allow_redirects=False
            ) as response:
                return Reply(response.status, _lower(response.headers), await response.read())
        except BROKEN as error:
            raise self._unreachable(error) from None

    @asynccontextmanager
    async def stream(self, address: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Stream]:
        """Open a stream."""
        patience = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        try:
            async with self._session.get(address, headers=headers, timeout=patience, allow_redirects=False) as response:
                yield Stream(response.status, _lower(response.headers), response.content.iter_any())
        except BROKEN as error:
            raise self._unreachable(error) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"no answer from {self.url}: {_reason(error)}")


def _reason(error: Exception) -> str:
    """Why, in the system's own words where it has some: the library's name what nobody asked about."""
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
