"""What the crawler needs of the context its functions are given: a small part of `quaero.JobContext`."""

import logging
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol

from quaero.engine.limits import Limit


class PageContext(Protocol):
    """The job a page, or the start of a crawl, runs as."""

    @property
    def root_id(self) -> str:
        """The id of the top of its tree."""

    @property
    def step(self) -> str | None:
        """The name of the definition's step it belongs to, if any."""

    @property
    def attempt(self) -> int:
        """Which try within its round this is, from 1."""

    @property
    def max_attempts(self) -> int:
        """How many tries a round has."""

    @property
    def log(self) -> logging.Logger:
        """Lines go to the job's log."""

    def count(self, name: str, n: int = 1) -> None:
        """Add to a sum shown on the job, its step and its root."""

    def spawn_many(
        self,
        kind: str,
        payloads: Sequence[Mapping[str, Any]],
        /,
        *,
        keys: Sequence[str],
        under: str,
        limit_key: Limit,
        max_children: int,
    ) -> Awaitable[list[str | None]]:
        """Ask for children; await their ids. A key the tree has already gives that job's; a full parent None."""

    def document(self, *, url: str, title: str, text: str, fields: Mapping[str, Any]) -> None:
        """Keep a text with the job's finish."""
