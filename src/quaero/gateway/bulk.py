"""One action on all jobs of a filter: told beforehand what it would touch, then run by a worker as a job of its own."""

from dataclasses import replace
from functools import partial

import msgspec

from quaero.domain.bounds import MAX_BULK
from quaero.domain.errors import InvalidInput, TooLarge
from quaero.domain.status import CANCELLED, COMPLETED, FAILED, PENDING, RUNNING, WAITING, JobStatus
from quaero.domain.tally import Tally
from quaero.domain.wire import WireJob, WireTally, parse_id, wire_job, wire_tally
from quaero.engine.lifecycle.bulk import KIND, Action, Order, order
from quaero.engine.lifecycle.idempotency import once
from quaero.gateway.answers import Answer, json_answer
from quaero.gateway.childrange import parse_children
from quaero.gateway.idempotency import idempotency_key
from quaero.gateway.listing import moment, parse_statuses, within
from quaero.gateway.routing import Headers, Routes
from quaero.gateway.state import Gateway
from quaero.storage.port import Breakdown, JobFilter

routes = Routes()


class BulkFilter(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Which jobs: those of all these conditions, of which at least one must be given. `parent_id` is an id or `root`.

    `status` is a comma list. `ids` may have up to 10,000. `children` (`8..15`) are those of the parent from one id to
    another, however many.
    """

    status: str = ""
    kind: str | None = None
    tag: str | None = None
    definition: str | None = None
    parent_id: str = "root"
    children: str | None = None
    q: str | None = None
    fingerprint: str | None = None
    created_after: str | None = None
    created_before: str | None = None
    ids: list[str] | None = None


class BulkRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What to do with which jobs. `preview`: only say what it would touch.

    `failed_children` and `fingerprint` are those of a retry: only failed jobs below, of one fingerprint.
    """

    action: Action
    filter: BulkFilter
    failed_children: bool = False
    fingerprint: str | None = None
    preview: bool = False


class BulkPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What an action would touch: jobs that match, how many of them it can act on, and the jobs below those.

    The counts go up to 10,000 matching jobs; `is_lower_bound` says that there are more. Neighbouring `children` are
    counted whole if nothing but a status is asked of them. `is_below_lower_bound`: there may be more below.
    """

    action: str
    matching: int
    is_lower_bound: bool
    by_status: WireTally
    actionable: int
    below: WireTally
    is_below_lower_bound: bool


class BulkAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The job that does it, and how many jobs matched when it was asked for (up to 10,000)."""

    matching: int
    is_lower_bound: bool
    job: WireJob


ACTS_ON: dict[str, tuple[JobStatus, ...]] = {
    "cancel": (PENDING, RUNNING, WAITING),
    "retry": (FAILED, CANCELLED),
    "rerun": tuple(JobStatus),
    "delete": (COMPLETED, FAILED, CANCELLED),
}


@routes.post("/api/jobs/bulk", answers={201: BulkAccepted, 200: BulkPreview | BulkAccepted})
async def post_bulk(gateway: Gateway, body: BulkRequest, headers: Headers) -> Answer:
    """Cancel, retry, rerun or delete all jobs of a filter, as a job with its own progress; or preview that."""
    _check(body)
    where = _filter(body)
    found = await gateway.store.breakdown(where)
    if body.preview:
        return json_answer(_preview(body, found))
    wanted = Order(
        action=body.action,
        asked=msgspec.to_builtins(body.filter),
        where=where,
        failed_children=body.failed_children,
        fingerprint=body.fingerprint,
        total=None if found.is_lower_bound else found.counts.total,
    )
    job, is_new = await gateway.store.write(once, idempotency_key(headers), partial(order, wanted=wanted))
    accepted = BulkAccepted(matching=found.counts.total, is_lower_bound=found.is_lower_bound, job=wire_job(job))
    return json_answer(accepted, 201 if is_new else 200, (b"location", b"/api/jobs/%d" % job.id))


def _check(body: BulkRequest) -> None:
    if body.action != "retry" and (body.failed_children or body.fingerprint is not None):
        raise InvalidInput("failed_children and fingerprint belong to action `retry`")
    if body.fingerprint is not None and not body.failed_children:
        raise InvalidInput("`fingerprint` selects among failed children: send failed_children = true with it")
    if body.action in ("rerun", "delete") and body.filter.parent_id != "root":
        raise InvalidInput(f"only whole trees can be {body.action}d: leave parent_id out")


def _filter(body: BulkRequest) -> JobFilter:
    asked = body.filter
    if not msgspec.to_builtins(asked):
        raise InvalidInput("filter is empty, which would mean every job: name at least one condition")
    if asked.children is not None and (asked.parent_id == "root" or asked.ids is not None):
        raise InvalidInput("`children` are those of one parent: name it as parent_id, and leave ids out")
    return replace(
        within(asked.parent_id) if asked.ids is None or asked.parent_id != "root" else JobFilter(),
        statuses=parse_statuses(asked.status),
        kind=asked.kind,
        tag=asked.tag,
        definition=asked.definition,
        q=asked.q or None,
        fingerprint=asked.fingerprint,
        created_after=moment("created_after", asked.created_after),
        created_before=moment("created_before", asked.created_before),
        ids=_ids(asked.ids),
        children=parse_children(asked.children),
        other_than=None if asked.children or body.action == "delete" or asked.kind == KIND else KIND,
        descending=False,
    )


def _ids(texts: list[str] | None) -> tuple[int, ...] | None:
    if texts is None:
        return None
    if len(texts) > MAX_BULK:
        raise TooLarge(f"{len(texts)} ids in one request: send at most {MAX_BULK:,}, or a filter that means them")
    return tuple(number for text in texts if (number := parse_id(text)) is not None)


def _preview(body: BulkRequest, found: Breakdown) -> BulkPreview:
    acts_on = tuple(JobStatus) if body.failed_children else ACTS_ON[body.action]
    below = [tally for status, tally in found.below.items() if status in acts_on]
    return BulkPreview(
        action=body.action,
        matching=found.counts.total,
        is_lower_bound=found.is_lower_bound,
        by_status=wire_tally(found.counts),
        actionable=sum(found.counts[status] for status in acts_on),
        below=wire_tally(Tally(*map(sum, zip(*below, strict=True))) if below else Tally()),
        is_below_lower_bound=found.is_below_lower_bound,
    )
