"""`python -m bench.watching PORT PATH N NEVER SLOW [SAYS]`: many viewers in one process that costs next to nothing.

Of the N connections, NEVER are opened and never read, SLOW read 32 KB a second, all others read what comes. Says
`{"ready": N}` once all are answered, and answers every line on standard input with what was counted since the
last one: frames, entries, bytes, and how old it was, from `T<monotonic nanoseconds>@` in it. With SAYS they are
clients of a WebSocket that say this one thing first.

It shares a core with what is measured, so only every twentieth viewer looks at what it reads, at once: it counts, and
takes the age of the oldest line of each reading. The others let the kernel throw their bytes away uncopied (MSG_TRUNC),
twenty times a second. Frames and entries are those of the samples, scaled by bytes: all get the same.
"""

import json
import re
import selectors
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

STAMP = re.compile(rb"T(\d+)@")
SAMPLED = 20
SWEEP_SECONDS = 0.05
SLOW_BYTES, SLOW_SECONDS = 3_200, 0.1
OPENED_AT_ONCE = 50
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
SMALL_BUFFER, LARGE_BUFFER = 4_096, 1 << 20


@dataclass(slots=True, eq=False)
class Viewer:
    """One connection; `is_sampled`: it looks at what it reads."""

    socket: socket.socket
    is_sampled: bool
    is_ready: bool = False


@dataclass(slots=True)
class Counts:
    """What came since the last question; of entries, frames and ages only what samples saw."""

    bytes: int = 0
    seen: int = 0
    frames: int = 0
    entries: int = 0
    closed: int = 0
    ages: list[float] = field(default_factory=list)

    def told(self) -> dict[str, float]:
        """As samples; ages in milliseconds."""
        ages = sorted(self.ages)
        at = (lambda share: ages[min(len(ages) - 1, int(len(ages) * share))]) if ages else lambda share: 0.0
        scale = self.bytes / self.seen if self.seen else 0.0
        told = {"frames": self.frames * scale, "entries": self.entries * scale}
        return {**told, "bytes": self.bytes, "closed": self.closed, "p50": at(0.5), "p99": at(0.99), "ages": len(ages)}


class Watching:
    """All viewers of this process."""

    def __init__(self, port: int, path: str, n: int, never: int, slow: int, says: str) -> None:
        self._address = ("127.0.0.1", port)
        headers = UPGRADE if says else "Accept: text/event-stream\r\n"
        self._request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n".encode()
        self._says = _frame(says.encode()) if says else b""
        self._answer_like, self._frame_like = (b"101 ", b'{"type":') if says else (b"200 OK", b"event: logs")
        self._n, self._never, self._slow = n, never, slow
        self._selector = selectors.DefaultSelector()
        self._buffer = bytearray(LARGE_BUFFER)
        self._kept: list[Viewer] = []
        self._lame: list[Viewer] = []
        self._swept: list[Viewer] = []
        self._ready = 0
        self._counts = Counts()

    def run(self) -> None:
        """Until standard input is closed."""
        self._selector.register(0, selectors.EVENT_READ, None)
        next_sweep = next_slow = time.monotonic()
        if not self._n:
            print(json.dumps({"ready": 0}), flush=True)
        while True:
            while len(self._kept) < self._n and len(self._kept) - self._ready < OPENED_AT_ONCE:
                self._open()
            now = time.monotonic()
            for key, _ in self._selector.select(max(0.0, next_sweep - now)):
                if key.data is None:
                    if not sys.stdin.readline():
                        return
                    self._answer()
                else:
                    self._look(key.data)
            now = time.monotonic()
            if now >= next_sweep:
                next_sweep = now + SWEEP_SECONDS
                self._counts.bytes += self._sweep(self._swept, LARGE_BUFFER)
            if now >= next_slow:
                next_slow = now + SLOW_SECONDS
                self._sweep(self._lame, SLOW_BYTES)

    def _open(self) -> None:
        number = len(self._kept) - self._never - self._slow
        never, slow = number < -self._slow, number < 0
        opened = socket.socket()
        if slow and not never:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        opened.connect(self._address)
        opened.sendall(self._request)
        opened.setblocking(False)
        viewer = Viewer(opened, is_sampled=not slow and number % SAMPLED == 0)
        self._kept.append(viewer)
        if slow:
            if not never:
                self._lame.append(viewer)
            self._is_ready(viewer)
        else:
            self._selector.register(opened, selectors.EVENT_READ, viewer)

    def _is_ready(self, viewer: Viewer) -> None:
        viewer.is_ready = True
        self._ready += 1
        if self._ready == self._n:
            print(json.dumps({"ready": self._n}), flush=True)

    def _look(self, viewer: Viewer) -> None:
        """Read what has come, and look at it."""
        try:
            n = viewer.socket.recv_into(self._buffer)
        except ConnectionError:
            n = 0
        if not n:
            self._gone(viewer)
            return
        buffer, counts = self._buffer, self._counts
        counts.bytes += n
        if not viewer.is_ready and buffer.find(self._answer_like, 0, n) >= 0:
            self._is_ready(viewer)
            if self._says:
                viewer.socket.sendall(self._says)
            if not viewer.is_sampled:
                self._selector.unregister(viewer.socket)
                viewer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LARGE_BUFFER)
                self._swept.append(viewer)
        if viewer.is_sampled:
            counts.seen += n
            counts.frames += buffer.count(self._frame_like, 0, n)
            counts.entries += buffer.count(b'{"seq":', 0, n)
            oldest = STAMP.search(buffer, 0, n)
            if oldest is not None:
                counts.ages.append((time.monotonic_ns() - int(oldest[1])) / 1e6)

    def _sweep(self, viewers: list[Viewer], most: int) -> int:
        """Throw away what has come, at most so many bytes of each; how much it was."""
        taken, buffer = 0, self._buffer
        gone = []
        for viewer in viewers:
            try:
                n = viewer.socket.recv_into(buffer, most, socket.MSG_TRUNC)
            except BlockingIOError:
                continue
            except ConnectionError:
                n = 0
            taken += n
            if not n:
                gone.append(viewer)
        for viewer in gone:
            viewers.remove(viewer)
            self._gone(viewer)
        return taken

    def _gone(self, viewer: Viewer) -> None:
        self._counts.closed += 1
        with suppress(KeyError, ValueError):
            self._selector.unregister(viewer.socket)
        viewer.socket.close()

    def _answer(self) -> None:
        """Tell the counts; what has come by now counts."""
        self._counts.bytes += self._sweep(self._swept, LARGE_BUFFER)
        print(json.dumps(self._counts.told()), flush=True)
        self._counts = Counts()


def _frame(text: bytes) -> bytes:
    """A text frame of a WebSocket client; masked with zeros it stays what it is."""
    size = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    return b"\x81" + size + bytes(4) + text


if __name__ == "__main__":
    Watching(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6]), "".join(sys.argv[6:])).run()
