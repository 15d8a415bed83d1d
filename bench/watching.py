"""`python -m bench.watching PORT PATH N NEVER SLOW`: many viewers in one cheap process, over one epoll.

Of the N connections, NEVER are opened and never read, SLOW read 32 KB a second, all others read what comes. Says
`{"ready": N}` once all are answered, and answers every line on standard input with what was counted since the
last one: frames, entries, bytes, and how old what a sample of them read was, from `T<monotonic nanoseconds>@` in it.
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
SAMPLED = 10  # every tenth viewer is looked at closely
SLOW_BYTES, SLOW_SECONDS = 3_200, 0.1
OPENED_AT_ONCE = 50
SMALL_BUFFER = 4_096


@dataclass(slots=True, eq=False)
class Viewer:
    """One connection."""

    number: int
    socket: socket.socket
    is_ready: bool = False


@dataclass(slots=True)
class Counts:
    """What came since the last question."""

    frames: int = 0
    entries: int = 0
    bytes: int = 0
    closed: int = 0
    ages: list[float] = field(default_factory=list)

    def told(self) -> dict[str, float]:
        """As samples; ages in milliseconds."""
        ages = sorted(self.ages)
        at = (lambda share: ages[min(len(ages) - 1, int(len(ages) * share))]) if ages else lambda share: 0.0
        told = {"frames": self.frames, "entries": self.entries, "bytes": self.bytes, "closed": self.closed}
        return {**told, "p50": at(0.5), "p99": at(0.99), "ages": len(ages)}


class Watching:
    """All viewers of this process."""

    def __init__(self, port: int, path: str, n: int, never: int, slow: int) -> None:
        self._address = ("127.0.0.1", port)
        self._request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n".encode()
        self._n, self._never, self._slow = n, never, slow
        self._selector = selectors.DefaultSelector()
        self._buffer = bytearray(1 << 18)
        self._view = memoryview(self._buffer)
        self._kept: list[Viewer] = []
        self._lame: list[Viewer] = []
        self._ready = 0
        self._counts = Counts()

    def run(self) -> None:
        """Until standard input is closed."""
        self._selector.register(0, selectors.EVENT_READ, None)
        next_slow = time.monotonic()
        if not self._n:
            print(json.dumps({"ready": 0}), flush=True)
        while True:
            while len(self._kept) < self._n and len(self._kept) - self._ready < OPENED_AT_ONCE:
                self._open()
            for key, _ in self._selector.select(0.05):
                if key.data is None:
                    if not sys.stdin.readline():
                        return
                    self._answer()
                else:
                    self._read(key.data, len(self._buffer))
            if time.monotonic() >= next_slow:
                next_slow += SLOW_SECONDS
                for viewer in self._lame:
                    with suppress(BlockingIOError):
                        self._read(viewer, SLOW_BYTES)

    def _open(self) -> None:
        number = len(self._kept)
        never, slow = number < self._never, number < self._never + self._slow
        opened = socket.socket()
        if slow:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        opened.connect(self._address)
        opened.sendall(self._request)
        opened.setblocking(False)
        viewer = Viewer(number, opened)
        self._kept.append(viewer)
        if never:
            self._is_ready(viewer)
        elif slow:
            self._lame.append(viewer)
            self._is_ready(viewer)
        else:
            self._selector.register(opened, selectors.EVENT_READ, viewer)

    def _is_ready(self, viewer: Viewer) -> None:
        viewer.is_ready = True
        self._ready += 1
        if self._ready == self._n:
            print(json.dumps({"ready": self._n}), flush=True)

    def _read(self, viewer: Viewer, most: int) -> None:
        counts = self._counts
        try:
            n = viewer.socket.recv_into(self._buffer, most)
        except ConnectionError:
            n = 0
        if not n:
            counts.closed += 1
            with suppress(KeyError, ValueError):
                self._selector.unregister(viewer.socket)
            viewer.socket.close()
            if viewer in self._lame:
                self._lame.remove(viewer)
            return
        counts.bytes += n
        counts.frames += self._buffer.count(b"event: logs", 0, n)
        counts.entries += self._buffer.count(b'{"seq":', 0, n)
        if not viewer.is_ready and self._buffer.find(b"200 OK", 0, n) >= 0:
            self._is_ready(viewer)
        if viewer.number % SAMPLED == 0:
            now = time.monotonic_ns()
            counts.ages += [(now - int(stamp)) / 1e6 for stamp in STAMP.findall(self._view[:n])]

    def _answer(self) -> None:
        print(json.dumps(self._counts.told()), flush=True)
        self._counts = Counts()


if __name__ == "__main__":
    Watching(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])).run()
