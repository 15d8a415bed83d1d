"""What a worker is told, and how it says that it cannot work."""

from dataclasses import dataclass

from quaero.engine.protocol import Setup


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """One worker's settings. Times in seconds, retentions in microseconds (0: for ever)."""

    setup: Setup
    executors: int
    lease: float = 20.0
    heartbeat: float = 5.0
    grace: float = 25.0
    jobs_retention: int = 0
    logs_retention: int = 0
    max_attempts: int = 3  # of kinds that do not say
    definitions_dir: str | None = None
    root_id: int | None = None  # take jobs of this tree only


class AppBrokenError(Exception):
    """The application could not be imported; the message is for people."""
