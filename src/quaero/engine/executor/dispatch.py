"""What an executor does with what its worker says."""

from typing import assert_never

from quaero.engine.context import JobContext
from quaero.engine.executor.runtime import Runtime
from quaero.engine.protocol import Cancel, Deliver, Reply, Run, Setup, SpawnAnswer, Stop, ToExecutor


def receive(runtime: Runtime, message: ToExecutor) -> None:
    """Act on one message. The caller keeps other threads from the runtime's tasks."""
    match message:
        case Run(tasks):
            if runtime.is_stopping:
                for task in tasks:
                    runtime.hand_back(task)
            else:
                runtime.waiting.extend(tasks)
        case SpawnAnswer():
            _take_answer(runtime, message)
        case Cancel(job_ids, why):
            _stop_jobs(runtime, frozenset(job_ids), why)
        case Reply():
            runtime.questions.answer(message)
        case Stop():
            runtime.is_stopping = True
            _hand_back(runtime, frozenset(task.job_id for task in runtime.waiting))
        case Deliver():
            runtime.deliveries.append(message)
        case Setup():
            pass  # there is one, and it was first
        case _:
            assert_never(message)


def ask_to_stop(job: JobContext, why: str) -> None:
    """Ask one job to stop. One that began cannot be recalled; one about to begin will not."""
    if job._why is not None or (why == "recall" and job._began_at):
        return
    job._why = why
    if not job._began_at:
        return
    cancelled = job._extras.cancelled if job._extras is not None else None
    if cancelled is not None:
        cancelled.ask()
    runner = job._runner
    if runner is not None and not (cancelled is not None and cancelled.is_awaited_by(runner)):
        runner.cancel()


def _stop_jobs(runtime: Runtime, job_ids: frozenset[int], why: str) -> None:
    _hand_back(runtime, job_ids)
    for job_id in job_ids:
        job = runtime.running.get(job_id)
        if job is not None:
            ask_to_stop(job, why)


def _hand_back(runtime: Runtime, job_ids: frozenset[int]) -> None:
    waiting = list(runtime.waiting)
    runtime.waiting.clear()
    for task in waiting:
        if task.job_id in job_ids:
            runtime.hand_back(task)
        else:
            runtime.waiting.append(task)


def _take_answer(runtime: Runtime, answer: SpawnAnswer) -> None:
    job = runtime.running.get(answer.job_id)
    if job is not None and job._task.epoch == answer.epoch and job._extras is not None:
        spawns = job._extras.spawns
        if spawns is not None:
            spawns.answer(answer.token, answer.ids, answer.error)
