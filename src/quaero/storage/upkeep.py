"""Keeping journals compact and as long as they should be: merging small runs, trimming what is too old.

A tree that logs a little now and then gets a run per commit; merged, its entries keep their numbers and lie in a few
blocks. Every call does a bounded amount and says whether there is more. All journals are walked once an hour only: what
is worth a merge is known to whoever wrote it.
"""

from quaero.domain.job import Job
from quaero.storage.journal import MAX_BLOCK, Group, pack, unpack
from quaero.storage.ledger import SqlLedger
from quaero.storage.scattered import MANY_RUNS, SMALL_RUN

LOOKED_AT = 20_000  # runs looked at in one call
MERGED_AT_ONCE = 256
MOST_BETWEEN = 3_600_000_000  # microseconds between two walks through all journals

Run = tuple[int, int, int, int, int, int]  # first, last, block, t0, t1, levels


class Upkeep:
    """How far one process has come."""

    def __init__(self) -> None:
        self._after: int | None = None  # the root beyond which a walk goes on; None: no walk is under way
        self._walked_at = 0

    def tend(self, ledger: SqlLedger, keep: int) -> bool:
        """Do a part; whether there is more.

        Small neighbouring runs are merged. Entries older than `keep` microseconds (0: none) are cut off the front of
        the service log and of open trees: the oldest number there is moves, and a reader before it is told of the gap.
        """
        ledger.db.dialect.give_back(ledger.db)
        if trees := ledger.scattered.worth_merging():
            _merge_tree(ledger, trees[0])
            return True
        if self._after is None:
            between = min(MOST_BETWEEN, keep // 10) if keep else MOST_BETWEEN
            if ledger.now < self._walked_at + between:
                return False
            self._walked_at = ledger.now
        self._after = _walk(ledger, -1 if self._after is None else self._after, keep)
        return self._after is not None


def _walk(ledger: SqlLedger, after_root: int, keep: int) -> int | None:
    """Tend the journals of the next trees beyond `after_root`; the root to go on from, None when all were seen."""
    looked = ledger.rows("select root_id from run where root_id > ? order by root_id limit ?", (after_root, LOOKED_AT))
    if not looked:
        return None
    window = (after_root, looked[-1][0])
    for (root_id,) in ledger.rows(
        "select root_id from run where root_id > ? and root_id <= ? and last - first < ?"
        " group by 1 having count(*) > ?",
        (*window, SMALL_RUN, MANY_RUNS),
    ):
        _merge_tree(ledger, root_id)
    if keep:
        edge = ledger.now - keep
        for (root_id,) in ledger.rows(
            "select distinct root_id from run where root_id > ? and root_id <= ? and t1 < ?", (*window, edge)
        ):
            for root in ledger.load((root_id,)).values():  # none if it was removed meanwhile
                _trim_tree(ledger, root, edge)
    return int(looked[-1][0]) if len(looked) == LOOKED_AT else None


def _merge_tree(ledger: SqlLedger, root_id: int) -> None:
    if not ledger.claimed("select 1 from job where id = ?", (root_id,)):
        ledger.scattered.merged(root_id, MERGED_AT_ONCE)
        return  # somebody writes it, or it is gone: at the next turn
    rows = ledger.rows(
        "select first, last, block_id, t0, t1, levels from run where root_id = ? and last - first < ?"
        " order by first limit ?",
        (root_id, SMALL_RUN, MERGED_AT_ONCE),
    )
    ledger.scattered.merged(root_id, len(rows) or MERGED_AT_ONCE)
    neighbours: list[Run] = []
    for row in rows:
        run: Run = (row[0], row[1], row[2], row[3], row[4], row[5])
        if neighbours and neighbours[-1][1] + 1 != run[0]:
            _merge(ledger, root_id, neighbours)
            neighbours = []
        neighbours.append(run)
    _merge(ledger, root_id, neighbours)


def _merge(ledger: SqlLedger, root_id: int, runs: list[Run]) -> None:
    """Put neighbouring runs into as few blocks as they need."""
    batch: list[Run] = []
    segments: list[object] = []
    size = 0
    for run in runs:
        group, weight = _group(ledger, root_id, run)
        if size + weight > MAX_BLOCK and batch:
            _replace(ledger, root_id, batch, segments)
            batch, segments, size = [], [], 0
        batch.append(run)
        segments += group
        size += weight
    _replace(ledger, root_id, batch, segments)


def _group(ledger: SqlLedger, root_id: int, run: Run) -> tuple[list[object], int]:
    """One run's segments, and about how many bytes they are."""
    ((data,),) = ledger.rows("select data from block where id = ?", (run[2],))
    for group in unpack(data, root_id):
        if group[1] == run[0]:
            return group[2], sum(len(s[6]) if s[0] else 64 for s in group[2])
    raise LookupError(f"block {run[2]} lacks entry {run[0]} of tree {root_id}")


def _replace(ledger: SqlLedger, root_id: int, runs: list[Run], segments: list[object]) -> None:
    if len(runs) < 2:
        return
    first, last = runs[0][0], runs[-1][1]
    merged: Group = (root_id, first, segments)
    ((block_id,),) = ledger.rows("insert into block(refs, data) values(1, ?) returning id", (pack([merged]),))
    _drop_runs(ledger, root_id, runs)
    levels = 0
    for run in runs:
        levels |= run[5]
    t0, t1 = min(run[3] for run in runs), max(run[4] for run in runs)
    ledger.run(
        "insert into run(root_id, first, last, block_id, t0, t1, levels) values(?, ?, ?, ?, ?, ?, ?)",
        (root_id, first, last, block_id, t0, t1, levels),
    )


def _drop_runs(ledger: SqlLedger, root_id: int, runs: list[Run]) -> None:
    for run in runs:
        ledger.run("delete from run where root_id = ? and first = ?", (root_id, run[0]))
        ledger.run("update block set refs = refs - 1 where id = ?", (run[2],))
        ledger.run("delete from block where id = ? and refs <= 0", (run[2],))


def _trim_tree(ledger: SqlLedger, root: Job, edge: int) -> None:
    if root.is_terminal:
        return
    rows = ledger.rows(
        "select first, last, block_id, t0, t1, levels from run where root_id = ? order by first limit 1000", (root.id,)
    )
    old: list[Run] = []
    for row in rows:
        if row[4] >= edge or row[1] >= root.journal_head:
            break
        old.append((row[0], row[1], row[2], row[3], row[4], row[5]))
    if old:
        _drop_runs(ledger, root.id, old)
        root.become_branch()
        root.journal_oldest = old[-1][1] + 1
        ledger.touch(root)
