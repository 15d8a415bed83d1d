"""Ballast is held, thrown off once, and taken up again; new work is refused before there is no room."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from quaero.domain.bounds import MIB
from quaero.domain.errors import StoreFull, StoreUnavailable
from quaero.storage import sqlite
from quaero.storage.space import Space
from quaero.storage.sqlstore import SqlStore

Free = Callable[[int], None]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Free:
    """Say how many bytes the disk has left."""

    def has(free: int) -> None:
        monkeypatch.setattr(Space, "free", lambda self: free)

    has(1000 * MIB)
    return has


@pytest.fixture
def space(tmp_path: Path, disk: Free) -> Space:
    return Space(tmp_path / "quaero.db", ballast=2 * MIB, low_water=4 * MIB)


def ballast(folder: Path) -> list[int]:
    """Sizes of the ballast files there are; blocks, as a file of holes would be no ballast."""
    return [path.stat().st_blocks * 512 for path in folder.iterdir() if path.name == "quaero.db.ballast"]


def test_ballast_takes_real_room(space: Space, tmp_path: Path) -> None:
    assert space.restore()
    assert space.restore()
    assert len(ballast(tmp_path)) == 1
    assert ballast(tmp_path)[0] >= 2 * MIB
    assert (tmp_path / "quaero.db.ballast").stat().st_mode & 0o777 == 0o600


def test_ballast_is_thrown_off_once(space: Space, tmp_path: Path) -> None:
    space.restore()
    assert space.throw_off()
    assert ballast(tmp_path) == []
    assert not space.throw_off()


def test_work_is_admitted_while_there_is_room(space: Space, tmp_path: Path) -> None:
    space.admit()
    assert len(ballast(tmp_path)) == 1


def test_work_is_refused_below_the_low_water_mark(space: Space, disk: Free) -> None:
    space.restore()
    disk(4 * MIB - 1)
    with pytest.raises(StoreFull, match=r"only 3 MiB free .* until there are 6 MiB; what was accepted is kept"):
        space.admit()
    disk(4 * MIB)
    space.admit()


def test_work_is_refused_until_there_is_room_for_the_ballast_again(space: Space, disk: Free, tmp_path: Path) -> None:
    space.restore()
    space.throw_off()
    disk(6 * MIB - 1)
    with pytest.raises(StoreFull):
        space.admit()
    assert ballast(tmp_path) == []
    disk(6 * MIB)
    space.admit()
    assert len(ballast(tmp_path)) == 1


def test_half_a_ballast_is_not_left_behind(space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert not space.restore()
    assert ballast(tmp_path) == []


def test_free_room_is_what_the_file_system_says(tmp_path: Path) -> None:
    status = os.statvfs(tmp_path)
    assert 0 < Space(tmp_path / "quaero.db").free() <= status.f_blocks * status.f_frsize


def test_a_store_opens_on_a_full_disk_by_throwing_off_its_ballast(
    tmp_path: Path, disk: Free, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "quaero.db"
    Space(path).restore()
    disk(0)
    whole, refusals = sqlite.connect, iter([apsw.IOError("disk I/O error")])

    def connect(*args: Any, **options: Any) -> Any:
        for refusal in refusals:
            raise refusal
        return whole(*args, **options)

    monkeypatch.setattr(sqlite, "connect", connect)

    store = SqlStore.open(f"sqlite:///{path}")

    assert ballast(tmp_path) == []
    asyncio.run(store.close())


def test_a_full_disk_without_ballast_is_said_in_one_line_with_the_remedy(
    tmp_path: Path, disk: Free, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*args: Any, **options: Any) -> Any:
        raise apsw.IOError("disk I/O error")

    monkeypatch.setattr(sqlite, "connect", connect)
    disk(0)
    with pytest.raises(StoreFull, match=r"is full: free some space; nothing accepted was lost"):
        SqlStore.open(f"sqlite:///{tmp_path}/quaero.db")
    disk(1000 * MIB)
    with pytest.raises(StoreUnavailable, match=r"the disk of .* failed: disk I/O error"):
        SqlStore.open(f"sqlite:///{tmp_path}/quaero.db")
