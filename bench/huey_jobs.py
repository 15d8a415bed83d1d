"""Huey's side: a no-op task on SQLite that waits for the disk, results off."""

import os

from huey import SqliteHuey  # type: ignore[import-untyped,import-not-found,unused-ignore]

from bench import probe

huey = SqliteHuey(filename=os.environ["BENCH_HUEY"], results=False, fsync=True)


@huey.task()  # type: ignore[untyped-decorator,unused-ignore]
def noop() -> None:
    """Nothing."""
    probe.hit()
