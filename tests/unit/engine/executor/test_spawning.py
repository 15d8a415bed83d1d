"""Children: how they leave a handler, and how their ids come back."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from quaero.domain.facts import Child, Ended, How, Limit, Lines, Spawned
from quaero.engine.protocol import Ask, Cancel, Reply, SpawnAnswer

Start = Callable[..., Any]


def handler(body: str, sort: str = "async def") -> str:
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    return f'@app.job(kind="parent")\n{sort} parent(job):\n{lines}\n'


def answer(driver: Any, offset: int = 100) -> None:
    """Answer every spawn that was not yet: ids are tokens plus `offset`."""
    done = driver.__dict__.setdefault("answered", set())
    for fact in driver.of(Spawned):
        if fact.token not in done:
            done.add(fact.token)
            ids = [fact.token + n + offset for n in range(len(fact.children))]
            driver.send(SpawnAnswer(fact.job_id, fact.epoch, fact.token, ids))


def finish(driver: Any) -> Ended:
    """Answer spawns until the job has ended."""

    def ended() -> list[Any]:
        answer(driver)
        return driver.of(Ended)  # type: ignore[no-any-return]

    end: Ended = driver.until(ended)[0]
    return end


@pytest.mark.parametrize("sort", ["async def", "def"])
def test_children_leave_in_order_before_the_end(start: Start, sort: str) -> None:
    driver = start(handler("""
job.log.info("first")
job.spawn("a", {"n": 1}, key="k", priority=5, delay="2s", after=["7"], under="step", limit_key="host")
job.spawn("a", n=2, limit_key=quaero.Limit("host", at_once=3, apart="250ms"))
job.spawn_many("b", ({"n": n} for n in range(3)), keys=lambda p: f"k{p['n']}", max_children=10)
""", sort))  # fmt: skip

    driver.run("parent")
    driver.ended()

    assert driver.children() == [
        Child("a", b'{"n":1}', "k", 5, 2_000_000, (7,), True, Limit("host", 1, 0)),
        Child("a", b'{"n":2}', limit=Limit("host", 3, 250_000)),
        *[Child("b", b'{"n":%d}' % n, key=f"k{n}", cap=10) for n in range(3)],
    ]
    assert [type(fact) for fact in driver.facts if isinstance(fact, Lines | Spawned | Ended)] == [Lines, Spawned, Ended]


@pytest.mark.parametrize(
    ("sort", "body"),
    [
        ("async def", 'return [await job.spawn("a"), await job.spawn("a", key="k")]'),
        ("def", 'return [job.spawn("a").wait(), job.spawn("a", key="k").wait()]'),
        ("async def", 'return await job.spawn_many("a", [{}, {}])'),
        ("def", 'return job.spawn_many("a", [{}, {}]).wait()'),
        ("async def", 'one, two = handles = job.spawn_many("a", [{}, {}]); await job.flush(); return [one.id, two.id]'),
        ("def", 'one, two = job.spawn("a"), job.spawn("a"); job.flush(); return [one.id, two.id]'),
    ],
)
def test_a_handle_yields_the_committed_id(start: Start, sort: str, body: str) -> None:
    driver = start(handler(body, sort))

    driver.run("parent")

    assert finish(driver).result == b'["100","101"]'


def test_a_child_refused_by_its_cap_has_no_id(start: Start) -> None:
    driver = start(handler('return await job.spawn_many("a", [{}, {}, {}], max_children=2)'))

    driver.run("parent")
    spawned = driver.first_fact(Spawned)
    driver.send(SpawnAnswer(1, 1, spawned.token, [5, 6, 0]))

    assert driver.ended().result == b'["5","6",null]'


@pytest.mark.parametrize("sort", ["async def", "def"])
def test_a_refused_spawn_raises_where_it_is_awaited(start: Start, sort: str) -> None:
    body = 'await job.spawn("a")' if sort == "async def" else 'job.spawn("a").wait()'
    driver = start(handler(body, sort))

    driver.run("parent")
    spawned = driver.first_fact(Spawned)
    driver.send(SpawnAnswer(1, 1, spawned.token, [], "the tree is being cancelled"))

    error = driver.ended().error
    assert (error.type, error.message) == ("quaero.domain.errors.Conflict", "the tree is being cancelled")


def test_answers_of_another_epoch_are_ignored(start: Start) -> None:
    driver = start(handler('return await job.spawn("a")'))

    driver.run("parent", epoch=4)
    driver.first_fact(Spawned)
    driver.send(SpawnAnswer(1, 3, 0, [666]))
    driver.send(SpawnAnswer(1, 4, 0, [5]))

    assert driver.ended().result == b'"5"'


@pytest.mark.parametrize("sort", ["async def", "def"])
def test_a_child_may_wait_for_siblings_that_have_no_id_yet(start: Start, sort: str) -> None:
    driver = start(handler("""
first = job.spawn("a")
second = job.spawn("b", after=[first])
job.spawn("c", after=second)
""", sort))  # fmt: skip

    driver.run("parent")
    finish(driver)

    assert [(child.kind, child.after) for child in driver.children()] == [("a", ()), ("b", (100,)), ("c", (101,))]


def test_a_later_run_says_the_how_manieth_of_its_kind_a_child_is(start: Start) -> None:
    driver = start(handler('job.spawn_many("a", [{"n": 1}, {"n": 2}, {"n": 1}]); job.spawn("a", n=1, key="k")'))

    driver.run("parent", epoch=2)
    driver.ended()

    assert [child.nth for child in driver.children()] == [1, 1, 2, 0]


def test_a_source_longer_than_the_buffer_waits_for_answers(start: Start) -> None:
    driver = start(handler("""
