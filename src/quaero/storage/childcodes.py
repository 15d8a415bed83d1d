"""What colours single children of a map: how long they took, what they failed with. For whoever follows a map, which
knows already which of them have changed.
"""

from collections.abc import Collection

from quaero.domain.status import FAILED, RUNNING, WAITING
from quaero.storage.childmap import DURATION, duration_code
from quaero.storage.connection import Connection

MOST_GROWING = 20_000  # children whose time goes on, running and waiting ones each


def durations(db: Connection, ids: Collection[int], now: int) -> dict[int, int]:
    """The codes of a map by duration of these jobs."""
    sql = f"select id, {DURATION.format(now=int(now))} from job where {db.member('id')}"
    return {job_id: duration_code(int(millis)) for job_id, millis in db.rows(sql, (db.array(ids),))}


def growing(db: Connection, parent_id: int, now: int) -> tuple[int, dict[int, int]]:
    """The codes of a job's children whose time goes on, and the head of the tree's journal at which they hold.

    Only what workers hold and what waits is looked at: the plus keeps the planner from walking along all children.
    """
    part = f"select id, {DURATION.format(now=int(now))} from job where {{}} and +parent_id = ? limit {MOST_GROWING}"
    heads = db.rows(
        "select root.journal_head from job join job root on root.id = job.root_id where job.id = ?", (parent_id,)
    )
    codes: dict[int, int] = {}
    for which in (f"owner is not null and status = {int(RUNNING)}", f"status = {int(WAITING)}"):
        codes.update(
            (job_id, duration_code(int(millis))) for job_id, millis in db.rows(part.format(which), (parent_id,))
        )
    return (heads[0][0] if heads else 0), codes


def fingerprints(db: Connection, ids: Collection[int]) -> dict[int, str]:
    """What these jobs failed with, "" where that was not recorded; jobs that did not fail are left out."""
    sql = (
        f"select id, {db.dialect.field('error', 'fingerprint')} from job"
        f" where {db.member('id')} and status = {int(FAILED)}"
    )
    return {job_id: fingerprint or "" for job_id, fingerprint in db.rows(sql, (db.array(ids),))}
