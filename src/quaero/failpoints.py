"""Named points in the code where a test may make this process die, hang or raise.

    QUAERO_FAILPOINTS="commit.before=kill,round.after_write=raise@3:/tmp/fired"

`kill` is SIGKILL to this process, `hang` stops this thread for good, `raise` raises `FailpointError`; `@n` waits for
the n-th pass (default: the first). With a file, only the first of all processes to make the file does it: children
inherit the variable, and the file says that it happened. Without the variable every point is a call to an empty
function.
"""

import os
import signal
import threading
from collections.abc import Callable

POINTS: tuple[str, ...] = (
    "commit.before",
    "commit.after",
    "commit.flush",
    "round.before_write",
    "round.after_write",
    "round.before_dispatch",
    "enqueue.after_commit",
    "sweep.before",
    "sweep.after",
    "heartbeat.before",
    "cancel.after_commit",
    "cancel.batch",
    "executor.began",
    "executor.before_ended",
    "executor.after_ended",
    "spawn.before_send",
)


class FailpointError(RuntimeError):
    """Raised where a failpoint armed with `raise` is passed."""


def _arm(spec: str) -> dict[str, tuple[str, int, str]]:
    armed = {}
    for item in filter(None, (part.strip() for part in spec.split(","))):
        name, _, action = item.partition("=")
        action, _, file = action.partition(":")
        action, _, nth = action.partition("@")
        armed[name] = (action, int(nth or 1), file)
    return armed


def _is_first(file: str) -> bool:
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    return True


def _fire(armed: dict[str, tuple[str, int, str]]) -> Callable[[str], None]:
    passes: dict[str, int] = {}

    def failpoint(name: str) -> None:
        action, nth, file = armed.get(name, ("", 0, ""))
        if not action:
            return
        passes[name] = passes.get(name, 0) + 1
        if passes[name] != nth or (file and not _is_first(file)):
            return
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "hang":
            threading.Event().wait()
        if action == "raise":
            raise FailpointError(name)

    return failpoint


def _unarmed(name: str) -> None:
    """Do nothing: the usual case."""


failpoint: Callable[[str], None] = (
    _fire(_arm(os.environ["QUAERO_FAILPOINTS"])) if os.environ.get("QUAERO_FAILPOINTS") else _unarmed
)
