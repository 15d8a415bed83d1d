"""Logs over the WebSocket: the feed's parts, each with the id of its subscription and the cursor it leaves it at.

The feed paces itself by how fast its parts are taken, so each log has a task of its own that takes one part, sends it,
and takes the next. A tree that is closed stays followed: it may be opened again.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from quaero.domain.errors import InvalidInput, NotFound
from quaero.gateway.following import Following
from quaero.gateway.listing import bounded
from quaero.gateway.parts import Part
from quaero.gateway.scope import Scope
from quaero.gateway.stateplane import StatePlane
from quaero.gateway.subscription import Key, Outlet, Subscription
from quaero.gateway.told import Bye
from quaero.gateway.topics import Subscribe, envelope
from quaero.storage.port import Mark

USUAL, MAX_SERVICE, MAX_JOB = 100, 500, 5_000


class LogSubscription(Subscription):
    """The log of a job and all below it, or of some of its children; or (job 0) the service log."""

    def __init__(self, plane: StatePlane, outlet: Outlet, ask: Subscribe, job_id: int) -> None:
        super().__init__(plane, outlet, ask)
        self._job_id = job_id
        self._following: Following | None = None
        self._pump: asyncio.Task[None] | None = None
        self._root_id = -1

    async def open(self) -> list[str]:
        """Begin where the cursor is, or with the last entries. Raises NotFound, InvalidInput."""
        limit = bounded("limit", USUAL if self.ask.limit is None else self.ask.limit, 0, self._most)
        feed = self.plane.feed
        try:
            scope = await self._scope()
            self._following = await feed.follow(scope, cursor=self.ask.cursor, limit=limit, closed_too=True)
            self._root_id = scope.root_id
        except NotFound:
            self._following = feed.follow_deleted(self._job_id, self.ask.cursor) if self.ask.cursor else None
            if self._following is None:
                raise
        self._pump = asyncio.create_task(self._keep_sending())
        return []

    @property
    def _most(self) -> int:
        return MAX_JOB if self._job_id else MAX_SERVICE

    async def _scope(self) -> Scope:
        feed = self.plane.feed
        if self._job_id:
            return await feed.scope(self._job_id, step=self.ask.step, children=self.ask.children, level=self.ask.level)
        if self.ask.step is not None or self.ask.children is not None:
            raise InvalidInput("the service log has no steps and no children")
        return feed.service_scope(self.ask.level)

    async def frames(self, keys: Sequence[Key]) -> list[str]:
        """Nothing is told but by the feed."""
        return []

    def lacks(self, root_id: int, head: int) -> bool:
        """Whether its client follows this tree and does not have everything up to `head` yet."""
        following = self._following
        return following is not None and root_id == self._root_id and following.lacks(head)

    def close(self) -> None:
        """Follow nothing any more."""
        if self._pump is not None:
            self._pump.cancel()
        if self._following is not None:
            self._following.close()
            self._following = None

    async def _keep_sending(self) -> None:
        try:
            while self._following is not None:
                await self._send_all(self._following)
                await self._reopened()
        except Exception as error:
            self.outlet.fail(self, error)

    async def _send_all(self, following: Following) -> None:
        async for part in following:
            if part.kind == "bye":  # it is this gateway that has too much to do, and it serves the whole connection
                self.outlet.leave(msgspec.json.decode(part.data, type=Bye).retry_ms)
                return
            if self.outlet.is_full:
                following.let_go()
            await self.outlet.send(self._told(part, following.token))
            self.outlet.advanced()

    def _told(self, part: Part, token: bytes) -> str:
        cursor = f',"cursor":"{token.decode()}"'
        return envelope(part.kind, f"{{{self._head}{cursor},{part.data[1:].decode()}")

    async def _reopened(self) -> None:
        """The feed ends some time after the end of a tree: wait until the tree moves, and follow on from there."""
        following = self._following
        if following is None:
            return
        moved = asyncio.Event()
        seen = following.position

        def look(mark: Mark | None) -> None:
            if mark is not None and mark.head > seen:
                moved.set()

        self.plane.lookout.watch(self._root_id, look)
        try:
            await moved.wait()
        finally:
            self.plane.lookout.unwatch(self._root_id, look)
        with suppress(NotFound):
            token = following.token.decode()
            scope = await self._scope()
            self._following = await self.plane.feed.follow(scope, cursor=token, limit=0, closed_too=True)
