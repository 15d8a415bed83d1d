"""Removing trees: marked at once and seen no more, then gone row by row, from below.

Every call of `purge` removes a bounded part and reads little more than that, so a tree of a million costs per job what
a tree of a thousand does, and nobody who writes waits long. Trees of one job go many at a time.
"""

from collections.abc import Collection, Sequence

from quaero.storage.port import Ledger

TREES_AT_ONCE = 200
MANY = 8  # times as much as was asked for is too much at once


def retire(ledger: Ledger, keep: int, limit: int = 500) -> int:
    """Mark trees closed longer than `keep` microseconds for removal; how many."""
    found = ledger.rows(
        "select id from job where parent_id is null and status >= 3 and purging = 0 and finished_at > 0"
        " and finished_at < ? limit ?",
        (ledger.now - keep, limit),
    )
    for root in ledger.load(row[0] for row in found).values():
        root.become_branch()
        root.purging = 1
        ledger.touch(root)
    return len(found)


def purge(ledger: Ledger, limit: int = 1_000) -> int:
    """Remove rows of deleted trees, some times `limit` at most; how many rows went, 0 when nothing is left."""
    roots = [row[0] for row in ledger.claimed(f"select id from job where purging = 1 limit {TREES_AT_ONCE}")]
    if not roots:
        return 0
    if jobs := _lowest(ledger, roots, limit):
        _drop_jobs(ledger, jobs)
        return len(jobs)
    return _drop_runs(ledger, roots, limit) or _drop_lanes(ledger, roots, limit) or _drop_trees(ledger, roots)


def _lowest(ledger: Ledger, tops: Sequence[int], limit: int) -> list[int]:
    """Some of the jobs below these, with everything that is below them."""
    found: list[int] = []
    level = tops
    while level:
        level = [row[0] for row in ledger.rows(_CHILDREN.format(_listed(level)), (limit,))]
        if len(level) == limit or len(found) > MANY * limit:  # there may be more: go on with what is below these
            found = []
        found += level
    return found


_CHILDREN = "select id from job where parent_id in ({}) limit ?"


def _listed(ids: Collection[int]) -> str:
    return ", ".join(map(str, ids))


def _drop_jobs(ledger: Ledger, ids: Collection[int]) -> None:
    these = _listed(ids)
    for status, n in ledger.rows(f"select status, count(*) from job where id in ({these}) group by 1"):
        ledger.discount(status, n)
    ledger.run(f"delete from dependency where waits_for in ({these}) or job_id in ({these})")
    ledger.run(f"delete from document where job_id in ({these})")
    ledger.run(f"delete from limits where key in (select 'step:' || id from job where id in ({these}) and is_step = 1)")
    ledger.run(f"delete from job where id in ({these})")


def _drop_runs(ledger: Ledger, roots: Collection[int], limit: int) -> int:
    """Remove parts of journals, and the blocks that nobody shares any more."""
    runs = ledger.rows(
        f"select root_id, first, block_id from run where root_id in ({_listed(roots)}) order by 1, 2 limit ?", (limit,)
    )
    refs: dict[int, int] = {}
    last: dict[int, int] = {}
    for root_id, first, block_id in runs:
        refs[block_id] = refs.get(block_id, 0) + 1
        last[root_id] = first
    for block_id, n in sorted(refs.items()):
        ledger.run("update block set refs = refs - ? where id = ?", (n, block_id))
    if refs:
        ledger.run(f"delete from block where id in ({_listed(refs)}) and refs <= 0")
    for root_id, first in last.items():
        ledger.run("delete from run where root_id = ? and first <= ?", (root_id, first))
    return len(runs)


def _drop_lanes(ledger: Ledger, roots: Collection[int], limit: int) -> int:
    """Remove lanes, and the limits under which no other lane is."""
    lanes = ledger.rows(f"select id, limit_id from lane where root_id in ({_listed(roots)}) limit ?", (limit,))
    if lanes:
        ledger.run(f"delete from lane where id in ({_listed([lane for lane, _ in lanes])})")
        forget_limits(ledger, {limit_id for _, limit_id in lanes if limit_id is not None})
    return len(lanes)


def forget_limits(ledger: Ledger, limits: Collection[int]) -> None:
    """Remove those of these limits that nobody uses, that keep nobody waiting, and under which there is no lane."""
    idle = ledger.claimed(
        f"select id from limits where id in ({_listed(limits) or 0}) and in_use = 0 and next_at <= ?", (ledger.now,)
    )
    if idle:
        ledger.run(
            f"delete from limits where id in ({_listed([row[0] for row in idle])})"
            " and not exists (select 1 from lane where lane.limit_id = limits.id)"
        )


def _drop_trees(ledger: Ledger, roots: Collection[int]) -> int:
    """Remove the roots and what little else is kept by tree."""
    for table in ("error_group", "document", "delivery"):
        ledger.run(f"delete from {table} where root_id in ({_listed(roots)})")
    _drop_jobs(ledger, roots)
    return len(roots)