read = 0
def source():
    global read
    for n in range(40_000):
        read = n
        yield {"n": n}
handles = job.spawn_many("a", source())
print("buffered", read < 12_000)
ids = await handles
return [len(handles), ids[0], ids[-1], handles[-1].id, handles[39_999].id]
""").replace("read = 0", "global read\n    read = 0", 1))  # fmt: skip

    driver.run("parent")
    driver.until(driver.texts)
    held = len(driver.children())
    end = finish(driver)

    assert driver.texts() == ["buffered True"]
    assert held <= 10_000
    assert end.result == b'[40000,"100","40099","40099","40099"]'
    assert [msgspec.json.decode(child.payload)["n"] for child in driver.children()] == list(range(40_000))


def test_what_was_not_awaited_is_spawned_before_the_end(start: Start) -> None:
    driver = start(handler('job.spawn_many("a", ({"n": n} for n in range(25_000))); job.spawn("b")'))

    driver.run("parent")
    finish(driver)

    assert len(driver.children()) == 25_001
    assert driver.children()[-1].kind == "b"


def test_a_full_buffer_blocks_a_plain_handler(start: Start) -> None:
    driver = start(handler("""
for n in range(10_000): job.spawn("a", n=n)
print("full")
for n in range(5_000): job.spawn("a", n=n)
print("done")
""", "def"))  # fmt: skip

    driver.run("parent")
    driver.until(lambda: len(driver.children()) == 10_000 and driver.texts() == ["full"])
    finish(driver)

    assert len(driver.children()) == 15_000
    assert driver.texts() == ["full", "done"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ('job.spawn("a", x="y" * 300_000)', "is over the limit of 262,144"),
        ('job.spawn("a", x=object())', "a payload must be a mapping with a JSON form"),
        ('job.spawn("a", [1])', "a payload must be a mapping of names to values, not list"),
        ('job.spawn("a", {"x": 1}, x=2)', "'x' stands in the payload mapping and beside it"),
        ('job.spawn("a", delay="soon")', "'soon' is not a duration"),
        ('job.spawn("a", under="root")', "under is 'root'"),
        ('job.spawn("a", key="")', "'' is no key"),
        ('job.spawn("a", after=["x"])', "after holds 'x'"),
        ('job.spawn(print)', "is not registered"),
        ('job.spawn_many("a", [{}, {}], keys=["one"])', "as many keys as payloads"),
        ('job.spawn("slow", delay=3)', "'delay' is an option of spawn and an argument of slow"),
        ('job.count("x", 1.5)', "count takes a whole number"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sort", ["async def", "def"])
def test_what_cannot_be_spawned_says_why(start: Start, call: str, words: str, sort: str) -> None:
    slow = '@app.job(kind="slow")\ndef slow(job, delay: int): ...\n'
    driver = start(slow + handler(call, sort))

    driver.run("parent")

    assert words in driver.ended().error.message
    assert driver.children() == []


def test_an_argument_named_like_an_option_goes_into_the_mapping(start: Start) -> None:
    slow = '@app.job(kind="slow")\ndef slow(job, delay: int): ...\n'
    driver = start(slow + handler('job.spawn(slow, {"delay": 3}, delay="1s")'))

    driver.run("parent")
    driver.ended()

    assert driver.children() == [Child("slow", b'{"delay":3}', delay=1_000_000)]


def test_a_broken_source_fails_the_job_that_did_not_look(start: Start) -> None:
    driver = start(
        handler("""
def source():
    for n in range(20_000): yield {}
    raise ValueError("the source broke")
job.spawn_many("a", source())
""")
    )

    driver.run("parent")

    assert finish(driver).error.message == "the source broke"


def test_cancelling_a_parent_ends_its_reading(start: Start) -> None:
    driver = start(handler('await job.spawn_many("a", ({} for _ in range(1_000_000)))'))

    driver.run("parent")
    driver.until(lambda: len(driver.children()) >= 10_000)
    driver.send(Cancel([1]))

    assert driver.ended().how == How.CANCELLED
    assert len(driver.children()) == 10_000


@pytest.mark.parametrize(("sort", "call"), [("async def", "await job.children()"), ("def", "job.children()")])
def test_a_job_may_ask_for_its_children(start: Start, sort: str, call: str) -> None:
    driver = start(handler(f'job.spawn("a"); return {call}', sort))

    driver.run("parent")
    driver.first_fact(Spawned)
    assert not [message for message in driver.messages if isinstance(message, Ask)]
    answer(driver)
    ask: Ask = driver.first(Ask)
    driver.send(Reply(ask.request_id, b'[{"id":"5","kind":"a","status":"completed","result":[1]}]'))

    assert (ask.job_id, ask.what) == (1, "children")
    assert driver.ended().result == b'[{"id":"5","kind":"a","status":"completed","result":[1]}]'


def test_a_question_without_an_answer_raises(start: Start) -> None:
    driver = start(handler("return await job.children()"))

    driver.run("parent")
    driver.send(Reply(driver.first(Ask).request_id, b"null", "the store cannot be reached"))

    assert driver.ended().error.message == "the store cannot be reached"
