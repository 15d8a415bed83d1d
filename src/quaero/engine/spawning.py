"""The spawn buffer of one running job: children on their way to the store, in order.

`spawn` returns at once. Children collect in a batch; batches leave when full, when the executor next writes, and at
the latest before the job's end is told. Up to `SPAWN_BUFFER` children may be unanswered: beyond that a plain handler
blocks. An async handler never blocks its event loop: `spawn_many` reads the rest of its source in the background,
and `await`ing it (or `job.flush()`) is how a handler waits. What is not awaited is still spawned before the end.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Protocol

from quaero.domain.bounds import KIB, SPAWN_BUFFER
from quaero.domain.facts import Child, Spawned
from quaero.engine.handles import Batch, SpawnHandle, SpawnHandles
from quaero.engine.moment import Moment
from quaero.engine.orders import Order, check_key, encode_payload

BATCH = 1_000
BATCH_BYTES = 512 * KIB

Source = Iterator[tuple[Mapping[str, Any], str | None]]


class SpawnDesk(Protocol):
    """Where spawns go."""

    def stir(self) -> None:
        """Something waits to be sent: send it soon."""

    def send(self, spawned: Spawned, size: int) -> None:
        """Put a batch among the facts, in order; `size` is the bytes of its payloads."""

    def push(self) -> None:
        """Send what was put there, now."""

    @property
    def is_plain(self) -> bool:
        """Whether the handler runs alone, so that it may block."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...


class Spawns:
    """Everything one attempt has asked to spawn. The desk, entered, keeps other threads out."""

    def __init__(self, desk: SpawnDesk, job_id: int, epoch: int) -> None:
        self.unanswered = 0
        self._desk = desk
        self._job_id = job_id
        self._epoch = epoch
        self._next_token = 0
        self._open: Batch | None = None
        self._sent: deque[Batch] = deque()
        self._room: Moment | None = None
        self._nth: dict[tuple[str, bytes], int] = {}
        self._queue: deque[tuple[Order, Source, SpawnHandle | SpawnHandles]] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._broken: list[SpawnHandle | SpawnHandles] = []

    def one(self, order: Order, payload: Mapping[str, Any], key: str | None) -> SpawnHandle:
        """Ask for one child."""
        body = encode_payload(payload)
        check_key(key)
        if self._desk.is_plain:
            self._settle_siblings(order)
            self._wait_for_room()
        elif self._queue or order.is_open:
            handle = SpawnHandle(key)
            self._later(order, iter([(payload, key)]), handle)
            return handle
        batch, index = self._place([self._child(order, body, key)], len(body))
        return SpawnHandle(key, batch, index)

    def many(self, order: Order, source: Source) -> SpawnHandles:
        """Ask for a child per payload of `source`."""
        handles = SpawnHandles()
        if self._desk.is_plain:
            self._settle_siblings(order)
            self._wait_for_room()
            while self._take(order, source, handles):
                self._wait_for_room()
        elif self._queue or order.is_open:
            self._later(order, source, handles)
            return handles
        else:
            is_more = True
            while is_more:
                if self.unanswered >= SPAWN_BUFFER:
                    self._later(order, source, handles)
                    return handles
                is_more = self._take(order, source, handles)
        handles.close()
        return handles

    def close_batch(self) -> None:
        """Send what has collected."""
        with self._desk:
            batch, self._open = self._open, None
            if batch is not None:
                children, batch.children = batch.children, []
                self._sent.append(batch)
                self._desk.send(Spawned(self._job_id, self._epoch, batch.first, children), batch.size)

    def answer(self, token: int, ids: list[int], error: str | None) -> None:
        """Take the store's answer to the children from `token` on."""
        with self._desk:
            batch = next((one for one in self._sent if one.first <= token < one.first + one.count), None)
            if batch is None:
                return
            self.unanswered -= batch.answer(ids, error)
            if batch.settled.done:
                self._sent.remove(batch)
        if self._room is not None and self.unanswered <= SPAWN_BUFFER // 2:
            room, self._room = self._room, None
            room.fire()

    async def settle(self) -> None:
        """Wait until all that was asked for has been sent. Raises what a source raised that nobody awaited."""
        if self._pump is not None:
            await self._pump
        for handle in self._broken:
            if not handle.is_seen:
                await handle  # raises

    async def flushed(self) -> None:
        """Wait until the store has answered everything asked for so far."""
        await self.settle()
        self.close_batch()
        for batch in list(self._sent):
            await batch.settled

    def wait_flushed(self, timeout: float | None) -> None:
        """The same for a plain handler."""
        self._hurry()
        for batch in list(self._sent):
            batch.wait(timeout)

    def drop(self, reason: str) -> None:
        """The attempt is over: nothing more is read, and handles still waiting are told so."""
        if self._pump is not None:
            self._pump.cancel()
        for batch in list(self._sent):
            batch.answer([], reason)

    def _hurry(self) -> None:
        self.close_batch()
        self._desk.push()

    def _take(self, order: Order, source: Source, handles: SpawnHandles) -> bool:
        """Move a batchful from the source; whether there may be more."""
        children: list[Child] = []
        keys: list[str | None] = []
        size = 0
        for payload, key in islice(source, BATCH):
            body = encode_payload(payload)
            children.append(self._child(order, body, key))
            keys.append(key)
            size += len(body)
            if size >= BATCH_BYTES:
                break
        if children:
            handles.took(*self._place(children, size), keys)
        return len(children) == BATCH or size >= BATCH_BYTES

    def _child(self, order: Order, body: bytes, key: str | None) -> Child:
        if key is not None or self._epoch <= 1:
            return order.child(body, key, 0)
        # A run after the first must find the children the earlier one made: it says the how-manieth this is.
        same = (order.kind, body)
        self._nth[same] = nth = self._nth.get(same, 0) + 1
        return order.child(body, None, nth)

    def _place(self, children: list[Child], size: int) -> tuple[Batch, int]:
        """Put children into the open batch; where the first of them went."""
        with self._desk:
            if self._open is not None and self._open.count + len(children) > BATCH:
                self.close_batch()
            batch = self._open
            if batch is None:
                batch = self._open = Batch(self._next_token, self._hurry)
                self._desk.stir()
            index = batch.count
            batch.children.extend(children)
            batch.count += len(children)
            batch.size += size
            self._next_token += len(children)
            self.unanswered += len(children)
            if batch.count >= BATCH or batch.size >= BATCH_BYTES:
                self.close_batch()
            return batch, index

    def _settle_siblings(self, order: Order) -> None:
        for one in order.after if order.is_open else ():
            if isinstance(one, SpawnHandle):
                one.wait()
        order.resolve()

    def _wait_for_room(self) -> None:
        while self.unanswered >= SPAWN_BUFFER:
            room = self._room = Moment()
            self._hurry()
            if self.unanswered >= SPAWN_BUFFER:
                room.wait()

    def _later(self, order: Order, source: Source, handle: SpawnHandle | SpawnHandles) -> None:
        self._queue.append((order, source, handle))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.get_running_loop().create_task(self._run_queue())

    async def _run_queue(self) -> None:
        """Spawn what could not be spawned at once, in order, with room in the buffer and siblings known."""
        while self._queue:
            order, source, handle = self._queue[0]
            try:
                for one in order.after:
                    if isinstance(one, SpawnHandle):
                        await one
                order.resolve()
                await self._read_on(order, source, handle)
            except Exception as error:  # of this source alone: whoever awaits the handle is told
                handle.close(error)
                self._broken.append(handle)
            self._queue.popleft()

    async def _read_on(self, order: Order, source: Source, handle: SpawnHandle | SpawnHandles) -> None:
        if isinstance(handle, SpawnHandle):
            for payload, key in source:
                body = encode_payload(payload)
                handle.place(*self._place([self._child(order, body, key)], len(body)))
            return
        is_more = True
        while is_more:
            while self.unanswered >= SPAWN_BUFFER:
                room = self._room = Moment()
                self.close_batch()
                await room
            is_more = self._take(order, source, handle)
            await asyncio.sleep(0)  # others of this loop have their turn
        handle.close()
