"""A worker's side of its warden (`warden.py`): starts it, tells it what to watch, replaces it when it is gone."""

import os
import subprocess
import sys
from contextlib import suppress

from quaero.engine.worker import warden


class Wardship:
    """The executors' sessions under the warden's eye. Nothing here waits or raises because the warden has trouble."""

    def __init__(self) -> None:
        self._sessions: set[int] = set()
        self._ends = float("inf")
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def watch(self, session: int) -> None:
        """End this session when this process is gone or its lease has ended."""
        self._sessions.add(session)
        self._tell(f"+{session}\n")

    def forget(self, session: int) -> None:
        """An executor is gone: end what it left behind, here and now."""
        warden.end_sessions([session])
        self._sessions.discard(session)
        self._tell(f"-{session}\n")

    def until(self, ends: float) -> None:
        """The lease runs until this moment (monotonic seconds)."""
        self._ends = ends
        self._tell(f"={ends}\n")

    def _tell(self, text: str) -> None:
        if self._is_closed:
            return
        if self._process is not None and self._process.poll() is None and self._write(text):
            return
        self._dismiss()
        self._start()
        self._write("".join(f"+{session}\n" for session in self._sessions) + f"={self._ends}\n")

    def _write(self, text: str) -> bool:
        """Whether the warden was told. A pipe that is full has nobody behind it who reads."""
        assert self._process is not None
        assert self._process.stdin is not None
        data = text.encode()
        with suppress(OSError):
            return os.write(self._process.stdin.fileno(), data) == len(data)
        return False

    def _start(self) -> None:
        command = [sys.executable, "-I", "-S", warden.__file__]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)

    def _dismiss(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None

    def close(self) -> None:
        """The worker leaves: let the warden end what is still there, and go."""
        self._is_closed = True
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
            self._process = None
