"""PostgreSQL's errors in our words. No message carries a password."""

import contextlib
from collections.abc import Iterator

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from quaero.domain.errors import InvalidInput, QuaeroError, StoreFull, StoreLocked, StoreUnavailable, StoreUnsafe


def named(url: str) -> str:
    """What to call a store: its database and server. Raises InvalidInput for a URL that is none."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise InvalidInput("store URL: write postgresql://USER@HOST:PORT/DATABASE") from None
    return f"{parts.get('dbname') or 'the default database'} on {parts.get('host') or 'this machine'}"


@contextlib.contextmanager
def translated(name: str) -> Iterator[None]:
    """Say PostgreSQL's errors in our words."""
    try:
        yield
    except QuaeroError:
        raise
    except (errors.DiskFull, errors.OutOfMemory, errors.ConfigurationLimitExceeded) as error:
        raise StoreFull(f"{name}: the server is out of room: nothing accepted was lost ({_line(error)})") from error
    except (
        errors.LockNotAvailable,
        errors.QueryCanceled,
        errors.DeadlockDetected,
        errors.SerializationFailure,
    ) as error:
        raise StoreLocked(f"{name}: held by others for too long ({_line(error)})") from error
    except (errors.DataCorrupted, errors.IndexCorrupted, errors.UndefinedTable, errors.UndefinedColumn) as error:
        raise StoreUnsafe(f"{name} is not a whole Quaero store ({_line(error)})") from error
    except (errors.DuplicateTable, errors.DuplicateObject, errors.DuplicateFunction) as error:
        raise StoreUnsafe(f"{name} holds what another program made: name an empty database ({_line(error)})") from error
    except errors.ReadOnlySqlTransaction as error:
        raise StoreUnavailable(f"{name} takes no writes: a standby, or set to read only ({_line(error)})") from error
    except errors.InsufficientPrivilege as error:
        raise StoreUnavailable(f"{name}: this role may not do that ({_line(error)})") from error
    except (psycopg.OperationalError, errors.IdleInTransactionSessionTimeout) as error:
        raise StoreUnavailable(f"{name} cannot be reached: {_line(error)}") from error


def _line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
