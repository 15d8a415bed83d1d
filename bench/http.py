"""A client that costs little: keep-alive connections that post the same body again and again. Not for general use."""

import asyncio

import uvloop

_LENGTH = b"content-length:"


class _Poster(asyncio.Protocol):
    """Posts while `left` says so; an answer must have a `Content-Length` and the status that is expected."""

    def __init__(self, request: bytes, status: bytes, left: list[int], done: "asyncio.Future[None]") -> None:
        self._request = request
        self._status = status
        self._left = left
        self._done = done
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._post()

    def _post(self) -> None:
        assert self._transport is not None
        if self._left[0] > 0:
            self._left[0] -= 1
            self._transport.write(self._request)
        else:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._buffer.lower().index(_LENGTH) + len(_LENGTH)
        size = head + 4 + int(self._buffer[at : self._buffer.index(b"\r", at)])
        if len(self._buffer) < size:
            return
        if not self._buffer.startswith(b"HTTP/1.1 " + self._status):
            self._fail(RuntimeError(f"the gateway answered {self._buffer[:300]!r}"))
            return
        self._buffer = self._buffer[size:]
        self._post()

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def _post_all(port: int, body: bytes, n: int, connections: int, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    request = head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
    loop = asyncio.get_running_loop()
    left = [n]
    ends: list[asyncio.Future[None]] = []
    for _ in range(connections):
        ends.append(loop.create_future())
        end = ends[-1]
        await loop.create_connection(lambda end=end: _Poster(request, b"201", left, end), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)


def post(port: int, body: bytes, n: int, connections: int, path: str = "/api/jobs") -> None:
    """Post `body` `n` times over so many connections and wait for every answer. Raises RuntimeError on a wrong one."""
    uvloop.run(_post_all(port, body, n, connections, path))
