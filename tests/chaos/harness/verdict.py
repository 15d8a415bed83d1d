"""What must be true once all is quiet: the doctor's invariants, and the marks against the rows.

Everything is collected and told at once: a list of faults, empty when all is well.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import msgspec
from tests.chaos.harness.marks import Marks, Try, read_marks

from quaero.domain.bounds import MAX_LOSSES_BEFORE_SOLO
from quaero.domain.status import JobStatus
from quaero.storage.connection import Connection
from quaero.storage.doctor import examine
from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.sqlite import connect, database_path
from quaero.storage.sqlstore import is_postgres

S = JobStatus


@dataclass(slots=True)
class Verdict:
    """The faults found, and what was looked at."""

    faults: list[str] = field(default_factory=list)
    jobs: int = 0
    tries: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    extra_tries: int = 0  # begun more often than counted: a kill before the start was recorded, or a refund

    def __str__(self) -> str:
        word = "PASS" if not self.faults else f"FAIL ({len(self.faults)} faults)"
        counts = ", ".join(f"{n} {status}" for status, n in sorted(self.statuses.items()))
        return f"{word}: {self.jobs} jobs ({counts}), {self.tries} tries begun, {self.extra_tries} beyond the counted"


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """A connection of our own to a store, which sees one moment: workers may be alive and tidy up what they wrote."""
    if is_postgres(url):
        theirs = PostgresConnection(url)
        try:
            theirs.run("begin isolation level repeatable read read only")
            yield theirs
        finally:
            theirs.close()
    else:
        ours = connect(database_path(url), readonly=True)
        try:
            ours.run("begin")
            yield ours
        finally:
            ours.handle.close()


def judge(url: str, marks_file: Path, accepted: list[int], *, whole_trees: bool = True) -> Verdict:
    """Check a quiet store and its marks. `whole_trees`: the jobs were made by the `Workload`."""
    verdict = Verdict()
    with reading(url) as db:
        marks = read_marks(marks_file)
        verdict.faults += [str(finding) for finding in examine(db, time.time_ns() // 1_000)]
        verdict.faults += _missing(db, accepted)
        verdict.faults += _open(db)
        verdict.faults += _against_marks(db, marks, verdict)
        if whole_trees:
            verdict.faults += _families(db)
        verdict.jobs = db.rows("select count(*) from job where id > 0")[0][0]
        counted = db.rows("select status, count(*) from job where id > 0 group by 1")
        verdict.statuses = {JobStatus(status).word: n for status, n in counted}
        verdict.tries = marks.count()
    return verdict


def _missing(db: Connection, accepted: list[int]) -> list[str]:
    """I1: what was accepted exists."""
    kept = {row[0] for row in db.rows("select id from job")}
    return [f"I1 job {job_id} was accepted and is gone" for job_id in accepted if job_id not in kept]


def _open(db: Connection) -> list[str]:
    """Nothing is stuck."""
    return [
        f"stuck: job {job_id} of kind {kind} is {JobStatus(status).word}, owner {owner}, ready {ready}"
        for job_id, kind, status, owner, ready in db.rows(
            "select id, kind, status, owner, ready from job where status < 3 and id > 0 limit 50"
        )
    ]


def _against_marks(db: Connection, marks: Marks, verdict: Verdict) -> list[str]:
    faults = []
    rows = db.rows(
        "select id, status, round, attempt, epoch, max_attempts, losses from job where id > 0 and kind <> 'definition'"
    )
    for job_id, status, round_, attempt, epoch, most, _ in rows:
        tries = marks.tries.get(job_id, [])
        if status == S.COMPLETED:
            last = marks.of(job_id, epoch)
            if last is None or last.how != "end":
                faults.append(f"lost: job {job_id} is completed under epoch {epoch}, its handler did not end: {last}")
            elif last.attempt != attempt or last.round > round_:  # a parent whose child was retried is in a later round
                faults.append(f"job {job_id} is completed in attempt {attempt} of round {round_}, it ran as {last}")
        faults += [
            f"job {job_id} is at epoch {epoch}, a handler ran under {one.epoch}" for one in tries if one.epoch > epoch
        ]
        faults += _overlaps(tries)
        per_round = Counter(one.round for one in tries)
        verdict.extra_tries += max(0, per_round[round_] - attempt)
        for round_number, n in per_round.items():
            if n > most + MAX_LOSSES_BEFORE_SOLO:
                faults.append(f"I9 job {job_id} began {n} times in round {round_number}, at most {most} may count")
    return faults


def _overlaps(tries: list[Try]) -> list[str]:
    """Two runs of one job at the same time: an earlier epoch that still did something after a later one began."""
    faults = []
    for earlier, later in pairwise(tries):
        if earlier.ended and later.began and earlier.ended > later.began:
            faults.append(f"job {earlier.job_id} ran twice at once: {earlier}, {later}")
    return faults


def _families(db: Connection) -> list[str]:
    """A completed parent has exactly the children its plan names, none doubled by a run after a crash."""
    faults = []
    for job_id, kind, status, payload, n in db.rows(
        "select p.id, p.kind, p.status, p.payload, (select count(*) from job c where c.parent_id = p.id)"
        " from job p where p.kind in ('top', 'middle', 'middle.plain')"
    ):
        planned = msgspec.json.decode(payload)["plan"]["width" if kind == "top" else "leaves"]
        if n > planned or (status == S.COMPLETED and n != planned):
            faults.append(f"{kind} {job_id} is {JobStatus(status).word} with {n} children of {planned}")
    return faults


def untold(url: str, told_file: Path) -> list[str]:
    """Failures a subscriber was never told of, and events still on their way."""
    told = {tuple(line.split()) for line in told_file.read_text().splitlines()} if told_file.exists() else set()
    with reading(url) as db:
        failed = db.rows("select id, round from job where status = 4 and id > 0")
        late = db.rows("select id, subscriber, attempts, owner from delivery limit 20")
    faults = [f"nobody was told that job {i} failed in round {r}" for i, r in failed if (str(i), str(r)) not in told]
    return faults + [f"event {one} has not been delivered" for one in late]
