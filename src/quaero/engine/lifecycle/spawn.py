"""Children: how a handler's spawns become jobs.

A child is found again instead of made twice: by its key within the tree, or, without one, as the n-th of its kind and
payload that its spawner asked for (so a parent that crashed half-way and runs again does not double its children).
"""

from collections.abc import Sequence
from operator import attrgetter

import msgspec

from quaero.domain.bounds import MAX_DEPTH
from quaero.domain.entries import Level
from quaero.domain.errors import InvalidInput, QuaeroError, UnknownKind
from quaero.domain.events import JobsSpawned
from quaero.domain.facts import Child, Spawned
from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.engine.lifecycle.closing import finish
from quaero.engine.lifecycle.enqueue import MANY, add_alike, add_job
from quaero.engine.lifecycle.moves import SKIPPED, STOPPING, has_ended_well, listed, shift
from quaero.storage.port import Ledger, Note

_all_but_payload = attrgetter(
    "kind", "key", "priority", "delay", "after", "under_step", "limit", "name", "max_attempts", "timeout", "cap"
)

Memory = dict[tuple[int, int], dict[tuple[str, bytes], list[int]]]
"""What each re-run parent (id, epoch) had spawned without keys before; fixed for the life of that epoch."""


class Answer(msgspec.Struct, frozen=True):
    """The ids of one `Spawned`'s children in order (0: refused by its cap), or why none was made."""

    job_id: int
    epoch: int
    token: int
    ids: list[int]
    error: str | None = None


def spawn(ledger: Ledger, spawner: Job, fact: Spawned, memory: Memory) -> Answer:
    """Make or find the children of one `Spawned`.

    Refusals are answers, the spawner's handler decides what to do; perhaps it never looks, so its log says so too.
    """
    try:
        ids = _spawn(ledger, spawner, fact, memory)
    except QuaeroError as refusal:
        if not spawner.is_terminal:
            n = len(fact.children)
            note = Note(Level.WARN, f"Refused to spawn {n:,}: {refusal}", fields={"refused": n})
            ledger.note(spawner, note)
        return Answer(fact.job_id, fact.epoch, fact.token, [], str(refusal))
    return Answer(fact.job_id, fact.epoch, fact.token, ids)


def _spawn(ledger: Ledger, spawner: Job, fact: Spawned, memory: Memory) -> list[int]:
    if spawner.is_terminal or listed(ledger, spawner) in STOPPING:
        raise InvalidInput(f"job {spawner.id} is being cancelled: it can spawn nothing more")
    if spawner.depth >= MAX_DEPTH:
        raise InvalidInput(f"job {spawner.id} is {spawner.depth} levels deep: a tree may have {MAX_DEPTH}")
    are_alike = _differ_in_payload_only(fact.children)
    for kind in {child.kind for child in (fact.children[:1] if are_alike else fact.children)}:
        if ledger.kind_info(kind) is None:
            raise UnknownKind(f"no worker has ever announced the kind {kind!r}: register it, or correct the name")
    for child in fact.children[:1] if are_alike else fact.children:
        if child.limit is not None and child.limit.key.startswith("step:"):
            raise InvalidInput(
                f"the limit key {child.limit.key!r} begins with `step:`, which stands for a step's `limit`"
            )
        if child.after:
            _check_siblings(ledger, _parent(ledger, spawner, child), child.after)
    found = _known(ledger, spawner, fact, memory)
    first = ledger.new_ids(len(fact.children))
    if are_alike and not found and not ledger.has_subscribers:
        return _spawn_alike(ledger, spawner, fact.children, first)
    ids: list[int] = []
    made: dict[int, tuple[Job, Job, int]] = {}  # parent id: (parent, one of its children, how many)
    keys: dict[str, int] = {}
    skipped: list[Job] = []
    for n, child in enumerate(fact.children):
        parent = _parent(ledger, spawner, child)
        existing = found.get(n) or (keys.get(child.key) if child.key is not None else None)
        if existing:
            ids.append(existing)
            continue
        _, sample, count = made.get(parent.id, (parent, None, 0))
        if child.cap and parent.tally.total + count >= child.cap:
            ids.append(0)
            continue
        job = _child(ledger, spawner, parent, child, first + n)
        add_job(ledger, job)
        made[parent.id] = (parent, sample or job, count + 1)
        if child.key is not None:
            keys[child.key] = job.id
        if child.after and _wait_for(ledger, job, child.after):
            skipped.append(job)
        ids.append(job.id)
    for _, sample, count in made.values():
        shift(ledger, sample, -1, JobStatus.PENDING, count)
    refused = ids.count(0)
    _note(ledger, spawner, sum(count for _, _, count in made.values()), refused)
    for job in skipped:
        finish(ledger, job, JobStatus.CANCELLED, SKIPPED)
    return ids


def _differ_in_payload_only(children: Sequence[Child]) -> bool:
    """Whether these children have nothing of their own but a payload."""
    if len(children) < MANY or len(set(map(_all_but_payload, children))) > 1:
        return False
    return children[0].key is None and not children[0].after and not children[0].cap


