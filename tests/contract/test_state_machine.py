"""Random histories over a real file: after every step the doctor finds nothing and a naive reference agrees.

`QUAERO_DEEP=n` runs n times as many histories.
"""

import asyncio
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests import postgres

from quaero.domain.errors import Conflict
from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus as S
from quaero.domain.tally import Tally
from quaero.engine.lifecycle import sweep, workers
from quaero.storage.doctor import examine
from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.sqlite import connect
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock, Hand
from quaero.testing.factories import a_child, a_definition, a_root, a_step, began, ended, lines, spawned
from quaero.testing.reference import Forest, Node

DEEP = int(os.environ.get("QUAERO_DEEP", "1"))
LONG = 40_000_000  # microseconds: longer than any lease and any back-off of these few attempts
MOST = 40  # jobs of plain trees
TOGETHER = {None, "skipped", "parent failed"}
PICK = st.integers(min_value=0, max_value=10_000)
HOWS = st.sampled_from([How.COMPLETED] * 6 + [How.FAILED] * 4 + list(How))


class Histories(RuleBasedStateMachine):
    """Two workers, a few trees, and everything that can happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="quaero-history-"))
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.url = self.make()
        self.bench = self.runner.run(self._open())
        self.eye: Any = self.look()
        self.hands = [self.bench.hand, self.run(Hand.start, self.bench.store, ["work"])]
        self.forest = Forest()
        self.held: dict[int, tuple[Job, Hand]] = {}
        self.rounds: dict[int, tuple[int, int]] = {}
        self.definitions: list[int] = []
        self.said = 0

    def make(self) -> str:
        """The URL of a new store."""
        return f"sqlite:///{self.folder}/quaero.db"

    def look(self) -> Any:
        """Another connection to it."""
        return connect(self.folder / "quaero.db", readonly=True)

    def unmake(self) -> None:
        """Nothing is left of it: its folder goes."""

    async def _open(self) -> Bench:
        store = SqlStore.open(self.url, clock=self.clock, rng=random.Random(1))
        return await Bench.set_up(store, self.clock, ["work"])

    def run(self, call: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **options: Any) -> Any:
        return self.runner.run(call(*args, **options))

    def teardown(self) -> None:
        try:
            self.drain()
        finally:
            self.eye.handle.close()
            self.run(self.bench.store.close)
            self.runner.close()
            self.unmake()
            shutil.rmtree(self.folder)

    # --- what can happen

    @initialize(attempts=st.integers(1, 2))
    def begin_with_a_family(self, attempts: int) -> None:
        self.enqueue(attempts)
        self.reserve(1000, 0)
        self.spawn(0, 3, None, 0, attempts)

    @precondition(lambda self: len(self.forest.nodes) < MOST)
    @rule(attempts=st.integers(1, 2))
    def enqueue(self, attempts: int) -> None:
        job_id = self.run(self.bench.root, a_root(max_attempts=attempts))
        self.forest.add(job_id, attempts=attempts)

    @precondition(lambda self: len(self.definitions) < 2)
    @rule(
        on_error=st.sampled_from(["fail", "continue", "retry"]),
        tolerate=st.sampled_from([None, 0, 1]),
        action=st.sampled_from(["continue", "stop_all", "mark_warning"]),
    )
    def run_definition(self, on_error: str, tolerate: int | None, action: str) -> None:
        steps = (
            a_step("a", on_error=on_error, limit=2),
            a_step("b", depends="a"),
            a_step("c"),
            a_step("d", depends="b,c"),
        )
        definition = a_definition(*steps, tolerate=tolerate, action=action, timeout=3 * LONG)
        self.definitions.append(self.run(self.bench.definition, definition)[0])

    @rule(n=st.sampled_from([1, 2, 5, 1000]), who=st.integers(0, 1))
    def reserve(self, n: int, who: int) -> None:
        expected = {node.id for node in self.forest.ready(self.clock.now())}
        taken = self.run(self.hands[who].take, n)
        plain = {job.id for job in taken if job.id in self.forest.nodes}
        assert plain <= expected
        if n == 1000:
            assert plain == expected
        for job in taken:
            self.held[job.id] = (job, self.hands[who])
            if job.id in self.forest.nodes:
                self.forest.nodes[job.id].owner = self.hands[who].worker_id

    @precondition(lambda self: self.held)
    @rule(pick=PICK)
    def begin(self, pick: int) -> None:
        job, hand = self.one_held(pick)
        self.tell(hand, began(job), lines(job, "begun"))
        self.after(job.id, lambda node: self.forest.begin(node))

    @precondition(lambda self: self.held)
    @rule(pick=PICK)
    def say(self, pick: int) -> None:
        job, hand = self.one_held(pick)
        self.tell(hand, lines(job, f"line {self.said}"))
        self.after(job.id, lambda node: self.forest.begin(node))
        self.said += 1

    @precondition(lambda self: self.held and len(self.forest.nodes) < MOST)
    @rule(
        pick=PICK,
        n=st.integers(1, 3),
        sibling=st.none() | PICK,
        delay=st.sampled_from([0, 0, 0, 5_000_000]),
        attempts=st.integers(1, 2),
    )
    def spawn(self, pick: int, n: int, sibling: int | None, delay: int, attempts: int) -> None:
        job, hand = self.one_held(pick)
        node = self.forest.nodes.get(job.id)
        siblings = node.children if node is not None and sibling is not None else []
        after = [siblings[sibling % len(siblings)]] if siblings and sibling is not None else []
        known = len(self.forest.nodes)
        children = [
            a_child(payload={"n": known + i}, max_attempts=attempts, delay=delay, after=tuple(one.id for one in after))
            for i in range(n)
        ]
        [answer] = self.tell(hand, spawned(job, children)).answers
        if node is None:
            return
        assert (answer.error is not None) == node.under_cancel
        if not node.under_cancel:
            self.forest.begin(node)
            for child_id in answer.ids:
                self.forest.add(child_id, node, after, self.clock.now() + delay if delay else 0, attempts)

    @precondition(lambda self: self.held)
    @rule(pick=PICK, how=HOWS)
    def end(self, pick: int, how: How) -> None:
        job, hand = self.one_held(pick)
        del self.held[job.id]
        self.tell(hand, lines(job, "ending"), ended(job, how)) if how < How.UNTOUCHED else self.tell(
            hand, ended(job, how)
        )
        self.after(job.id, lambda node: self.forest.end(node, how))

    @precondition(lambda self: self.held)
    @rule(pick=PICK)
    def tell_of_a_stale_epoch(self, pick: int) -> None:
        job, hand = self.one_held(pick)
        stale = Job(job.id, job.root_id, job.kind, epoch=job.epoch - 1)
        told = self.run(hand.tell, lines(stale, "STALE"), spawned(stale, [a_child()]), ended(stale))
        assert len(told.stale) == 3

    @rule(n=st.sampled_from([1000, 3]), hows=st.lists(HOWS, min_size=1, max_size=5))
    def play_a_round(self, n: int, hows: list[How]) -> None:
        self.reserve(n, 0)
        for position, job_id in enumerate(sorted(self.held)):
            if job_id in self.held:
                self.end(sorted(self.held).index(job_id), hows[position % len(hows)])
                self.forget_what_was_recalled()

    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        job_id = self.one_job(pick, "status < 3") or self.one_job(pick)
        if job_id is None:
            return
        node = self.forest.nodes.get(job_id)
        try:
            self.run(self.bench.cancel, job_id)
            refused = False
        except Conflict:
            refused = True
        if node is not None:
            assert refused == (node.status in (S.COMPLETED, S.FAILED))
            if node.open and not node.under_cancel:
                self.forest.cancel(node)

    @rule(pick=PICK, failed_children=st.booleans())
    def retry(self, pick: int, failed_children: bool) -> None:
        job_id = self.one_job(pick, "status in (4, 5)") or self.one_job(pick)
        if job_id is None:
            return
        node = self.forest.nodes.get(job_id)
        try:
            self.run(self.bench.retry, job_id, failed_children=failed_children)
            refused = False
        except Conflict:
            refused = True
        if node is not None:
            chosen = self.to_retry(node, failed_children)
            assert refused == (not chosen)
            self.forest.retry(chosen)

    @rule(pick=PICK)
    def retry_below_a_parent_that_failed_by_itself(self, pick: int) -> None:
        """Its failed children run again; it does not, and fails once more when they have ended."""
        failed = [node for node in self.forest.nodes.values() if node.own_failed and node.children and not node.open]
        if failed:
            node = failed[pick % len(failed)]
            chosen = self.to_retry(node, failed_children=True)
            assert node not in chosen
            if chosen:
                self.run(self.bench.retry, node.id, failed_children=True)
                self.forest.retry(chosen)

    @rule(seconds=st.sampled_from([0.1, 1, 3, 15]))
    def wait(self, seconds: float) -> None:
        self.clock.move(seconds)
        for hand in self.hands:
            self.run(hand.renew)
        self.run(self.bench.store.write, sweep.expire_trees)

    @rule(who=st.integers(0, 1))
    def crash_a_worker(self, who: int) -> None:
        lost = self.hands[who]
        self.clock.move(21)
        self.run(self.hands[1 - who].renew)
        swept = self.run(self.bench.store.write, workers.sweep_workers)
        assert [worker.id for worker, _ in swept] == [lost.worker_id]
        mine = sorted(job_id for job_id, (_, hand) in self.held.items() if hand is lost)
        for job_id in mine:
            del self.held[job_id]
            self.after(job_id, lambda node: self.forest.lose(node) if node.open else None)
        self.hands[who] = self.run(Hand.start, self.bench.store, ["work"])

    @rule()
    def close_what_was_forgotten(self) -> None:
        assert self.run(self.bench.store.write, sweep.close_forgotten) == []

    # --- what must hold

    @invariant()
    def the_doctor_finds_nothing(self) -> None:
        self.forget_what_was_recalled()
        assert examine(self.eye, self.clock.now()) == []

    @invariant()
    def the_reference_agrees(self) -> None:
        jobs = {job.id: job for job in self.run(self.bench.store.jobs_by_id, list(self.forest.nodes))}
        for job_id, node in self.forest.nodes.items():
            job = jobs[job_id]
            if node.after and node.status == S.CANCELLED and {node.reason, job.reason} <= TOGETHER:
                node.reason = job.reason  # cancelled together with what it waited for: which came first is open
            told = (S(job.status), job.round, job.attempt, job.sealed, job.own_failed, job.reason)
            wanted = (node.status, node.round, node.attempt, int(node.sealed), int(node.own_failed), node.reason)
            assert told == wanted, f"job {job_id}"
            counted = [0] * 6
            for child in node.children:
                counted[child.status] += 1
            assert job.tally == Tally(*counted)
            if node.run_at == -1:
                node.run_at = job.run_at

    @invariant()
    def rounds_and_epochs_never_go_back(self) -> None:
        for job_id, epoch, round_ in self.eye.rows("select id, epoch, round from job where id > 0"):
            before = self.rounds.get(job_id, (0, 0))
            assert (epoch, round_) >= before or (epoch >= before[0] and round_ >= before[1])
            self.rounds[job_id] = (epoch, round_)

    def drain(self) -> None:
        """Whatever happened, everything can be brought to an end."""
        for job, hand in list(self.held.values()):
            self.run(hand.tell, ended(job))
        for hand in self.hands:
            self.run(hand.renew)
        self.bench.hand = self.hands[0]
        self.run(self.bench.finish)
        open_ones = self.eye.rows("select id, status from job where status < 3 and id > 0")
        assert open_ones == []
        assert examine(self.eye, self.clock.now()) == []
        kept = 0
        for (root_id,) in self.eye.rows("select id from job where parent_id is null and id > 0"):
            kept += len(self.run(self.bench.entries, root_id, q="line "))
            assert self.run(self.bench.entries, root_id, q="STALE") == []
        assert kept == self.said
        assert self.eye.rows("select id from job where cancelling is not null") == []

    # --- helpers

    def tell(self, hand: Hand, *facts: Any) -> Any:
        return self.run(hand.tell, *facts)

    def after(self, job_id: int, change: Callable[[Node], None]) -> None:
        node = self.forest.nodes.get(job_id)
        if node is not None:
            change(node)

    def one_held(self, pick: int) -> tuple[Job, Hand]:
        return self.held[sorted(self.held)[pick % len(self.held)]]

    def one_job(self, pick: int, where: str = "true") -> int | None:
        ids = [row[0] for row in self.eye.rows(f"select id from job where id > 0 and {where} order by id")]
        return ids[pick % len(ids)] if ids else None

    def to_retry(self, node: Node, failed_children: bool) -> list[Node]:
        if not failed_children:
            chosen = [node] if node.status in (S.FAILED, S.CANCELLED) else []
        else:
            chosen = list(node.children)
            for one in chosen:
                chosen += one.children
            chosen = [one for one in chosen if one.status == S.FAILED and (one.own_failed or not one.children)]
        return [one for one in chosen if not self.stopping(one) and not one.is_dropped]

    def stopping(self, node: Node) -> bool:
        """Whether a cancellation above or at it is still under way."""
        row: Node | None = node
        while row is not None:
            if row.listed and row.open:
                return True
            row = row.parent
        return False

    def forget_what_was_recalled(self) -> None:
        """Reservations that a cancellation took away."""
        self.run(self.bench.settle)
        mine = {row[0] for row in self.eye.rows("select id from job where owner is not null")}
        for job_id in set(self.held) - mine:
            del self.held[job_id]
        for node in self.forest.nodes.values():
            if node.id not in self.held:
                node.owner = None


TestHistories = pytest.mark.timeout(600 * DEEP)(Histories.TestCase)
TestHistories.settings = settings(
    max_examples=120 * DEEP,
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
    derandomize=DEEP == 1,
    suppress_health_check=list(HealthCheck),
)


class HistoriesOnPostgres(Histories):
    """The same on PostgreSQL."""

    def make(self) -> str:
        self.name = postgres.create()
        return postgres.database(self.name)

    def look(self) -> Any:
        return PostgresConnection(self.url)

    def unmake(self) -> None:
        postgres.drop(self.name)


TestHistoriesOnPostgres = HistoriesOnPostgres.TestCase
TestHistoriesOnPostgres.settings = settings(TestHistories.settings, max_examples=12 * DEEP, stateful_step_count=30)
