"""Whether a job is one that a list shows: the store's filter once more, for jobs that are at hand."""

import msgspec

from quaero.domain.job import Job
from quaero.storage.port import JobFilter


def matches(where: JobFilter, job: Job) -> bool:
    """Whether a list with this filter shows the job; says the same as the store's own query."""
    return (
        (not where.roots or job.is_root)
        and (where.parent_id is None or job.parent_id == where.parent_id)
        and (not where.statuses or job.status in where.statuses)
        and (where.kind is None or job.kind == where.kind)
        and (where.definition is None or job.definition == where.definition)
        and (where.created_after is None or job.created_at >= where.created_after)
        and (where.created_before is None or job.created_at < where.created_before)
        and (where.tag is None or where.tag in (msgspec.json.decode(job.tags) if job.tags else ()))
        and (where.fingerprint is None or _fingerprint(job) == where.fingerprint)
        and (where.q is None or _says(job, where.q))
    )


def _fingerprint(job: Job) -> str | None:
    error = msgspec.json.decode(job.error) if job.error else None
    return error.get("fingerprint") if isinstance(error, dict) else None


def _says(job: Job, q: str) -> bool:
    text = f"{job.name or ''} {job.kind} {job.key or ''}"
    is_id = q.isascii() and q.isdecimal() and len(q) <= 18 and int(q) == job.id
    return is_id or q.lower() in text.lower()
