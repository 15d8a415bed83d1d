"""What a job's context needs of the process it runs in: an executor, or a test that runs jobs inline."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from quaero.domain.facts import Spawned

if TYPE_CHECKING:
    from quaero.engine.context import JobContext


class Host(Protocol):
    """The process a handler runs in, as its context sees it. Entered, it keeps the process's other threads out."""

    @property
    def is_plain(self) -> bool:
        """Whether handlers run alone now, so that they may block."""

    def kind_of(self, handler: str | Callable[..., Any]) -> str:
        """The kind a name or a registered function stands for."""

    def names_of(self, kind: str) -> frozenset[str]:
        """The arguments of a kind's function; empty for a kind this process does not know."""

    def logger(self, job: "JobContext") -> logging.Logger:
        """A logger whose lines are the job's, whatever thread they come from."""

    def stir(self, job: "JobContext") -> None:
        """The job has progress, counts or children to tell: fetch them soon."""

    def put_spawned(self, job: "JobContext", spawned: Spawned, size: int) -> None:
        """Put children among the facts, after everything the job told before."""

    def push(self) -> None:
        """Send what was put, now."""

    async def ask(self, job: "JobContext", what: str) -> Any:
        """The store's answer to a question of the job."""

    def ask_and_wait(self, job: "JobContext", what: str) -> Any:
        """The same for a handler that may block."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...
