"""Cancelling: one small transaction lists the subtree, batches close what is below it.

After the first commit nothing under the list is reserved, started or spawned any more, whoever tries. Pending jobs are
closed in bounded batches, running ones asked to stop by the worker that holds them; the last one to end closes the
parents, and the list entry goes when nothing below it is open.
"""

import msgspec

from quaero.domain.entries import Level
from quaero.domain.errors import Conflict, NotFound
from quaero.domain.job import Job
from quaero.domain.outcome import closing_status
from quaero.domain.status import CANCELLED, PENDING, RUNNING, WAITING, WORDS, JobStatus
from quaero.engine.lifecycle.closing import finish
from quaero.engine.lifecycle.enqueue import queue_again
from quaero.engine.lifecycle.leaf import cancel_leaf, cancel_queued, is_quiet_leaf
from quaero.engine.lifecycle.moves import ALL, PARENT_FAILED, PENDING_CHILDREN, STOP, TREE_STOPPED, listed, move
from quaero.storage.port import Ledger, Note

S = JobStatus
ONE_BY_ONE = 4  # a job that must be looked at costs as much as so many of which the ids are enough
AT_ONCE = 200  # jobs closed in the listing transaction itself: small trees are cancelled when the answer arrives


class Acted(msgspec.Struct, frozen=True):
    """What an action on a subtree touched, and the job as it stands now."""

    affected: int
    job: Job


def find_job(ledger: Ledger, job_id: int) -> Job:
    """The job of an id somebody gave us. Raises NotFound."""
    job = ledger.load((job_id,)).get(job_id)
    if job is None or ledger.get(job.root_id).purging:
        raise NotFound(f"there is no job {job_id}")
    return job


def cancel(ledger: Ledger, job_id: int) -> Acted:
    """Cancel a job and everything below it. Cancelling again changes nothing.

    Raises NotFound, or Conflict when it has already completed or failed.
    """
    job = find_job(ledger, job_id)
    if job.status == CANCELLED or listed(ledger, job) == ALL:
        return Acted(0, job)
    if job.is_terminal:
        raise Conflict(f"job {job_id} is {WORDS[job.status]}: there is nothing left to cancel", WORDS[job.status])
    affected = _open_at_or_below(ledger, job)
    job.cancel_requested = int(job.status != RUNNING)  # a running one is asked when its turn comes
    ledger.note(job, Note(Level.WARN, "Cancel requested"))
    ledger.touch(job)
    if job.status == PENDING and not job.is_branch:  # nobody runs it and nothing is below it: nothing is left to list
        cancel_now(ledger, job, ALL)
    else:
        list_cancel(ledger, job, ALL)
        _advance_one(ledger, job.root_id, job.id, ALL, AT_ONCE)  # others that are listed have their turn in each round
    return Acted(affected, job)


def list_cancel(ledger: Ledger, job: Job, mode: str) -> None:
    """Put a job on its tree's list of cancellations."""
    root = ledger.get(job.root_id)
    ledger.list_cancel(root, {**ledger.cancel_lists.get(root.id, {}), job.id: mode})


def _open_at_or_below(ledger: Ledger, job: Job) -> int:
    if not job.tallies:
        return 1
    if job.is_root or job.is_step:
        return 1 + job.below.open + (job.tally.open if job.definition is not None else 0)
    return ledger.find.count_below(job.id, (PENDING, RUNNING, WAITING))


def advance(ledger: Ledger, limit: int) -> int:
    """Close up to `limit` jobs under the lists of cancellations; how many were closed or asked (0: nothing to do)."""
    done = 0
    ledger.load(top_id for listed_ids in ledger.cancel_lists.values() for top_id in listed_ids)
    for root_id in list(ledger.cancel_lists):
        for top_id, mode in list(ledger.cancel_lists.get(root_id, {}).items()):
            if done < limit:
                done += _advance_one(ledger, root_id, top_id, mode, limit - done)
    return done


