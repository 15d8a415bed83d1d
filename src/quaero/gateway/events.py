"""A job's own journal entries as a bare array, oldest first: for scripts that want to know what became of a job.

An array has no room for more, so where to go on is in headers: `Link: <...>; rel="next"` while there is more, and
`Quaero-Cursor` always, so that a script can ask again later for what happened since.
"""

from typing import Annotated
from urllib.parse import urlencode

import msgspec

from quaero.domain.cursor import Cursor, resume
from quaero.domain.errors import InvalidInput
from quaero.domain.wire import WireEntry, wire_entry
from quaero.gateway.answers import Answer, json_answer
from quaero.gateway.finding import find_job
from quaero.gateway.listing import moment, step_names
from quaero.gateway.routing import JobId, Routes
from quaero.gateway.state import Gateway
from quaero.storage.port import EntryFilter

routes = Routes()


class EventsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which entries: those from `since` on (an RFC 3339 time), behind `cursor`; `offset` leaves out as many."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=5_000)] = 100
    since: str | None = None
    offset: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0  # deeper is reached by cursor
    cursor: str | None = None


@routes.get("/api/jobs/{id}/events", answers={200: list[WireEntry]})
async def get_events(gateway: Gateway, id: JobId, query: EventsQuery) -> Answer:
    """A job's own journal entries, oldest first, as an array; the headers `Link` and `Quaero-Cursor` go on."""
    store = gateway.store
    limit, offset = query.limit, query.offset
    if offset and query.cursor:
        raise InvalidInput("give a cursor or an offset, not both")
    job = await find_job(store, id)
    where = EntryFilter(job_id=job.id, below=False, since=moment("since", query.since) or 0)
    after = resume(query.cursor, incarnation=store.incarnation, root_id=job.root_id).seq
    page = await store.entries(job.root_id, where, after=after, limit=offset + limit)
    names = await step_names(store, [job])
    token = Cursor(store.incarnation, job.root_id, page.scanned_to).token
    headers = [(b"quaero-cursor", token.encode())]
    if page.scanned_to < page.head:
        following = urlencode({"limit": limit, **({"since": query.since} if query.since else {}), "cursor": token})
        headers.append((b"link", f'</api/jobs/{job.id}/events?{following}>; rel="next"'.encode()))
    return json_answer([wire_entry(entry, names) for entry in page.entries[offset:]], 200, *headers)