def _spawn_alike(ledger: Ledger, spawner: Job, children: Sequence[Child], first: int) -> list[int]:
    """Many siblings at once: what is done for one of them holds for all."""
    sample = _child(ledger, spawner, _parent(ledger, spawner, children[0]), children[0], first)
    add_alike(ledger, sample, [child.payload for child in children])
    shift(ledger, sample, -1, JobStatus.PENDING, len(children))
    _note(ledger, spawner, len(children), 0)
    return list(range(first, first + len(children)))


def _parent(ledger: Ledger, spawner: Job, child: Child) -> Job:
    if not child.under_step or spawner.is_step or spawner.is_root:
        return spawner
    return ledger.get(spawner.step_id or spawner.root_id)


def _known(ledger: Ledger, spawner: Job, fact: Spawned, memory: Memory) -> dict[int, int]:
    """Position in the fact → id of the child that exists already."""
    found: dict[int, int] = {}
    keys = [child.key for child in fact.children if child.key is not None]
    if keys:
        ids = ledger.find.keyed(spawner.root_id, keys)
        found.update({n: ids[c.key] for n, c in enumerate(fact.children) if c.key is not None and c.key in ids})
    if spawner.epoch > 1:
        for n, child in enumerate(fact.children):
            if child.key is None and child.nth:
                earlier = _earlier(ledger, spawner, child.under_step, memory).get((child.kind, child.payload), [])
                if child.nth <= len(earlier):
                    found[n] = earlier[child.nth - 1]
    return found


def _earlier(ledger: Ledger, spawner: Job, under_step: bool, memory: Memory) -> dict[tuple[str, bytes], list[int]]:
    """The unkeyed children the spawner's earlier runs made, loaded once for each epoch."""
    mine = (spawner.id, spawner.epoch)
    if mine not in memory:
        parents = {spawner.id, spawner.step_id or spawner.root_id}
        known: dict[tuple[str, bytes], list[int]] = {}
        for parent_id in parents:
            for job_id, kind, payload in ledger.rows(
                "select id, kind, payload from job where parent_id = ? and key is null"
                " and coalesce(spawner_id, parent_id) = ? order by id",
                (parent_id, spawner.id),
            ):
                known.setdefault((kind, bytes(payload)), []).append(job_id)
        memory[mine] = known
    return memory[mine]


def _child(ledger: Ledger, spawner: Job, parent: Job, child: Child, job_id: int) -> Job:
    attempts, timeout = ledger.kind_info(child.kind) or (3, 0)
    step_id = parent.step_id if parent.step_id is not None else spawner.step_id
    return Job(
        job_id,
        spawner.root_id,
        child.kind,
        parent_id=parent.id,
        step_id=step_id,
        name=child.name,
        key=child.key,
        priority=child.priority or spawner.priority,
        payload=child.payload,
        created_at=ledger.now,
        max_attempts=child.max_attempts or attempts,
        timeout=child.timeout or timeout,
        limit_id=ledger.limit_id(child.limit) if child.limit is not None else None,
        step_limit_id=ledger.limit_of_step(step_id) if step_id is not None else None,
        spawner_id=spawner.id if parent is not spawner else None,
        depth=parent.depth + 1,
        run_at=ledger.now + child.delay if child.delay else 0,
    )


def _check_siblings(ledger: Ledger, parent: Job, after: tuple[int, ...]) -> None:
    siblings = ledger.load(after)
    for other_id in after:
        if other_id not in siblings or siblings[other_id].parent_id != parent.id:
            raise InvalidInput(f"`after` names job {other_id}, which is not a sibling of the new job")


def _wait_for(ledger: Ledger, job: Job, after: tuple[int, ...]) -> bool:
    """Block a new child by siblings that have not ended well; whether one of them has ended already."""
    waits_for = [other for other in ledger.load(after).values() if not has_ended_well(other)]
    for other in waits_for:
        other.has_dependents = 1
        ledger.touch(other)
    ledger.depend(job.id, (other.id for other in waits_for))
    job.blocked_by = sum(not other.is_terminal for other in waits_for)
    if job.blocked_by:
        job.ready = 0
    return job.blocked_by < len(waits_for)


def _note(ledger: Ledger, spawner: Job, count: int, refused: int) -> None:
    level = Level.INFO if spawner.is_step or spawner.is_root else ledger.child_level
    if refused:
        words = f"Refused to spawn {refused:,}: there are as many children as `max_children` allows"
        ledger.note(spawner, Note(level, words, fields={"refused": refused}))
    if not count:
        return
    ledger.note(spawner, Note(level, f"Spawned {count:,}", -1, count))
    if ledger.has_subscribers:
        ledger.tell(
            JobsSpawned(job_id=spawner.id, root_id=spawner.root_id, kind=spawner.kind, at=ledger.now, count=count)
        )
