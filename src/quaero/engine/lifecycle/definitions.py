"""Definitions become trees: the root and all its steps are inserted in one transaction, dependencies counted in rows.

No process has to stay alive to drive a definition: a step is released by the transaction that closes the last step it
waits for.
"""

from collections.abc import Sequence

import msgspec

from quaero.domain.definitions import Definition, StepDefinition, from_stored, to_stored
from quaero.domain.errors import UnknownKind
from quaero.domain.facts import Limit
from quaero.domain.job import Job
from quaero.domain.outcome import ANY_NUMBER
from quaero.domain.status import JobStatus
from quaero.engine.lifecycle.enqueue import add_job
from quaero.engine.lifecycle.moves import shift
from quaero.storage.port import Ledger

KIND = "definition"


def run_definition(ledger: Ledger, definition: Definition, key: str | None = None) -> int:
    """Insert the whole tree of a definition; the id of its root.

    With a `key` (a schedule's tick) an open root that has it already is returned instead. Raises UnknownKind naming
    every step that could never run.
    """
    ledger.admit()
    problem = unrunnable(ledger, definition)
    if problem is not None:
        raise UnknownKind(f"definition {definition.id!r} cannot run: {problem}")
    if key is not None:
        existing = ledger.find.open_root(KIND, key)
        if existing is not None:
            return existing
    first = ledger.new_ids(1 + len(definition.steps))
    root = Job(
        first,
        first,
        KIND,
        name=definition.name,
        key=key,
        tags=msgspec.json.encode(definition.tags).decode() if definition.tags else None,
        payload=to_stored(definition),
        created_at=ledger.now,
        sealed=1,
        is_branch=1,
        definition=definition.id,
        tree_timeout=definition.timeout,
    )
    root.become_branch()
    add_job(ledger, root)
    ledger.touch(root)
    ids = {step.name: first + 1 + n for n, step in enumerate(definition.steps)}
    for step in definition.steps:
        _add_step(ledger, root, definition, step, ids)
    return first


def unrunnable(ledger: Ledger, definition: Definition) -> str | None:
    """Why a definition cannot run: a kind that no worker ever announced; None if it can."""
    return told_unknown(sorted(kind for kind in definition.kinds if ledger.kind_info(kind) is None))


def told_unknown(kinds: Sequence[str]) -> str | None:
    """What to say of kinds nobody knows; None if there are none."""
    if not kinds:
        return None
    return (
        f"no worker has ever announced {', '.join(map(repr, kinds))}; "
        "start one whose --app registers it, or correct the step's `type`"
    )


def _add_step(ledger: Ledger, root: Job, definition: Definition, step: StepDefinition, ids: dict[str, int]) -> None:
    attempts, timeout = ledger.kind_info(step.kind) or (3, 0)
    tolerance = definition.error_tolerance
    job = Job(
        ids[step.name],
        root.id,
        step.kind,
        parent_id=root.id,
        step_id=ids[step.name],
        name=step.name,
        payload=msgspec.json.encode(step.payload),
        created_at=ledger.now,
        max_attempts=attempts,
        timeout=timeout,
        is_step=1,
        depth=1,
        blocked_by=len(step.depends),
        has_dependents=int(any(step.name in other.depends for other in definition.steps)),
        is_branch=1,
        on_error=step.on_error,
        tolerated=_tolerated(definition),
        failure_action=tolerance.failure_action if tolerance is not None else None,
    )
    job.become_branch()
    if step.limit:
        ledger.limit_id(Limit(f"step:{job.id}", at_once=step.limit))
    add_job(ledger, job)
    ledger.touch(job)
    ledger.depend(job.id, (ids[name] for name in step.depends))
    shift(ledger, job, -1, JobStatus.PENDING)


def _tolerated(definition: Definition) -> int:
    if definition.error_tolerance is None:
        return 0
    return definition.error_tolerance.max_child_failures or ANY_NUMBER


def run_stored(ledger: Ledger, root: Job) -> int:
    """Run the definition a root was made from once more; the id of the new root."""
    return run_definition(ledger, from_stored(root.payload))


def fire(ledger: Ledger, definition: Definition, tick: int, next_at: int) -> int | None:
    """Run a scheduled definition for one tick, exactly once however many workers try; None if another did."""
    moved = ledger.run(
        "update definition set next_at = ? where id = ? and next_at = ? and enabled = 1", (next_at, definition.id, tick)
    )
    return run_definition(ledger, definition) if moved else None
