"""Frames on the socket between an executor and its worker.

Sending blocks while the pipe is full: that is the back-pressure by which a slow store slows handlers. Receiving never
holds up sending.
"""

import select
import socket
import threading

import msgspec

from quaero.engine.protocol import LENGTH, FromExecutor, ToExecutor, decode_to_executor, frame

READ_BYTES = 256 * 1024


class Channel:
    """One end of the socket: the executor's."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._lock = threading.Lock()
        self._writable = select.poll()
        self._writable.register(sock, select.POLLOUT)
        self._early: list[ToExecutor] = []  # came together with the first

    def fileno(self) -> int:
        """The descriptor, for waiting until something can be received."""
        return self._sock.fileno()

    def send(self, message: FromExecutor) -> None:
        """Send one message whole. Raises OSError when the worker is gone."""
        rest = memoryview(frame(message))
        with self._lock:
            while rest:
                try:
                    rest = rest[self._sock.send(rest, socket.MSG_DONTWAIT) :]
                except BlockingIOError:
                    # not `sendall`: libuv has made the socket non-blocking behind Python's back
                    self._writable.poll()

    def first(self) -> ToExecutor:
        """Wait for one message. Raises EOFError when the worker is gone."""
        while not self._early:
            self._early = self._read(0)
        return self._early.pop(0)

    def receive(self) -> list[ToExecutor]:
        """The messages that are whole after one read, perhaps none. Raises EOFError when the worker is gone."""
        early, self._early = self._early, []
        return early + self._read(socket.MSG_DONTWAIT)

    def _read(self, flags: int) -> list[ToExecutor]:
        try:
            data = self._sock.recv(READ_BYTES, flags)
        except BlockingIOError:
            return []
        except ConnectionError as error:
            raise EOFError("the worker is gone") from error
        if not data:
            raise EOFError("the worker is gone")
        self._buffer += data
        return self._whole()

    def _whole(self) -> list[ToExecutor]:
        messages: list[ToExecutor] = []
        start = 0
        view = memoryview(self._buffer)
        try:
            while len(view) - start >= LENGTH.size:
                end = start + LENGTH.size + LENGTH.unpack_from(view, start)[0]
                if end > len(view):
                    break
                messages.append(decode_to_executor(bytes(view[start + LENGTH.size : end])))
                start = end
        except msgspec.DecodeError as error:
            raise EOFError(f"the worker sent what no executor understands: {error}") from error
        finally:
            view.release()
        del self._buffer[:start]
        return messages
