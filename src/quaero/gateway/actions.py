"""Doing something to a job and what is below it: cancel, retry, rerun, delete."""

import msgspec

from quaero.domain.wire import WireJob, wire_job
from quaero.engine.lifecycle.cancel import Acted, cancel
from quaero.engine.lifecycle.retry import delete, rerun, retry
from quaero.failpoints import failpoint
from quaero.gateway.answers import Answer, json_answer
from quaero.gateway.listing import step_names
from quaero.gateway.routing import JobId, Routes
from quaero.gateway.state import Gateway

routes = Routes()


class Done(msgspec.Struct, frozen=True):
    """How many jobs an action touched, and the job as it stands now."""

    affected: int
    job: WireJob


class NoBody(msgspec.Struct, forbid_unknown_fields=True):
    """An action that needs nothing but its job."""


class RetryRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What to retry: the job itself, or its failed descendants (of one fingerprint)."""

    failed_children: bool = False
    fingerprint: str | None = None


async def _done(gateway: Gateway, acted: Acted) -> Done:
    names = await step_names(gateway.store, [acted.job])
    return Done(acted.affected, wire_job(acted.job, names))


@routes.post("/api/jobs/{id}/cancel")
async def post_cancel(gateway: Gateway, id: JobId, body: NoBody) -> Done:
    """Cancel a job and everything below it."""
    acted = await gateway.store.write(cancel, id)
    failpoint("cancel.after_commit")
    return await _done(gateway, acted)


@routes.post("/api/jobs/{id}/retry")
async def post_retry(gateway: Gateway, id: JobId, body: RetryRequest) -> Done:
    """Open a new round of a job, or of its failed descendants."""
    return await _done(gateway, await gateway.store.write(retry, id, body.failed_children, body.fingerprint))


@routes.post("/api/jobs/{id}/rerun", answers={201: Done})
async def post_rerun(gateway: Gateway, id: JobId, body: NoBody) -> Answer:
    """Run a root again as a new tree."""
    done = await _done(gateway, await gateway.store.write(rerun, id))
    return json_answer(done, 201, (b"location", f"/api/jobs/{done.job.id}".encode()))


@routes.delete("/api/jobs/{id}")
async def delete_job(gateway: Gateway, id: JobId) -> Done:
    """Remove a finished tree with its log."""
    return await _done(gateway, await gateway.store.write(delete, id))
