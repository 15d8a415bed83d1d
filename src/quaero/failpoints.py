"""Named points in the code where a test may make this process die, hang or raise.

    QUAERO_FAILPOINTS="commit.before=kill,finish.after_commit=raise@3"

`kill` is SIGKILL to this process, `hang` stops it for good, `raise` raises `FailpointError`; `@n` waits for the n-th
pass (default: the first). Without the variable every point is a call to an empty function.
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


def _arm(spec: str) -> dict[str, tuple[str, int]]:
    armed = {}
    for item in filter(None, (part.strip() for part in spec.split(","))):
        name, _, action = item.partition("=")
        action, _, nth = action.partition("@")
        armed[name] = (action, int(nth or 1))
    return armed


def _fire(armed: dict[str, tuple[str, int]]) -> Callable[[str], None]:
    passes: dict[str, int] = {}

    def failpoint(name: str) -> None:
        action, nth = armed.get(name, ("", 0))
        if not action:
            return
        passes[name] = passes.get(name, 0) + 1
        if passes[name] != nth:
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
