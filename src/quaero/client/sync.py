"""The client's synchronous face: the same methods, for scripts, notebooks and threads.

Each call is run to its end on an event loop in a thread of its own, so it works wherever it is called from.
"""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from quaero.client.finding import Way
from quaero.client.following import Following, Ledger
from quaero.client.models import Entry, Job, Outcome, Page
from quaero.client.session import AsyncClient, JobLike

T = TypeVar("T")
_END = object()


class Client:
    """A client of one server or store; see `AsyncClient`. Use it as a context manager, or call `close`."""

    def __init__(
        self,
        where: str | Path | Way | None = None,
        *,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._client = AsyncClient(where, token=token, tls=tls)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="quaero-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections, or of the store."""
        if self._loop.is_closed():
            return
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # --- enqueueing

    def enqueue(
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
        """Submit a job; what is not an option is its payload."""
        return self._run(
            self._client.enqueue(
                kind,
                payload,
                name=name,
                key=key,
                priority=priority,
                run_at=run_at,
                max_attempts=max_attempts,
                timeout=timeout,
                tags=tags,
                idempotency_key=idempotency_key,
                **fields,
            )
        )

    def enqueue_many(self, jobs: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None) -> list[str]:
        """Submit up to 10,000 jobs, all or none; their ids, in order."""
        return self._run(self._client.enqueue_many(jobs, idempotency_key=idempotency_key))

    def run_definition(self, definition: str, overrides: Mapping[str, Any] | None = None) -> Job:
        """Make a tree of a definition; its root."""
        return self._run(self._client.run_definition(definition, overrides))

    # --- reading

    def job(self, job: JobLike) -> Job:
        """One job, with its steps and how much longer it may take."""
        return self._run(self._client.job(job))

    def jobs_page(self, **query: Any) -> Page[Job]:
        """A page of roots, newest first."""
        return self._run(self._client.jobs_page(**query))

    def children_page(self, job: JobLike, **query: Any) -> Page[Job]:
        """A page of a job's direct children."""
        return self._run(self._client.children_page(job, **query))

    def jobs(self, **query: Any) -> Iterator[Job]:
        """All jobs of a filter, page after page."""
        return self._each(self._client.jobs(**query))

    def children(self, job: JobLike, **query: Any) -> Iterator[Job]:
        """All direct children of a job."""
        return self._each(self._client.children(job, **query))

    def tree(self, job: JobLike) -> dict[str, Any]:
        """The tree a job belongs to."""
        return self._run(self._client.tree(job))

    def errors(self, job: JobLike) -> list[dict[str, Any]]:
        """Failures of the tree a job belongs to, grouped."""
        return self._run(self._client.errors(job))

    def stats(self) -> dict[str, Any]:
        """The whole queue: counts by status, pace, workers."""
        return self._run(self._client.stats())

    def definitions(self) -> list[dict[str, Any]]:
        """What could be run."""
        return self._run(self._client.definitions())

    def documents(self, q: str | None = None, **query: Any) -> dict[str, Any]:
        """A page of the documents jobs kept; with `q`, the best hits."""
        return self._run(self._client.documents(q, **query))

    def logs(self, job: JobLike, *, cursor: str | None = None, **query: Any) -> Iterator[Entry]:
        """Entries of a job and all below it, oldest first, up to now."""
        return self._each(self._client.logs(job, cursor=cursor, **query))

    def follow(
        self,
        job: JobLike | None = None,
        *,
        level: str = "debug",
        step: str | None = None,
        cursor: str | None = None,
        limit: int = 5_000,
    ) -> "Followed":
        """A job's log, live, or the service log."""
        return Followed(self, self._client.follow(job, level=level, step=step, cursor=cursor, limit=limit))

    def wait(self, job: JobLike) -> Job:
        """Wait until a job and all below it have ended; the job as it is then."""
        return self._run(self._client.wait(job))

    # --- acting

    def cancel(self, job: JobLike) -> Outcome:
        """Cancel a job and everything below it."""
        return self._run(self._client.cancel(job))

    def retry(self, job: JobLike, *, failed_children: bool = False, fingerprint: str | None = None) -> Outcome:
        """Open a new round of a job, or of its failed descendants."""
        return self._run(self._client.retry(job, failed_children=failed_children, fingerprint=fingerprint))

    def rerun(self, job: JobLike) -> Outcome:
        """Run a root again as a new tree."""
        return self._run(self._client.rerun(job))

    def delete(self, job: JobLike) -> Outcome:
        """Remove a finished tree with its log."""
        return self._run(self._client.delete(job))

    # --- the other thread

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        answer = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return answer.result()
        except BaseException:
            answer.cancel()  # ctrl-C while waiting: nobody wants it any more
            raise

    def _each(self, source: AsyncIterator[T]) -> Iterator[T]:
        async def step() -> Any:
            return await anext(source, _END)

        async def leave() -> None:
            await source.aclose()  # type: ignore[attr-defined]

        try:
            while (found := self._run(step())) is not _END:
                yield found
        finally:
            self._run(leave())


class Followed:
    """A log that is followed: iterate over it. `cursor`, `ledger` and `status` are those of `Following`."""

    def __init__(self, client: Client, following: Following) -> None:
        self._client = client
        self._following = following

    def __iter__(self) -> Iterator[Entry]:
        for page in self.pages():
            yield from page

    def pages(self) -> Iterator[list[Entry]]:
        """Entries as they come, as many at once as there were."""
        return self._client._each(self._following.pages())

    @property
    def cursor(self) -> str | None:
        """The position after the last page that was taken."""
        return self._following.cursor

    @property
    def ledger(self) -> Ledger:
        """What came, and what did not."""
        return self._following.ledger

    @property
    def status(self) -> dict[str, Any] | None:
        """The last state of the job the server told."""
        return self._following.status
