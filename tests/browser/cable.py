"""A cable between browser and server that can be cut in the middle of a frame, or go dead without a sign."""

import contextlib
import socket
import struct
import threading
from urllib.parse import urlsplit

HERE = "127.0.0.2"
RESET_AT_ONCE = struct.pack("ii", 1, 0)


class Cable:
    """A TCP proxy on another address of loopback, at the server's own port: it answers to no other."""

    def __init__(self, address: str) -> None:
        to = urlsplit(address)
        self._to = (to.hostname, to.port)
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._cutting = False
        self._flows = threading.Event()
        self._flows.set()
        self._door = socket.create_server((HERE, to.port or 80))
        self.address = f"http://{HERE}:{to.port}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def cut(self) -> None:
        """Let half of what the server says next through, and break everything off."""
        self._cutting = True

    def die(self) -> None:
        """Carry nothing any more, and say nothing of it."""
        self._flows.clear()

    def mend(self) -> None:
        """Be whole again: for new connections; those of before were lost."""
        self._break_all()
        self._cutting = False
        self._flows.set()

    def close(self) -> None:
        """Break everything off for good."""
        self._door.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in it
        self._accepting.join()
        self._door.close()
        self.mend()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._connect(self._door.accept()[0])

    def _connect(self, near: socket.socket) -> None:
        try:
            if self._cutting:
                raise ConnectionRefusedError
            far = socket.create_connection(self._to)
        except OSError:
            _reset(near)
            return
        self._pairs.append((near, far))
        for way in ((near, far, False), (far, near, True)):
            threading.Thread(target=self._carry, args=way, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, from_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                if self._cutting and from_server:
                    sink.sendall(data[: len(data) // 2])
                    break
                sink.sendall(data)
        for end in (source, sink):
            _reset(end)

    def _break_all(self) -> None:
        for pair in self._pairs:
            for end in pair:
                _reset(end)
        self._pairs.clear()


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
        end.shutdown(socket.SHUT_RDWR)
    end.close()
