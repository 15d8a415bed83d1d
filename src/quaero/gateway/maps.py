"""The map of a job's children: all of them at once, each one small number, with the cursor at which they hold."""

import asyncio
from typing import Literal

import msgspec

from quaero.domain.cursor import Cursor
from quaero.gateway.answers import Answer, json_answer
from quaero.gateway.finding import find_job
from quaero.gateway.mapcache import By
from quaero.gateway.mapformat import BINARY, WireMap, binary, head_of, run_length
from quaero.gateway.routing import Headers, JobId, Media, Routes
from quaero.gateway.state import Gateway

routes = Routes()


class MapQuery(msgspec.Struct, forbid_unknown_fields=True):
    """What the codes tell, and in which form they come: `format` wins over the header Accept; JSON unless asked."""

    by: By = "status"
    format: Literal["", "json", "binary"] = ""


@routes.get("/api/jobs/{id}/map", answers={200: Media(BINARY, json=WireMap)})
async def get_map(gateway: Gateway, id: JobId, query: MapQuery, headers: Headers) -> Answer:
    """Every direct child as one small number, in order of id, with the cursor at which they hold."""
    await find_job(gateway.store, id)
    found = await gateway.maps.get(gateway.store, id, query.by)
    cursor = Cursor(gateway.store.incarnation, found.parent.root_id, found.head).token
    head = head_of(found, query.by, cursor)
    vary = (b"vary", b"accept")
    if query.format == "binary" or (not query.format and BINARY.encode() in headers.get(b"accept", b"")):
        body = await asyncio.to_thread(binary, found, head)
        return Answer(body, content_type=BINARY.encode(), headers=(vary,))
    return json_answer(await asyncio.to_thread(run_length, found, head), 200, vary)
