"""Finding what a request names."""

from quaero.domain.errors import NotFound
from quaero.domain.job import Job
from quaero.storage.port import Store


async def find_job(store: Store, job_id: int) -> Job:
    """The job of this id. Raises NotFound."""
    job = await store.job(job_id)
    if job is None or job.purging:
        raise NotFound(f"there is no job {job_id}")
    return job
