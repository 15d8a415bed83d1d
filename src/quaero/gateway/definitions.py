"""Definitions: kept, changed, checked as somebody types, and run."""

from functools import partial
from typing import Annotated, Any, NamedTuple

import msgspec

from quaero.domain.access import Access
from quaero.domain.definitions import Definition, InvalidDefinition, Reading, from_stored, read, with_overrides
from quaero.domain.errors import InvalidInput, NotFound
from quaero.domain.job import Job
from quaero.domain.wire import WireJob, wire_job
from quaero.engine.lifecycle.catalogue import (
    COLUMNS,
    DefinitionRow,
    create_definition,
    execute,
    remove_definition,
    replace_definition,
)
from quaero.engine.lifecycle.definitions import told_unknown
from quaero.engine.lifecycle.idempotency import once
from quaero.gateway.answers import Answer, json_answer
from quaero.gateway.definitionshapes import (
    Validation,
    WireDefinition,
    WireDefinitionDetail,
    validation,
    wire_definition,
    wire_detail,
)
from quaero.gateway.idempotency import idempotency_key
from quaero.gateway.routing import Headers, Routes
from quaero.gateway.state import Gateway
from quaero.storage.port import JobFilter, Store

routes = Routes()
RUNS, RUNS_IN_LIST = 10, 3
Source = dict[str, Any]  # a definition as a mapping, or {"toml": "..."}


class DefinitionsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which definitions: those whose id or name has `q` in it."""

    q: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: str | None = None


class DefinitionList(msgspec.Struct, frozen=True):
    """A page of definitions in order of id. `next_cursor` is null on the last one."""

    definitions: list[WireDefinition]
    total_count: int
    limit: int
    next_cursor: str | None


class Removed(msgspec.Struct, frozen=True):
    """What was removed."""

    id: str
    removed: bool


class _Page(NamedTuple):
    rows: list[DefinitionRow]
    total: int


@routes.get("/api/job-definitions")
async def get_definitions(gateway: Gateway, query: DefinitionsQuery) -> DefinitionList:
    """Definitions in order of id, with their next and last runs."""
    limit = query.limit
    page = await _page(gateway.store, query, limit)
    now = gateway.clock.now()
    found = [wire_definition(row, await _runs(gateway.store, row.id, RUNS_IN_LIST), now) for row in page.rows[:limit]]
    return DefinitionList(found, page.total, limit, found[-1].id if len(page.rows) > limit else None)


async def _page(store: Store, query: DefinitionsQuery, limit: int) -> _Page:
    rows = [DefinitionRow(*row) for row in await store.rows(f"select {COLUMNS} from definition order by id")]
    wanted = (query.q or "").casefold()
    matching = [row for row in rows if wanted in row.id.casefold() or wanted in row.name.casefold()]
    after = query.cursor or ""
    return _Page([row for row in matching if row.id > after][: limit + 1], len(matching))


@routes.post("/api/job-definitions", answers={201: WireDefinitionDetail})
async def post_definition(gateway: Gateway, body: Source) -> Answer:
    """Keep a new definition: a mapping of the shape of its file, or `{"toml": "..."}`."""
    row = await gateway.store.write(create_definition, _parsed(body))
    return _answer(await _detail(gateway, row), 201)


@routes.post("/api/job-definitions/validate", needs=Access.SUBMITTER)
async def post_validate(gateway: Gateway, body: Source) -> Validation:
    """Everything that is wrong with a definition, whether it could run, and when it would."""
    reading = _reading(body)
    unrunnable = await _unrunnable(gateway.store, reading.definition) if reading.definition is not None else None
    return validation(reading, unrunnable, gateway.clock.now())


@routes.post("/api/job-definitions/execute", needs=Access.SUBMITTER, answers={201: WireJob, 200: WireJob})
async def post_execute_once(gateway: Gateway, body: Source, headers: Headers) -> Answer:
    """Run a definition now without keeping it: a mapping of the shape of its file, or `{"toml": "..."}`."""
    return await _run(gateway, _parsed(body), headers)


async def _unrunnable(store: Store, definition: Definition) -> str | None:
    known = {kind for (kind,) in await store.rows("select kind from kind")}
    return told_unknown(sorted(definition.kinds - known))


@routes.get("/api/job-definitions/{id}")
async def get_definition(gateway: Gateway, id: str) -> WireDefinitionDetail:
    """One definition, with its text, its next and its last runs."""
    return await _detail(gateway, await _find(gateway.store, id))


@routes.put("/api/job-definitions/{id}", answers={200: WireDefinitionDetail, 201: WireDefinitionDetail})
async def put_definition(gateway: Gateway, id: str, body: Source) -> Answer:
    """Keep a definition under this id, in place of the one that has it. One that comes from a file answers 409."""
    definition = _parsed(body if "toml" in body else {"id": id, **body})
    if definition.id != id:
        raise InvalidInput(f"id is {definition.id!r}, and this is the place of {id!r}: make them the same")
    row, is_new = await gateway.store.write(replace_definition, definition)
    return _answer(await _detail(gateway, row), 201 if is_new else 200)


@routes.delete("/api/job-definitions/{id}")
async def delete_definition(gateway: Gateway, id: str) -> Removed:
    """Forget a definition; the trees it made stay. One that comes from a file answers 409."""
    row = await gateway.store.write(remove_definition, id)
    return Removed(row.id, removed=True)


@routes.post("/api/job-definitions/{id}/execute", needs=Access.SUBMITTER, answers={201: WireJob, 200: WireJob})
async def post_execute(gateway: Gateway, id: str, body: dict[str, Any], headers: Headers) -> Answer:
    """Run a definition now; the body changes it for this run, e.g. `{"step": {"crawl": {"max_pages": 5}}}`."""
    row = await _find(gateway.store, id)
    return await _run(gateway, with_overrides(from_stored(row.body.encode()), body), headers)


async def _run(gateway: Gateway, definition: Definition, headers: Headers) -> Answer:
    root, is_new = await gateway.store.write(once, idempotency_key(headers), partial(execute, definition=definition))
    return json_answer(wire_job(root), 201 if is_new else 200, (b"location", b"/api/jobs/%d" % root.id))


async def _find(store: Store, definition_id: str) -> DefinitionRow:
    found = await store.rows(f"select {COLUMNS} from definition where id = ?", (definition_id,))
    if not found:
        raise NotFound(f"there is no definition {definition_id[:100]!r}")
    return DefinitionRow(*found[0])


async def _runs(store: Store, definition_id: str, n: int) -> list[Job]:
    """The newest trees a definition made."""
    return (await store.jobs(JobFilter(roots=True, definition=definition_id), limit=n)).jobs


async def _detail(gateway: Gateway, row: DefinitionRow) -> WireDefinitionDetail:
    return wire_detail(row, await _runs(gateway.store, row.id, RUNS), gateway.clock.now())


def _answer(detail: WireDefinitionDetail, status: int) -> Answer:
    headers = ((b"location", f"/api/job-definitions/{detail.id}".encode()),) if status == 201 else ()
    return json_answer(detail, status, *headers)


def _reading(body: Source) -> Reading:
    text = body.get("toml")
    if text is None:
        return read(body)
    if len(body) > 1 or not isinstance(text, str):
        raise InvalidInput('toml: send {"toml": "..."} alone, or the definition as a mapping')
    return read(text)


def _parsed(body: Source) -> Definition:
    reading = _reading(body)
    if reading.definition is None:
        raise InvalidDefinition(reading.problems)
    return reading.definition