def _advance_one(ledger: Ledger, root_id: int, top_id: int, mode: str, limit: int) -> int:
    top = ledger.get(top_id)
    done = _ask(ledger, top, mode, limit) + _end_queued(ledger, top, mode, limit)
    if done:
        return done
    limit = max(1, limit // ONE_BY_ONE)
    if mode == PENDING_CHILDREN:  # listed until it has closed: a running child may become pending once more
        batch = _pending_children(ledger, top, limit)
    elif top.is_branch:
        batch = ledger.find.open_leaves(top_id, limit)
    else:
        batch = [top] if _is_to_stop(top) else []
    over = not batch and top.is_terminal
    for job in sorted(batch, key=lambda job: -job.id):
        _stop(ledger, job, mode)
    if over:
        _unlist(ledger, root_id, top_id)
    return len(batch)


def _unlist(ledger: Ledger, root_id: int, top_id: int) -> None:
    listed_ids = dict(ledger.cancel_lists.get(root_id, {}))
    listed_ids.pop(top_id, None)
    ledger.list_cancel(ledger.get(root_id), listed_ids)


def _ask(ledger: Ledger, top: Job, mode: str, limit: int) -> int:
    """Stop what workers hold of a tree or step that ends: first, as it must hear of it at once."""
    if mode == PENDING_CHILDREN or not (top.is_root or top.is_step):
        return 0
    held = ledger.find.held_below(top, limit)
    for job in sorted(held, key=lambda job: -job.id):
        _stop(ledger, job, mode)
    return len(held)


def _end_queued(ledger: Ledger, top: Job, mode: str, limit: int) -> int:
    """End what waits in the lanes of a tree or step, many at once: all but a few of a great one."""
    if ledger.has_subscribers or not (top.is_root or top.is_step):
        return 0
    families = ledger.find.queued_below(top, limit, children=mode == PENDING_CHILDREN)
    for siblings in families:
        cancel_queued(ledger, siblings, _REASONS.get(mode))
    return sum(len(siblings.ids) for siblings in families)


def _pending_children(ledger: Ledger, top: Job, limit: int) -> list[Job]:
    if top.is_terminal or not top.tallies[PENDING]:
        return []
    return [job for job in ledger.find.children(top.id, statuses=(PENDING,), limit=limit) if job.owner is None]


def _is_to_stop(job: Job) -> bool:
    return job.status == PENDING or (job.status == RUNNING and not job.cancel_requested)


def _stop(ledger: Ledger, job: Job, mode: str) -> None:
    if job.status == PENDING:
        cancel_now(ledger, job, mode)
    elif _is_to_stop(job):
        job.cancel_requested = 1
        ledger.touch(job)


_REASONS = {STOP: TREE_STOPPED, PENDING_CHILDREN: PARENT_FAILED}


def cancel_now(ledger: Ledger, job: Job, mode: str, at: int = 0) -> None:
    """End a job that does not run (any more): at once, or when what is open below it has ended.

    `at` is when its function stopped, 0 for now.
    """
    if is_quiet_leaf(ledger, job):
        cancel_leaf(ledger, job, _REASONS.get(mode, job.reason), at or ledger.now)
        return
    job.sealed = 1
    job.owner = None
    job.ready = 0
    job.reason = _REASONS.get(mode, job.reason)
    if job.tallies and job.open_children:
        move(ledger, job, WAITING, "cancelling")
        if mode == PENDING_CHILDREN:  # what is below it is not listed with it
            list_cancel(ledger, job, ALL)
        return
    status = closing_status(job, under_cancel=mode != STOP) if job.tallies else CANCELLED
    finish(ledger, job, status, job.reason, at)


def give_back(ledger: Ledger, job: Job) -> None:
    """A reservation that came to nothing: back into its lane, or to its end if it is being cancelled."""
    mode = listed(ledger, job)
    if mode is None:
        queue_again(ledger, job)
    else:
        cancel_now(ledger, job, mode)
