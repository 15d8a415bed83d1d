"""What SQLite says when something is wrong, in our words: what it means for the caller, and what would be right."""

import contextlib
from pathlib import Path
from typing import Any

import apsw

from quaero.domain.errors import StoreFull, StoreLocked, StoreUnavailable, StoreUnsafe
from quaero.storage.space import Space

BUSY_MS = 10_000  # how long a connection waits for another program's lock


@contextlib.contextmanager
def translated(path: Path) -> Any:
    """Say SQLite's errors in our words."""
    try:
        yield
    except apsw.FullError as error:
        raise _full(path) from error
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StoreLocked(f"{path} has been locked by another program for {BUSY_MS // 1000} s") from error
    except (apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise StoreUnavailable(f"{path} cannot be written: check the permissions of the file and its folder") from error
    except apsw.CantOpenError as error:
        raise StoreUnavailable(f"cannot open {path}: check that its folder exists and may be written") from error
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise StoreUnsafe(f"{path} is not a whole Quaero store ({error}): restore a backup of it") from error
    except apsw.IOError as error:
        if Space(path).is_full:  # what maps a file into memory says so in this way
            raise _full(path) from error
        raise StoreUnavailable(f"the disk of {path} failed: {error}") from error


def _full(path: Path) -> StoreFull:
    return StoreFull(f"the disk of {path} is full: free some space; nothing accepted was lost")
