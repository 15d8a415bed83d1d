"""The doorbell between the processes of one machine: Unix datagrams, one socket per listener.

The sockets of a store lie together in one private folder; ringing sends one byte to each. A full socket buffer means
the listener has rings waiting already, so a failed send loses nothing. Sockets of the dead are removed when found.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
import socket
import tempfile
from collections.abc import Collection
from pathlib import Path

from quaero.doorbell.rung import Rung


class LocalDoorbell:
    """Implements `doorbell.port.Doorbell` for the store whose file this is. Make it inside a running event loop."""

    def __init__(self, database: Path) -> None:
        self._folder = _folder(database)
        self._own = self._folder / secrets.token_hex(8)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self._own))
        self._rung = Rung()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._heard)
        self._others: list[str] = []
        self._seen_at = -1

    def ring(self, trees: Collection[int] = (), work: bool = True) -> None:
        """Tell every other listener of this store, whatever it heeds: a datagram costs next to nothing."""
        for other in self._listeners():
            try:
                self._socket.sendto(b"!", other)
            except BlockingIOError:
                continue
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(other)
                self._seen_at = -1

    def _listeners(self) -> list[str]:
        """The other sockets, scanned again whenever the folder has changed."""
        changed = os.stat(self._folder).st_mtime_ns
        if changed != self._seen_at:
            own = str(self._own)
            self._others = [
                path for path in (str(self._folder / name) for name in os.listdir(self._folder)) if path != own
            ]
            self._seen_at = changed
        return self._others

    def _heard(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(64):
                pass
        self._rung.set()

    def heed(self, trees: Collection[int], work: bool) -> None:
        """Everything wakes it."""

    async def wait(self, timeout: float) -> bool:
        """Return True when somebody rang since the last wait, False after `timeout` seconds."""
        return await self._rung.wait(timeout)

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        with contextlib.suppress(OSError):
            self._own.unlink()


def _folder(database: Path) -> Path:
    """A private folder for the sockets of a store; in the temporary directory, as socket paths must be short."""
    name = hashlib.blake2b(str(database.resolve()).encode(), digest_size=8).hexdigest()
    folder = Path(tempfile.gettempdir()) / f"quaero-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder
