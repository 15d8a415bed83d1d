"""Watching one tree to its end: look, show, and let ctrl-C cancel it.

The first ctrl-C asks (where there is somebody to ask) and then cancels the tree, staying until that is done; the second
leaves at once. What is shown comes from reads of state a few times a second, so a busy tree costs no more than a quiet
one.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from quaero.cli.live import SHOWN_LINES, LiveView, PlainView, Snapshot, View, title
from quaero.cli.output import message
from quaero.clock import Clock
from quaero.domain.entries import Level
from quaero.domain.errors import Conflict, NotFound
from quaero.domain.eta import Pace
from quaero.domain.job import Job
from quaero.domain.printable import one_line
from quaero.engine.lifecycle.cancel import cancel
from quaero.storage.port import EntryFilter, Store

LOOK_SECONDS = 0.2
LINE_WIDTH = 400

Ask = Callable[[str], Awaitable[bool]]


class LeftError(Exception):
    """Ctrl-C twice: whoever watched has gone, the tree has not."""


class Interrupts:
    """Counts ctrl-C. `pressed` is set by each; whoever acts on it clears it."""

    def __init__(self) -> None:
        self.count = 0
        self.pressed = asyncio.Event()

    def press(self) -> None:
        """One ctrl-C."""
        self.count += 1
        self.pressed.set()

    async def again(self) -> None:
        """Wait for the next one."""
        self.pressed.clear()
        await self.pressed.wait()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take ctrl-C from the program while this lasts."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self.press)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)


async def look(store: Store, root_id: int, pace: Pace, now: int, *, lines: bool) -> Snapshot:
    """The tree as it stands. Raises NotFound when it was deleted meanwhile."""
    root = await store.job(root_id)
    if root is None:
        raise NotFound(f"job {root_id} was deleted")
    steps = await store.steps(root_id) if root.definition is not None else []
    snapshot = Snapshot(now, root, steps, await _last_lines(store, root_id) if lines else [], pace)
    pace.saw(now, snapshot.tally)
    return snapshot


async def _last_lines(store: Store, root_id: int) -> list[str]:
    page = await store.entries(root_id, EntryFilter(level=Level.INFO), limit=SHOWN_LINES, descending=True)
    return [one_line(entry.message, LINE_WIDTH) for entry in reversed(page.entries)]


class Attendance:
    """One tree watched by one person or program."""

    def __init__(
        self,
        store: Store,
        root_id: int,
        *,
        clock: Clock,
        interrupts: Interrupts,
        make_view: Callable[[], View],
        ask: Ask | None = None,
        lines: bool = False,
    ) -> None:
        self._store = store
        self._root_id = root_id
        self._clock = clock
        self._interrupts = interrupts
        self._make_view = make_view
        self._view = make_view()
        self._ask = ask
        self._lines = lines
        self._pace = Pace()
        self._cancelling = False

    async def to_the_end(self) -> Job:
        """Show the tree until it is terminal; the root as it ended. Raises LeftError on the second ctrl-C."""
        try:
            while True:
                now = self._clock.now()
                snapshot = await look(self._store, self._root_id, self._pace, now, lines=self._lines)
                self._view.show(snapshot)
                if snapshot.root.is_terminal:
                    return snapshot.root
                if self._interrupts.pressed.is_set():
                    await self._interrupted(snapshot.root)
                else:
                    await self._pause()
        finally:
            self._view.close()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._interrupts.pressed.wait()
        except TimeoutError:
            return

    async def _interrupted(self, root: Job) -> None:
        if self._cancelling:
            raise LeftError
        if self._ask is not None and not await self._wants_to_cancel(root):
            self._interrupts.pressed.clear()
            return
        self._interrupts.pressed.clear()
        self._cancelling = True
        message(f"cancelling {title(root)}; ctrl-C again leaves at once")
        try:
            await self._store.write(cancel, root.id)
        except Conflict:
            return  # it ended first: the next look shows how

    async def _wants_to_cancel(self, root: Job) -> bool:
        """Ask, with the picture out of the way; ctrl-C instead of an answer leaves."""
        assert self._ask is not None
        self._view.close()
        answer = asyncio.ensure_future(self._ask(f"Cancel {title(root)}? [Y/n] "))
        again = asyncio.ensure_future(self._interrupts.again())
        try:
            await asyncio.wait({answer, again}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise LeftError
            return answer.result()
        finally:
            answer.cancel()
            again.cancel()
            self._view = self._make_view()


async def ask_terminal(question: str) -> bool:
    """Yes unless the answer begins with n. Reads one line of the terminal without holding up the loop."""
    sys.stderr.write(question)
    sys.stderr.flush()
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not answer.done():
            answer.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin.fileno(), read)
    try:
        return not (await answer).strip().lower().startswith("n")
    finally:
        loop.remove_reader(sys.stdin.fileno())


def view_for_stderr() -> tuple[Callable[[], View], Ask | None]:
    """How to show, and whom to ask: bars and a question on a terminal, lines and nobody elsewhere."""
    if not sys.stderr.isatty():
        plain = PlainView()
        return lambda: plain, None
    return LiveView, ask_terminal if sys.stdin.isatty() else None
