"""What can go wrong, sorted by what the caller can do about it.

    QuaeroError
    ├── InvalidInput      fix the request (a field, a file, a setting)         422, exit 2
    │   ├── UnknownKind   register the kind, or start a worker that knows it
    │   └── TooLarge      send less
    ├── NotFound          the id names nothing                                 404, exit 2
    ├── Conflict          reload, look at the status it names, decide again    409, exit 2
    └── StoreUnavailable  try later, or mend the store                         503, exit 4
        ├── StoreFull     free some disk space; nothing accepted was lost      507
        ├── StoreLocked   another program holds the store
        └── StoreUnsafe   the database library or file cannot be trusted

Every message says what is wrong and what would be right, in one line. The HTTP status and the exit code of each
class stand here and nowhere else.
"""

from typing import ClassVar


class QuaeroError(Exception):
    """Root of everything Quaero raises on purpose."""

    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 4
    problem: ClassVar[str] = "internal"


class InvalidInput(QuaeroError):
    """The request, file or setting is wrong; the message names the place and the remedy."""

    http_status = 422
    exit_code = 2
    problem = "invalid"


class UnknownKind(InvalidInput):
    """No worker ever announced this kind."""

    problem = "unknown-kind"


class TooLarge(InvalidInput):
    """A payload, result or batch is over its fixed limit (`domain/bounds.py`)."""

    problem = "too-large"


class NotFound(QuaeroError):
    """The id names nothing in this store."""

    http_status = 404
    exit_code = 2
    problem = "not-found"


class Conflict(QuaeroError):
    """The job is not in a status that allows this; the message names the status it is in, and so does `status`."""

    http_status = 409
    exit_code = 2
    problem = "conflict"

    def __init__(self, message: str, status: str | None = None) -> None:
        super().__init__(message)
        self.status = status


class StoreUnavailable(QuaeroError):
    """The store cannot be reached or written now."""

    http_status = 503
    exit_code = 4
    problem = "store-unavailable"


class StoreFull(StoreUnavailable):
    """The disk is full, or so nearly that new work is refused. What was accepted is kept."""

    http_status = 507
    problem = "store-full"


class StoreLocked(StoreUnavailable):
    """Another program has held the store for longer than we wait."""

    problem = "store-locked"


class StoreUnsafe(StoreUnavailable):
    """The database library, file or file system cannot keep the promises; refused rather than risked."""

    problem = "store-unsafe"
