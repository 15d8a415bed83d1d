"""The executors of one worker: how many there are, what each is for, and who gets the next tasks.

An executor runs async handlers together or one plain function, never both at once. At least one is kept for each sort
that has work: if all are busy with the other sort, one more is started, and leaves when it has been idle for a while.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Container, Sequence

from quaero.clock import Clock
from quaero.domain.facts import Ended, Fact, How
from quaero.engine.protocol import FromExecutor, KindInfo, Setup, Sort, Stop, Task
from quaero.engine.worker.link import Link
from quaero.engine.worker.wardship import Wardship
from quaero.storage.port import Want

log = logging.getLogger("quaero.worker")
FRAME_TASKS = 500
RESTART_SECONDS = 0.5
IDLE_SECONDS = 2.0
CLOSE_SECONDS, CLOSE_LOOK_SECONDS = 5.0, 0.005


class Pool:
    """Starts, replaces and feeds executors."""

    def __init__(
        self,
        size: int,
        setup: Setup,
        clock: Clock,
        on_message: Callable[[Link, FromExecutor], None],
        on_facts: Callable[[list[Fact]], None],
    ) -> None:
        self.size = size
        self.links: list[Link] = []
        self.sorts: dict[str, Sort] = {}
        self.closing = False
        self.warden = Wardship()
        self.stirred = asyncio.Event()  # something was reserved
        self._setup = setup
        self._clock = clock
        self._on_message = on_message
        self._on_facts = on_facts
        self._backlog: dict[Sort, deque[Task]] = {sort: deque() for sort in Sort}
        self._alone: deque[Task] = deque()
        self._starting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._there: set[Link] = set()  # every process that is not gone, those told to leave among them

    # --- processes

    def fill(self) -> None:
        """Start what is missing."""
        for _ in range(self.size - len(self._shared()) - self._starting):
            self._start()

    def _shared(self) -> list[Link]:
        """The executors that are not for one job alone: of these there are as many as was asked for."""
        return [link for link in self.links if not link.exclusive]

    def _start(self, delay: float = 0.0) -> None:
        self._starting += 1
        task = asyncio.create_task(self._bring_up(delay))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bring_up(self, delay: float) -> None:
        await self._clock.sleep(delay)
        self._starting -= 1
        if self.closing:
            return
        link = Link(self._setup, self._on_message, self._gone, self._clock)
        self.links.append(link)  # at once: it may be gone before `start` returns
        self._there.add(link)
        try:
            await link.start()
        except OSError as error:  # no memory, no process, no descriptor to be had
            log.warning("an executor could not be started, trying again: %s", error)
            self.links.remove(link)
            self._there.discard(link)
            self._start(RESTART_SECONDS)
            return
        if link in self.links:
            self.warden.watch(link.pid)

    def _gone(self, link: Link, last_words: list[Fact]) -> None:
        self.warden.forget(link.pid)
        self._there.discard(link)
        if link in self.links:
            self.links.remove(link)
            if not self.closing:
                log.warning("executor %d %s; it held %d jobs", link.pid, link.fate, len(last_words))
        self._on_facts(last_words)
        if not self.closing and len(self._shared()) + self._starting < self.size:
            self._start(0.0 if last_words or link.was_ready else RESTART_SECONDS)

    def announce(self, kinds: list[KindInfo]) -> None:
        """Learn what can be run, and how."""
        self.sorts = {info.kind: Sort(info.sort) for info in kinds if info.has_function}

    # --- appetite

    def wants(self, root_id: int | None, most: int) -> list[Want]:
        """How much of each sort could start soon: free slots, and what was finished in the last 50 ms."""
        if self.closing or not self.links:
            return []
        found = []
        for sort in Sort:
            kinds = tuple(kind for kind, its_sort in self.sorts.items() if its_sort == sort)
            n = self._room(sort) - len(self._backlog[sort])
            if kinds and n <= 0 and not self._backlog[sort] and not self._serving(sort):
                n = 1  # one in hand shows that this sort needs an executor
            if kinds and n > 0:
                found.append(Want(kinds, min(n, most), root_id))
        return found

    def _serving(self, sort: Sort) -> bool:
        return any(link.sort == sort for link in self._shared())

    def _room(self, sort: Sort) -> int:
        return sum(self._free(link, sort) for link in self.links)

    def _free(self, link: Link, sort: Sort) -> int:
        if not link.ready or link.exclusive or link.sort not in (None, sort):
            return 0
        if link.sort is None and sum(other.sort == sort for other in self._shared()) >= self.size:
            return 0  # the one beyond the usual number is there for the other sort
        slots = self._setup.concurrency if sort == Sort.ASYNC else 1
        return max(0, slots + link.recently_finished() - len(link.held))

    # --- feeding

    @property
    def is_busy(self) -> bool:
        """Whether anything is reserved here and has not ended."""
        return any(link.held for link in self.links) or any(self._backlog.values()) or bool(self._alone)

    def give(self, tasks: list[Task]) -> None:
        """Take reserved tasks and hand them out."""
        if tasks:
            self.stirred.set()
        for task in tasks:
            self._backlog[self.sorts.get(task.kind, Sort.ASYNC)].append(task)
        self.feed()

    def feed(self) -> None:
        """Hand out what waits here, as far as there is room."""
        for sort, backlog in self._backlog.items():
            while backlog:
                link = max(self.links, key=lambda link: self._free(link, sort), default=None)
                free = self._free(link, sort) if link is not None else 0
                if link is None or free <= 0:
                    self._make_room(sort)
                    break
                share = max(1, min(free, -(-len(backlog) // max(1, self._open(sort))), FRAME_TASKS))
                link.run(sort, [backlog.popleft() for _ in range(min(share, len(backlog)))])

    def _open(self, sort: Sort) -> int:
        return sum(self._free(link, sort) > 0 for link in self.links)

    def for_events(self) -> Link | None:
        """An executor that answers soon. If all run plain functions one more is started, and there is none for now."""
        found = next((link for link in self.links if link.ready and link.sort != Sort.PLAIN), None)
        if found is None:
            self._make_room(Sort.ASYNC)
        return found

    # --- one to each

    def set_apart(self, tasks: Sequence[Task]) -> None:
        """Take tasks that must each have an executor to themselves."""
        self._alone.extend(tasks)
        if tasks:
            self.stirred.set()

    def choose_alone(self) -> list[tuple[Link, Task]]:
        """Those of them that could run now, each with an executor that is kept free for it."""
        chosen: list[tuple[Link, Task]] = []
        while self._alone and not self.closing and len(self.links) - len(self._shared()) < self.size:
            link = next((link for link in self._shared() if link.ready and not link.held), None)
            if link is None:
                if not self._starting:
                    self._start()
                break
            link.exclusive = True
            chosen.append((link, self._alone.popleft()))
            self.fill()
        return chosen

    def not_yet(self, chosen: list[tuple[Link, Task]]) -> None:
        """Their start could not be recorded: they wait on, in their order."""
        for link, task in reversed(chosen):
            link.exclusive = False
            self._alone.appendleft(task)

    def run_alone(self, chosen: list[tuple[Link, Task]], stop: Container[int]) -> None:
        """Run them, their start is recorded; but not those that are to stop, or whose executor was lost meanwhile."""
        for link, task in chosen:
            if task.job_id in stop or link not in self.links:
                link.exclusive = False
                self._on_facts([Ended(task.job_id, task.epoch, self._clock.now(), 0, How.UNTOUCHED)])
                continue
            link.run(self.sorts.get(task.kind, Sort.ASYNC), [task])
            link.has_to_itself(task)

    def _make_room(self, sort: Sort) -> None:
        """Nobody runs this sort and nobody is free: one more executor."""
        if not self._serving(sort) and not self._starting and len(self._shared()) <= self.size and not self.closing:
            self._start()

    def waiting(self) -> list[Task]:
        """Tasks reserved and not handed out."""
        return [task for backlog in self._backlog.values() for task in backlog] + list(self._alone)

    def forget(self, job_ids: set[int]) -> None:
        """Drop waiting tasks this worker no longer holds."""
        for backlog in (*self._backlog.values(), self._alone):
            kept = [task for task in backlog if task.job_id not in job_ids]
            backlog.clear()
            backlog.extend(kept)

    def pause(self) -> None:
        """Hear nothing more from executors for now: full pipes make them wait."""
        for link in self.links:
            link.pause()

    def resume(self) -> None:
        """Hear them again."""
        for link in self.links:
            link.resume()

    # --- stopping

    def held(self) -> list[tuple[int, int]]:
        """(id, epoch) of everything reserved by this worker and not ended."""
        pairs = [(task.job_id, task.epoch) for task in self.waiting()]
        pairs += [(held.task.job_id, held.task.epoch) for link in self.links for held in link.held.values()]
        return pairs

    def stop_jobs(self, job_ids: list[int], grace: float) -> None:
        """Ask jobs to end, kill them after `grace` seconds."""
        for link in self.links:
            mine = [job_id for job_id in job_ids if job_id in link.held]
            if mine:
                link.stop(mine, "cancel", grace, How.CANCELLED)

    def kill_overdue(self) -> None:
        """Kill the executors of jobs that are past their timeout or their grace."""
        now = time.monotonic()
        for link in list(self.links):
            for held in link.overdue(now):
                if held.verdict is None:
                    held.verdict = How.TIMED_OUT
            if late := link.overdue(now):
                log.warning("executor %d is ended: job %d is past its time", link.pid, late[0].task.job_id)
                link.kill()
            elif link.is_stuck(now):
                log.warning("executor %d has begun nothing of what it was given: ending it", link.pid)
                link.end()

    def drain(self) -> list[Task]:
        """Take no more work; un-begun tasks come back. Returns those that never left here."""
        self.closing = True
        waiting = self.waiting()
        for backlog in (*self._backlog.values(), self._alone):
            backlog.clear()
        for link in self.links:
            link.send(Stop())
        return waiting

    def retire_extra(self) -> None:
        """Let executors beyond the configured number go when they have been idle for a while."""
        now = time.monotonic()
        idle = [link for link in self._shared() if not link.held and link.ready and link.quiet_for(now) > IDLE_SECONDS]
        for link in idle[: max(0, len(self._shared()) - self.size)]:
            self.links.remove(link)
            link.send(Stop())

    def kill(self) -> None:
        """End every executor now."""
        self.closing = True
        for link in list(self.links):
            link.kill()

    async def close(self) -> None:
        """End every executor and all they started, those that are just being started too."""
        self.kill()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        until = time.monotonic() + CLOSE_SECONDS
        while self._there and time.monotonic() < until:
            for link in self._there:
                link.kill()
            await asyncio.sleep(CLOSE_LOOK_SECONDS)
        self.warden.close()
