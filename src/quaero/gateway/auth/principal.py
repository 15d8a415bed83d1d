"""Who is asking: the gate puts a `Principal` into every ASGI scope it lets through, as `scope["principal"]`.

A stream or a socket needs to do nothing to be closed in time. When a credential is revoked, logged out or expires, the
gate *cancels the task* that answers its request (within `auth.credentials.LOOK_SECONDS`), the same way for SSE,
WebSocket and downloads; clean up in `finally`, as for a client that went away. `principal.closed` is set first, for
whoever serves many from one task. `principal.access` decides within a connection; the router decides per route.
"""

import asyncio
from dataclasses import dataclass, field

from quaero.domain.access import Access
from quaero.gateway.auth.limits import Limits, Usage


@dataclass(slots=True, eq=False)
class Principal:
    """One identity as this process knows it; requests of one credential share one object.

    `name` is for people and the audit: `loopback`, `token ci (k3v…)`, `nobody`. Never a secret.
    """

    name: str
    access: Access
    expires_at: int = 0  # microseconds since the epoch, 0: never
    usage: Usage = field(default_factory=lambda: Usage(Limits()))
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: "set[asyncio.Task[object]]" = field(default_factory=set)

    @property
    def is_closed(self) -> bool:
        """Whether this credential no longer counts."""
        return self.closed.is_set()

    @property
    def is_busy(self) -> bool:
        """Whether requests of it are under way."""
        return bool(self._tasks)

    def close(self) -> None:
        """It no longer counts: end whatever is under way in its name, but for the request that asked for this."""
        self.closed.set()
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()

    def holds(self, task: "asyncio.Task[object]") -> None:
        """This task answers a request of it."""
        self._tasks.add(task)

    def releases(self, task: "asyncio.Task[object]") -> None:
        """This task has answered."""
        self._tasks.discard(task)


def nobody() -> Principal:
    """Who gave no credential where one is needed."""
    return Principal("nobody", Access.NOBODY)


def loopback() -> Principal:
    """A program or page of this machine, on a server that only this machine reaches."""
    return Principal("loopback", Access.ADMIN)
