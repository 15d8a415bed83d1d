"""Handles of children that were asked for: the promise of an id, which the store gives when it commits the spawn.

Children travel in batches, and a batch is answered as one; so a handle is a place in a batch and costs next to
nothing until somebody looks at it.
"""

from collections.abc import Callable, Generator, Iterator

from quaero.domain.errors import Conflict
from quaero.domain.facts import Child
from quaero.engine.moment import Moment


class Batch:
    """Children sent together: collected, then sent, then answered. `first` is the token of its first child."""

    __slots__ = ("answered", "children", "count", "error", "first", "hurry", "ids", "settled", "size")

    def __init__(self, first: int, hurry: Callable[[], None]) -> None:
        self.first = first
        self.hurry = hurry  # sends it now
        self.children: list[Child] = []
        self.count = 0
        self.size = 0  # bytes of payload
        self.answered = 0
        self.ids: list[int] = []
        self.error: str | None = None
        self.settled = Moment()

    def answer(self, ids: list[int], error: str | None) -> int:
        """Take the next ids, or the refusal of all that is left; return how many children this settles."""
        if error is not None:
            self.error = error
            settled = self.count - self.answered
        else:
            self.ids.extend(ids)
            settled = len(ids)
        self.answered += settled
        if self.answered >= self.count:
            self.settled.fire()
        return settled

    def wait(self, timeout: float | None) -> None:
        """Block until it is answered. Raises TimeoutError after `timeout` seconds."""
        if not self.settled.done:
            self.hurry()
            self.settled.wait(timeout)

    def id_at(self, index: int) -> str | None:
        """The committed id of one child; None if its parent's cap refused it. Raises Conflict if all were refused."""
        if index < len(self.ids):
            return str(self.ids[index]) if self.ids[index] else None
        raise Conflict(self.error or "this spawn has no answer yet: await it")


class SpawnHandle:
    """One child that was asked for. Await it (or `wait()` in a plain handler) for its id.

    The id is None if `max_children` refused it. Raises Conflict if the spawn was refused, e.g. in a cancelled tree.
    """

    __slots__ = ("_batch", "_error", "_index", "_placed", "is_seen", "key")

    def __init__(self, key: str | None, batch: Batch | None = None, index: int = 0) -> None:
        self.key = key
        self.is_seen = False  # whether anybody was told the error
        self._error: BaseException | None = None
        self._batch = batch
        self._index = index
        self._placed = None if batch is not None else Moment()

    @property
    def done(self) -> bool:
        """Whether the store has answered."""
        return self._batch is not None and self._batch.settled.done

    @property
    def id(self) -> str | None:
        """The id, once the store has answered; raises Conflict before."""
        if self._error is not None:
            self.is_seen = True
            raise self._error
        if self._batch is None:
            raise Conflict("this spawn has no answer yet: await it")
        return self._batch.id_at(self._index)

    def place(self, batch: Batch, index: int) -> None:
        """Say where a child that had to wait has gone."""
        self._batch, self._index = batch, index
        if self._placed is not None:
            self._placed.fire()

    def close(self, error: BaseException) -> None:
        """Say that it could not be asked for after all."""
        self._error = error
        if self._placed is not None:
            self._placed.fire()

    def __await__(self) -> Generator[object, None, str | None]:
        if self._placed is not None:
            yield from self._placed.__await__()
        if self._batch is not None:
            yield from self._batch.settled.__await__()
        return self.id

    def wait(self, timeout: float | None = None) -> str | None:
        """The id, for plain handlers. Raises TimeoutError after `timeout` seconds."""
        if self._placed is not None:
            self._placed.wait(timeout)
        if self._batch is not None:
            self._batch.wait(timeout)
        return self.id


class SpawnHandles:
    """The children of one `spawn_many`, in order: a sequence of handles that can be awaited as a whole for all ids.

    In an async handler a source longer than the spawn buffer is read on while the event loop runs; `len()` and
    indices count what has been read, all of it once awaited.
    """

    __slots__ = ("_complete", "_error", "_keys", "_parts", "is_seen")

    def __init__(self) -> None:
        self.is_seen = False  # whether anybody was told the error
        self._parts: list[tuple[Batch, int, int]] = []  # batch, index of the first, how many
        self._keys: dict[int, str] = {}
        self._complete = Moment()
        self._error: BaseException | None = None

    def took(self, batch: Batch, index: int, keys: list[str | None]) -> None:
        """Note children that went into a batch."""
        start = len(self)
        self._parts.append((batch, index, len(keys)))
        self._keys.update({start + n: key for n, key in enumerate(keys) if key is not None})

    def close(self, error: BaseException | None = None) -> None:
        """Say that its source is read to the end, or broke."""
        self._error = error
        self._complete.fire()

    def __len__(self) -> int:
        return sum(count for _, _, count in self._parts)

    def __getitem__(self, index: int) -> SpawnHandle:
        position = index if index >= 0 else len(self) + index
        rest = position
        for batch, first, count in self._parts:
            if 0 <= rest < count:
                return SpawnHandle(self._keys.get(position), batch, first + rest)
            rest -= count
        raise IndexError(f"there is no child {index} among {len(self)}")

    def __iter__(self) -> Iterator[SpawnHandle]:
        position = 0
        for batch, first, count in self._parts:
            for n in range(count):
                yield SpawnHandle(self._keys.get(position + n), batch, first + n)
            position += count

    def __await__(self) -> Generator[object, None, list[str | None]]:
        yield from self._complete.__await__()
        for batch, _, _ in self._parts:
            yield from batch.settled.__await__()
        return self._ids()

    def wait(self, timeout: float | None = None) -> list[str | None]:
        """All ids in order, for plain handlers. Raises TimeoutError when one answer takes over `timeout` seconds."""
        self._complete.wait(timeout)
        for batch, _, _ in self._parts:
            batch.wait(timeout)
        return self._ids()

    def _ids(self) -> list[str | None]:
        if self._error is not None:
            self.is_seen = True
            raise self._error
        return [batch.id_at(first + n) for batch, first, count in self._parts for n in range(count)]
