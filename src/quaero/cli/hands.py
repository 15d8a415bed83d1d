"""Who does the work of `quaero run`: the workers that are there, or one of our own for this tree alone."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from quaero.cli.output import message
from quaero.domain.errors import InvalidInput
from quaero.engine.worker.config import AppBrokenError

if TYPE_CHECKING:
    from quaero.client import AsyncClient
    from quaero.client.finding import Way
    from quaero.engine.worker.worker import Worker

T = TypeVar("T")
NO_TREE = 0  # tree 0 holds the service log and no work: a worker of this tree claims nothing


class Hands(Protocol):
    """Whoever runs the tree."""

    async def while_working(self, root_id: int, watching: Coroutine[Any, Any, T]) -> T:
        """What `watching` returns, while this tree is worked on."""


class TheirHands:
    """Workers that run already, or will."""

    async def while_working(self, root_id: int, watching: Coroutine[Any, Any, T]) -> T:
        """They find the tree by themselves."""
        return await watching


class OurHands:
    """A worker in this process, with executors of its own."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self._ready = asyncio.Event()
        worker.on_ready = self._ready.set
        self._working = asyncio.ensure_future(worker.run())

    async def get_ready(self) -> None:
        """Wait until its kinds are announced. Raises InvalidInput for an application that cannot be imported."""
        ready = asyncio.ensure_future(self._ready.wait())
        await asyncio.wait({ready, self._working}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._working.done():
            self._raise_trouble()

    async def while_working(self, root_id: int, watching: Coroutine[Any, Any, T]) -> T:
        """Work on this tree only; if the worker breaks, so does this."""
        message("no running worker knows its kinds: working here, on this tree alone")
        self._worker.work_on(root_id)
        watched = asyncio.ensure_future(watching)
        await asyncio.wait({watched, self._working}, return_when=asyncio.FIRST_COMPLETED)
        if not watched.done():
            watched.cancel()
            await asyncio.wait({watched})
            self._raise_trouble()
        return watched.result()

    async def put_down(self) -> None:
        """Give back what is held and stop; at once, because nobody waits for it any more."""
        self._worker.stop()
        self._worker.stop()
        await asyncio.wait({self._working})

    def _raise_trouble(self) -> None:
        try:
            self._working.result()
        except AppBrokenError as broken:
            raise InvalidInput(f"--app cannot be used: {broken}") from None


@asynccontextmanager
async def find_hands(client: "AsyncClient", way: "Way", app: str | None, kinds: frozenset[str]) -> AsyncIterator[Hands]:
    """The live workers, if together they know all these kinds; else a worker of our own, on the store beside them.

    A server that was named may be anywhere: its workers do it, or nobody does. Raises InvalidInput if it needs our own
    and that does not know them either: nobody would ever begin.
    """
    if way.server is not None or kinds <= live_kinds(await client.stats()):
        yield TheirHands()
        return
    from quaero.app import make_mask, make_worker, open_store_and_bell
    from quaero.engine.servicelog import heard

    async with open_store_and_bell(way.settings) as (store, bell):
        worker = make_worker(store, bell, way.settings, app, NO_TREE)
        with heard(worker.service, "run", make_mask(way.settings)):
            ours = OurHands(worker)
            try:
                await ours.get_ready()
                await _refuse_to_wait(client, kinds)
                yield ours
            finally:
                await ours.put_down()


async def _refuse_to_wait(client: "AsyncClient", kinds: frozenset[str]) -> None:
    """Raise InvalidInput for kinds of which only workers knew that have gone. (Those nobody ever knew fail by name.)"""
    from quaero.client.transport import address

    announced = msgspec.json.decode(await client.ask("GET", address("kinds")))["kinds"]
    gone = (kinds & {one["kind"] for one in announced}) - live_kinds(await client.stats())
    if gone:
        raise InvalidInput(
            f"no running worker knows {', '.join(sorted(gone))}: name the application that does with --app"
        )


def live_kinds(stats: dict[str, Any]) -> set[str]:
    """What the workers that run know together."""
    return {kind for worker in stats["workers"] if worker["state"] == "live" for kind in worker["kinds"]}
