"""The client's synchronous face: the same methods, for scripts, notebooks and threads.

Each call is run to its end on an event loop in a thread of its own, so it works wherever it is called from. What a
method takes, answers and promises is written once, at `AsyncClient`.
"""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from quaero.client.finding import Way
from quaero.client.following import Following, Ledger
from quaero.client.models import Entry, Job
from quaero.client.session import AsyncClient, JobLike

P = ParamSpec("P")
T = TypeVar("T")
_END = object()


def _to_the_end(
    method: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["Client", P], T]:
    """A method of `AsyncClient` that is waited for."""

    @wraps(method)
    def call(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(method(self._client, *args, **kwargs))

    return call


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
        self._reading: set[Callable[[], Coroutine[Any, Any, None]]] = set()  # each ends a list or log that is read
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
        for leave in self._reading:
            self._run(leave())
        self._reading.clear()
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    enqueue = _to_the_end(AsyncClient.enqueue)
    enqueue_many = _to_the_end(AsyncClient.enqueue_many)
    run_definition = _to_the_end(AsyncClient.run_definition)

    job = _to_the_end(AsyncClient.job)
    jobs_page = _to_the_end(AsyncClient.jobs_page)
    children_page = _to_the_end(AsyncClient.children_page)
    tree = _to_the_end(AsyncClient.tree)
    errors = _to_the_end(AsyncClient.errors)
    stats = _to_the_end(AsyncClient.stats)
    definitions = _to_the_end(AsyncClient.definitions)
    documents = _to_the_end(AsyncClient.documents)
    wait = _to_the_end(AsyncClient.wait)

    cancel = _to_the_end(AsyncClient.cancel)
    retry = _to_the_end(AsyncClient.retry)
    rerun = _to_the_end(AsyncClient.rerun)
    delete = _to_the_end(AsyncClient.delete)

    # --- what is iterated over

    def jobs(self, **query: Any) -> Iterator[Job]:
        """All jobs of a filter, page after page."""
        return self._each(self._client.jobs(**query))

    def children(self, job: JobLike, **query: Any) -> Iterator[Job]:
        """All direct children of a job."""
        return self._each(self._client.children(job, **query))

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

    # --- the other thread

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        answer = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return answer.result()
        except BaseException:
            answer.cancel()  # ctrl-C while waiting: nobody wants it any more
            raise

    def _each(self, source: AsyncIterator[T]) -> Iterator[T]:
        stepping: asyncio.Task[Any] | None = None

        async def step() -> Any:
            nonlocal stepping
            stepping = asyncio.current_task()
            return await anext(source, _END)

        async def leave() -> None:
            if stepping is not None and not stepping.done():  # ctrl-C came while it was waited for
                if not stepping.cancelling():  # twice would interrupt what it does to end
                    stepping.cancel()
                await asyncio.wait({stepping})
            await source.aclose()  # type: ignore[attr-defined]

        self._reading.add(leave)
        try:
            while (found := self._run(step())) is not _END:
                yield found
        finally:
            if leave in self._reading:  # else the client was closed, and it with it
                self._reading.remove(leave)
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
