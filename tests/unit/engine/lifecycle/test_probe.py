import pytest
from quaero.domain.facts import *
from quaero.testing import *
from quaero.testing.factories import *
pytestmark = pytest.mark.anyio

async def test_lines_only(bench):
    job = await bench.running()
    await bench.hand.say(job, "hello")
    assert [e.message for e in await bench.entries(job.id)][-1] == "hello"
    await bench.hand.end(job)

async def test_stale_in_same_batch(bench):
    await bench.root()
    [a] = await bench.hand.take()
    await bench.hand.tell(ended(a, How.UNTOUCHED))
    [b] = await bench.hand.take()
    r = await bench.hand.tell(began(b), lines(a, "stale"))
    assert r.stale == [(a.id, a.epoch)]
    assert (await bench.status(a.id)).word == "running"
    await bench.hand.end(b)

async def test_bad_after_keeps_nothing(bench):
    job = await bench.running()
    r = await bench.hand.tell(spawned(job, [a_child(), a_child(after=(999,))]))
    assert r.answers[0].error
    assert (await bench.job(job.id)).tally.total == 0
    await bench.hand.end(job)

async def test_after_in_same_commit(bench):
    p, [c] = await bench.family(1)
    [cj] = await bench.hand.take()
    r = await bench.hand.tell(spawned(p, [a_child(payload={"x": 1}, after=(c,))]), ended(cj))
    [d] = await bench.hand.take()
    await bench.hand.end(d, p)
