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

import msgspec

from quaero.cli.live import SHOWN_LINES, LiveView, PlainView, Snapshot, View, title
from quaero.cli.output import message
from quaero.cli.waits import waits_for
from quaero.client import AsyncClient, Job
from quaero.client.models import LogPage
from quaero.client.transport import address
from quaero.clock import Clock
from quaero.domain.errors import Conflict, NotFound, QuaeroError, StoreUnavailable
from quaero.domain.eta import Pace
from quaero.domain.printable import one_line

LOOK_SECONDS = 0.2
WAITS_AFTER, ASKED_EVERY = 1_000_000, 1_000_000  # microseconds
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


class Attendance:
    """One tree watched by one person or program. `kinds`: what it needs somebody to know before it begins."""

    def __init__(
        self,
        client: AsyncClient,
        job_id: str,
        kinds: frozenset[str] = frozenset(),
        *,
        clock: Clock,
        interrupts: Interrupts,
        make_view: Callable[[], View],
        ask: Ask | None = None,
        lines: bool = False,
    ) -> None:
        self._client = client
        self._job_id = job_id
        self._kinds = kinds
        self._clock = clock
        self._interrupts = interrupts
        self._make_view = make_view
        self._view = make_view()
        self._ask = ask
        self._lines = lines
        self._pace = Pace()
        self._began_at = clock.now()
        self._waits = ""
        self._asked_at = 0
        self._trouble = ""
        self._cancelling = False

    async def to_the_end(self) -> Job:
        """Show the tree until it is terminal; the root as it ended. Raises LeftError on the second ctrl-C."""
        try:
            while True:
                root = await self._look_if_possible()
                if root is not None and root.is_terminal:
                    return root
                if self._interrupts.pressed.is_set():
                    await self._interrupted(root)
                else:
                    await self._pause()
        finally:
            self._view.close()

    # --- looking

    async def _look_if_possible(self) -> Job | None:
        """Look and show; None while nobody answers. The tree goes on meanwhile, or will."""
        try:
            root = await self._look()
        except StoreUnavailable as trouble:
            self._tell_trouble(str(trouble))
            return None
        self._tell_trouble("")
        return root

    async def _look(self) -> Job:
        """The tree as it stands. Raises NotFound when it was deleted meanwhile."""
        try:
            root = await self._client.job(self._job_id)
        except NotFound:
            raise NotFound(f"job {self._job_id} was deleted") from None
        lines = await self._last_lines() if self._lines else []
        snapshot = Snapshot(self._clock.now(), root, lines, self._pace, await self._why_pending(root))
        self._pace.saw(snapshot.at, snapshot.tally)
        self._view.show(snapshot)
        return root

    async def _last_lines(self) -> list[str]:
        path = address("jobs", self._job_id, "logs", level="info", order="desc", limit=SHOWN_LINES)
        page = msgspec.json.decode(await self._client.ask("GET", path), type=LogPage)
        return [one_line(entry.message, LINE_WIDTH) for entry in reversed(page.logs)]

    async def _why_pending(self, root: Job) -> str:
        """What it waits for, once it has waited for a moment; asked for now and then."""
        now = self._clock.now()
        if root.status != "pending" or now - self._began_at < WAITS_AFTER:
            return ""
        if now - self._asked_at >= ASKED_EVERY:
            self._asked_at = now
            self._waits = waits_for(await self._client.stats(), self._kinds)
        return self._waits

    def _tell_trouble(self, trouble: str) -> None:
        """Say once that nobody answers, and once that somebody does again."""
        if bool(trouble) != bool(self._trouble):
            message(f"{trouble}; asking again" if trouble else "answered again")
        self._trouble = trouble

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._interrupts.pressed.wait()
        except TimeoutError:
            return

    # --- ctrl-C

    async def _interrupted(self, root: Job | None) -> None:
        name = title(root) if root is not None else f"job {self._job_id}"
        if self._cancelling:
            raise LeftError
        if self._ask is not None and not await self._wants_to_cancel(name):
            self._interrupts.pressed.clear()
            return
        self._interrupts.pressed.clear()
        self._cancelling = True
        message(f"cancelling {name}; ctrl-C again leaves at once")
        try:
            await self._client.cancel(self._job_id)
        except Conflict:
            return  # it ended first: the next look shows how
        except QuaeroError as error:
            message(f"it could not be cancelled: {error}")

    async def _wants_to_cancel(self, name: str) -> bool:
        """Ask, with the picture out of the way; ctrl-C instead of an answer leaves."""
        assert self._ask is not None
        self._view.close()
        answer = asyncio.ensure_future(self._ask(f"Cancel {name}? [Y/n] "))
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
