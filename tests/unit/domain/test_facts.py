"""Facts: what an executor tells, the same after the pipe."""

import msgspec
import pytest

from quaero.domain.facts import Began, Child, Document, Ended, ErrorInfo, Fact, How, Limit, Lines, Progressed, Spawned

EXAMPLES: list[Fact] = [
    Began(7, 2, 100),
    Lines(7, 2, 1, 2, 100, 101, b"\x91\x93\x64\x01\xa1x"),
    Spawned(
        7, 2, 5, [Child("work", b"{}"), Child("work", b"[]", key="k", after=(1, 2), limit=Limit("h", 2, 3), cap=4)]
    ),
    Progressed(7, 2, 1.5, 3.0, "half", {"pages": 2}),
    Progressed(7, 2),
    Ended(7, 2, 200, 100),
    Ended(7, 2, 200, 100, How.FAILED, None, ErrorInfo("ValueError", "it broke", "Traceback", 2.5, True)),
    Ended(7, 2, 200, 0, How.COMPLETED, b"{}", None, [Document("https://a/", "A", "text", b'{"x":1}')]),
]


@pytest.mark.parametrize("fact", EXAMPLES, ids=lambda fact: type(fact).__name__)
def test_a_fact_is_the_same_after_the_pipe(fact: Fact) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(fact), type=Fact) == fact


@pytest.mark.parametrize("fact", EXAMPLES, ids=lambda fact: type(fact).__name__)
def test_every_fact_names_its_job_and_the_epoch_of_its_reservation(fact: Fact) -> None:
    assert (fact.job_id, fact.epoch) == (7, 2)


def test_ways_to_end_that_count_no_attempt_come_last() -> None:
    assert [how for how in How if how >= How.UNTOUCHED] == [How.UNTOUCHED, How.REFUNDED, How.LOST]
