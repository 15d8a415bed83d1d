"""The client: the public interface as coroutines.

    async with quaero.AsyncClient("http://jobs.example.org:8080") as client:
        job = await client.enqueue("myapp.fetch", url="https://example.org/")
        async for entry in client.follow(job.id):
            print(entry.message)

Without an address it goes where the settings lead: to the server that runs on the store, or, where none does, to the
store itself. A token is taken from `QUAERO_TOKEN` unless given. Errors are those of `quaero.domain.errors`, as the
server raised them; `Unreachable` when there is none, `NotAllowed` when it refuses.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from quaero.client.finding import Way, answers, transport_of, way_to
from quaero.client.following import Following
from quaero.client.models import Entry, Ids, Job, JobList, LogPage, Outcome, Page
from quaero.client.transport import Reply, Transport, Unreachable, address, error_of
from quaero.clock import Clock, SystemClock
from quaero.domain.cursor import parse_cursor
from quaero.domain.errors import InvalidInput, QuaeroError

MOST_AT_ONCE = 1_000
JobLike = str | int | Job


def id_of(job: JobLike) -> str:
    """The id of a job, however it is named."""
    return job.id if isinstance(job, Job) else str(job)


class AsyncClient:
    """A client of one server or store. Use it as a context manager, or call `close`."""

    def __init__(
        self,
        where: str | Path | Way | None = None,
        *,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._way = where if isinstance(where, Way) else way_to(where, token, tls)
        self._clock = clock or SystemClock()
        self._transport: Transport | None = None
        self._left: list[Transport] = []  # of servers that went away; somebody may still read what they said
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> "AsyncClient":
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of connections, or of the store."""
        there = [transport for transport in (self._transport, *self._left) if transport is not None]
        self._transport, self._left = None, []
        for transport in there:
            await transport.close()

    # --- enqueueing

    async def enqueue(
        self,
        kind: str,
        payload: Mapping[str, Any] | None = None,
        /,
        *,
        name: str | None = None,
        key: str | None = None,
        priority: int = 0,
        run_at: datetime | str | None = None,
        max_attempts: int | None = None,
        timeout: str | None = None,
        tags: Iterable[str] = (),
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Job:
        """Submit a job; what is not an option is its payload. With the `key` of an open job of its kind, that job.

        A payload name that is also an option must stand in the payload mapping. `timeout` is a duration (`"30s"`).
        """
        body: dict[str, Any] = {"kind": kind, "payload": {**(payload or {}), **fields}, "name": name, "key": key}
        body |= {"priority": priority}
        body |= {"run_at": run_at, "max_attempts": max_attempts, "timeout": timeout, "tags": list(tags)}
        headers = {"idempotency-key": idempotency_key} if idempotency_key else None
        return msgspec.json.decode(await self.ask("POST", address("jobs"), body, headers), type=Job)

    async def enqueue_many(self, jobs: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None) -> list[str]:
        """Submit up to 10,000 jobs, all or none; their ids, in order. Each is what `POST /api/jobs` takes."""
        headers = {"idempotency-key": idempotency_key} if idempotency_key else None
        return msgspec.json.decode(await self.ask("POST", address("jobs"), list(jobs), headers), type=Ids).ids

    async def run_definition(self, definition: str, overrides: Mapping[str, Any] | None = None) -> Job:
        """Make a tree of a definition; its root."""
        path = address("job-definitions", definition, "execute")
        return msgspec.json.decode(await self.ask("POST", path, overrides or {}), type=Job)

    # --- reading

    async def job(self, job: JobLike) -> Job:
        """One job, with its steps and how much longer it may take. Raises NotFound."""
        return msgspec.json.decode(await self.ask("GET", address("jobs", id_of(job))), type=Job)

    async def jobs_page(self, /, **query: Any) -> Page[Job]:
        """A page of roots, newest first. Filters as `GET /api/jobs` has them: status, kind, tag, q, limit, cursor, …"""
        return await self._jobs_page(address("jobs", **query))

    async def children_page(self, /, job: JobLike, **query: Any) -> Page[Job]:
        """A page of a job's direct children."""
        return await self._jobs_page(address("jobs", id_of(job), "children", **query))

    async def jobs(self, **query: Any) -> AsyncIterator[Job]:
        """All jobs of a filter, page after page."""
        async for job in self._all("jobs", **query):
            yield job

    async def children(self, job: JobLike, **query: Any) -> AsyncIterator[Job]:
        """All direct children of a job."""
        async for child in self._all("jobs", id_of(job), "children", **query):
            yield child

    async def tree(self, job: JobLike) -> dict[str, Any]:
        """The tree a job belongs to: its root and its steps, with what is below them counted."""
        return await self._mapping("jobs", id_of(job), "tree")

    async def errors(self, job: JobLike) -> list[dict[str, Any]]:
        """Failures of the tree a job belongs to, grouped by fingerprint, most frequent first."""
        found: list[dict[str, Any]] = (await self._mapping("jobs", id_of(job), "errors"))["errors"]
        return found

    async def stats(self) -> dict[str, Any]:
        """The whole queue: counts by status, pace, workers."""
        return await self._mapping("queue", "stats")

    async def definitions(self) -> list[dict[str, Any]]:
        """What could be run: every definition, in order of id."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await self._mapping("job-definitions", cursor=cursor)
            found += page["definitions"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    async def documents(self, /, q: str | None = None, **query: Any) -> dict[str, Any]:
        """A page of the documents jobs kept; with `q`, the best hits."""
        return await self._mapping("documents", q=q, **query)

    async def logs(self, job: JobLike, *, cursor: str | None = None, **query: Any) -> AsyncIterator[Entry]:
        """Entries of a job and all below it, oldest first, up to now. Filters: level, step, q, include_children."""
        async for page in self.log_pages(job, cursor=cursor, **query):
            for entry in page.logs:
                yield entry

    async def log_pages(self, job: JobLike, *, cursor: str | None = None, **query: Any) -> AsyncIterator[LogPage]:
        """The same page by page, each with the cursor after it. What comes while it is read is left to `follow`."""
        query = {"limit": 5_000, "order": "asc", **query}
        last: int | None = None
        while True:
            path = address("jobs", id_of(job), "logs", cursor=cursor, **query)
            page = msgspec.json.decode(await self.ask("GET", path), type=LogPage)
            yield page
            last = page.head if last is None else last
            read = parse_cursor(page.next_cursor or "")
            if read is None or read.seq >= last or page.next_cursor == cursor:
                return
            cursor = page.next_cursor

    def follow(
        self,
        job: JobLike | None = None,
        *,
        level: str = "debug",
        step: str | None = None,
        cursor: str | None = None,
        limit: int = 5_000,
    ) -> Following:
        """A job's log, live, or the service log: `limit` entries of history (or all after `cursor`), then what comes.

        It ends when the job and all below it have; it reconnects for ever, and never loses or doubles an entry.
        """
        if job is None and step is not None:
            raise InvalidInput("the service log has no steps")
        path = ("service", "logs", "stream") if job is None else ("jobs", id_of(job), "logs", "stream")
        query = {"level": level, "step": step, "limit": limit if job is not None else min(limit, 500)}
        return Following(self._open, path, query, self._clock, cursor)

    async def wait(self, job: JobLike) -> Job:
        """Wait until a job and all below it have ended; the job as it is then."""
        async for _ in self.follow(job, level="error", limit=0).pages():
            continue
        return await self.job(job)

    # --- acting

    async def cancel(self, job: JobLike) -> Outcome:
        """Cancel a job and everything below it."""
        return await self._act("POST", job, "cancel", {})

    async def retry(self, job: JobLike, *, failed_children: bool = False, fingerprint: str | None = None) -> Outcome:
        """Open a new round of a job, or of its failed descendants (of one fingerprint)."""
        return await self._act("POST", job, "retry", {"failed_children": failed_children, "fingerprint": fingerprint})

    async def rerun(self, job: JobLike) -> Outcome:
        """Run a root again as a new tree."""
        return await self._act("POST", job, "rerun", {})

    async def delete(self, job: JobLike) -> Outcome:
        """Remove a finished tree with its log."""
        return msgspec.json.decode(await self.ask("DELETE", address("jobs", id_of(job))), type=Outcome)

    # --- below all of it

    async def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> bytes:
        """Any other question of the interface; the JSON of its answer."""
        return (await self.reply(method, path, body, headers)).body

    async def reply(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """The same with its status and headers. Raises what a bad answer stands for."""
        encoded = msgspec.json.encode(body, enc_hook=_encoded) if body is not None else None
        transport = await self._open()
        try:
            reply = await transport.ask(method, path, encoded, headers)
        except Unreachable:
            other = await self._open(instead_of=transport)
            if method != "GET" or other is transport:
                raise  # what changes something may have been done
            reply = await other.ask(method, path, encoded, headers)
        if reply.status >= 400:
            raise error_of(reply)
        return reply

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        """An answer of any length, as it comes. Raises what a bad answer stands for."""
        async with (await self._open()).stream(path) as stream:
            if stream.status != 200:
                raise error_of(Reply(stream.status, stream.headers, b"".join([part async for part in stream.chunks])))
            async for part in stream.chunks:
                yield part

    async def _open(self, instead_of: Transport | None = None) -> Transport:
        """The way there; unless it was named, it is looked for anew when the one there was does not answer any more."""
        async with self._opening:
            there = self._transport
            if there is None:
                self._transport = there = await transport_of(self._way)
            elif there is instead_of and self._way.server is None and not await answers(there):
                with suppress(QuaeroError):  # then it is asked again where it was
                    self._transport = await transport_of(self._way)
                    self._left.append(there)
            return self._transport or there

    async def _act(self, method: str, job: JobLike, verb: str, body: dict[str, Any]) -> Outcome:
        return msgspec.json.decode(await self.ask(method, address("jobs", id_of(job), verb), body), type=Outcome)

    async def _mapping(self, *parts: object, **query: object) -> dict[str, Any]:
        return msgspec.json.decode(await self.ask("GET", address(*parts, **query)), type=dict[str, Any])

    async def _jobs_page(self, path: str) -> Page[Job]:
        found = msgspec.json.decode(await self.ask("GET", path), type=JobList)
        return Page(found.jobs, found.total_count, found.total_is_lower_bound, found.next_cursor)

    async def _all(self, *parts: object, **query: Any) -> AsyncIterator[Job]:
        query = {"limit": MOST_AT_ONCE, **query}
        while True:
            page = await self._jobs_page(address(*parts, **query))
            for job in page.items:
                yield job
            if page.next_cursor is None:
                return
            query["cursor"] = page.next_cursor


def _encoded(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise InvalidInput(f"{value!r} cannot be sent as JSON")
