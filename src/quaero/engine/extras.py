"""The parts of a job's context that most jobs never use, made when the first of them is."""

import logging
from typing import Any

import msgspec

from quaero.domain.facts import Document
from quaero.engine.cancellation import Cancelled
from quaero.engine.spawning import Spawns


class Extras:
    """See the module."""

    __slots__ = ("cancelled", "counts", "documents", "log", "payload", "progress", "result", "spawns", "streams",
                 "told_at")  # fmt: skip

    def __init__(self) -> None:
        self.cancelled: Cancelled | None = None
        self.counts: dict[str, int] = {}
        self.documents: list[Document] = []
        self.log: logging.Logger | None = None
        self.payload: dict[str, Any] | None = None
        self.progress: tuple[float | None, float | None, str | None] | None = None
        self.result: Any = msgspec.UNSET
        self.spawns: Spawns | None = None
        self.streams: list[Any] | None = None
        self.told_at = 0.0
