"""The parts of a job's context that most jobs never use, made when the first of them is."""

import logging
from typing import Any

import msgspec

from quaero.domain.facts import Document
from quaero.engine.cancellation import Cancelled
from quaero.engine.spawning import Spawns


class Extras:
    """See the module."""

    # No slots: defaults stand on the class, so that making one costs little.
    cancelled: Cancelled | None = None
    counts: dict[str, int] | None = None
    documents: list[Document] | None = None
    log: logging.Logger | None = None
    payload: dict[str, Any] | None = None
    progress: tuple[float | None, float | None, str | None] | None = None
    result: Any = msgspec.UNSET
    spawns: Spawns | None = None
    streams: list[Any] | None = None  # splitters of standard output and error
    told_at = 0.0  # when progress was last told, by the monotonic clock
