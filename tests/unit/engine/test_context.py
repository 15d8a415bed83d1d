"""A job's context by itself: what costs nothing until it is used, and what its small parts promise."""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from quaero.domain import facts
from quaero.domain.errors import InvalidInput
from quaero.engine.cancellation import Cancelled
from quaero.engine.context import JobContext
from quaero.engine.executor.outbox import Outbox
from quaero.engine.executor.runtime import Runtime
from quaero.engine.limits import Limit
from quaero.engine.moment import Moment
from quaero.engine.orders import Order, encode_payload, paired
from quaero.engine.outcomes import Fatal, Retry
from quaero.engine.protocol import FromExecutor, Setup, Task


class Sent:
    """A channel whose worker takes everything."""

    def __init__(self) -> None:
        self.messages: list[FromExecutor] = []

    def send(self, message: FromExecutor) -> None:
        self.messages.append(message)


@pytest.fixture
def job() -> JobContext:
    task = Task(7, 1, "kind", b'{"a":1}', 3, None, "crawl", 5, 2, 1, 3, 0)
    return JobContext(task, Runtime(Setup(None), Outbox(Sent())))  # type: ignore[arg-type]


def test_a_context_that_is_not_used_makes_nothing(job: JobContext) -> None:
    assert (job.id, job.root_id, job.parent_id, job.step, job.attempt, job.round) == ("7", "3", None, "crawl", 2, 1)
    assert job._extras is None
    assert not hasattr(job, "__dict__")


def test_the_payload_is_read_once(job: JobContext) -> None:
    assert job.payload == {"a": 1}
    assert job.payload is job.payload


def test_the_flag_is_false_until_the_job_is_asked_to_stop(job: JobContext) -> None:
    assert not job.cancelled
    assert job.cancelled is job.cancelled
    job.cancelled.ask()
    assert job.cancelled
    assert job.cancelled.wait(0)


def test_a_plain_handler_may_wait_for_the_flag_for_a_while() -> None:
    assert Cancelled().wait(0.001) is False


@pytest.mark.anyio
async def test_a_moment_wakes_every_coroutine_from_any_thread() -> None:
    moment = Moment()

    async def wait() -> str:
        await moment
        return "awake"

    waiting = [asyncio.ensure_future(wait()) for _ in range(3)]
    await asyncio.sleep(0)
    threading.Thread(target=moment.fire).start()

    assert await asyncio.wait_for(asyncio.gather(*waiting), 20) == ["awake"] * 3
    await moment


@pytest.mark.anyio
async def test_a_moment_never_blocks_an_event_loop() -> None:
    with pytest.raises(RuntimeError, match="await it instead"):
        Moment().wait()


def test_waiting_for_a_moment_in_plain_code_ends_with_it_or_with_the_timeout() -> None:
    moment = Moment()
    with pytest.raises(TimeoutError):
        moment.wait(0.001)
    threading.Thread(target=moment.fire).start()
    moment.wait(20)
    called: list[int] = []
    moment.then(lambda: called.append(1))
    assert called == [1]


@pytest.mark.parametrize(
    ("apart", "micros"), [("250ms", 250_000), (0.5, 500_000), (2, 2_000_000), (timedelta(seconds=1), 1_000_000)]
)
def test_a_limit_takes_its_distance_in_any_spelling(apart: Any, micros: int) -> None:
    assert Limit("host", at_once=2, apart=apart).fact() == facts.Limit("host", 2, micros)


@pytest.mark.parametrize("bad", [{"key": ""}, {"key": "k", "at_once": 0}, {"key": "k", "apart": -1}])
def test_a_limit_that_makes_no_sense_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"cannot be|needs a key"):
        Limit(**bad)


def test_retry_and_fatal_carry_their_wish() -> None:
    assert (Retry("x", after="1m").retry_after, Retry().retry_after, str(Retry())) == (
        60.0,
        None,
        "the handler asked for another attempt",
    )
    assert Fatal("x").final


def test_keys_go_with_payloads_one_by_one() -> None:
    payloads = [{"n": 1}, {"n": 2}]

    assert [key for _, key in paired(payloads, None)] == [None, None]
    assert [key for _, key in paired(payloads, ["a", None])] == ["a", None]
    assert [key for _, key in paired(payloads, lambda payload: str(payload["n"]))] == ["1", "2"]
    for keys in (["a"], ["a", "b", "c"], ["a", ""]):
        with pytest.raises(InvalidInput):
            list(paired(payloads, keys))


def test_an_order_with_ids_is_ready_at_once() -> None:
    order = Order.of("kind", 1, "2s", ["5", 6], "step", "key", 9)

    assert not order.is_open
    assert order.child(b"{}", "k", 0) == facts.Child(
        "kind", b"{}", "k", 1, 2_000_000, (5, 6), True, facts.Limit("key"), cap=9
    )


def test_a_payload_is_any_mapping_with_a_json_form() -> None:
    assert encode_payload({"when": timedelta(seconds=1)}) == b'{"when":"PT1S"}'
    with pytest.raises(InvalidInput, match="not str"):
        encode_payload("text")
