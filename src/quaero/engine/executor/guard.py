"""How an executor leaves: with its worker, with everything it started; or loudly, when the fault is ours."""

import ctypes
import os
import signal
import traceback

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel kill this process when the worker dies, however stuck a handler is."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Guard:
    """Stands around what is ours. Never lets an error of ours pass for a job's; a worker that is gone ends us.

    `stderr` is a descriptor that is not captured.
    """

    def __init__(self, stderr: int) -> None:
        self._stderr = stderr

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the process."""
        if isinstance(error, EOFError | ConnectionError):
            leave()
        text = "".join(traceback.format_exception(error))
        os.write(self._stderr, f"quaero executor {os.getpid()} stopped by a fault of its own:\n{text}".encode())
        os._exit(70)


def leave() -> None:
    """End the process with all it started: the worker is gone, and nobody would hear of what comes."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)
