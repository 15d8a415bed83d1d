"""Answers that are dear to make: made once for all who ask, given out again only while they are good."""

import asyncio
from types import SimpleNamespace

import pytest

from quaero.gateway import lately
from quaero.gateway.lately import Lately

pytestmark = pytest.mark.anyio


class Maker:
    """Makes an answer each time it is asked, when it is allowed to."""

    def __init__(self) -> None:
        self.made = 0
        self.may = asyncio.Event()

    async def make(self) -> int:
        await self.may.wait()
        self.made += 1
        return self.made


async def test_who_asks_while_it_is_made_gets_the_same() -> None:
    maker, kept = Maker(), Lately[int]()
    asking = [asyncio.ensure_future(kept.get("a", maker.make)) for _ in range(10)]
    await asyncio.sleep(0)

    maker.may.set()

    assert await asyncio.gather(*asking) == [1] * 10


async def test_it_is_young_for_a_few_times_as_long_as_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(lately, "time", SimpleNamespace(monotonic=lambda: now))
    kept = Lately[int]()
    made = 0

    async def slowly() -> int:
        nonlocal now, made
        now += 2.0
        made += 1
        return made

    first = await kept.get("a", slowly)
    now += 2.0 * lately.WORTH - 0.1
    young = await kept.get("a", slowly)
    now += 0.2
    old = await kept.get("a", slowly)

    assert (first, young, old) == (1, 1, 2)


@pytest.mark.parametrize(("still", "then"), [(True, 1), (False, 2)])
async def test_an_old_one_is_kept_while_it_holds(monkeypatch: pytest.MonkeyPatch, still: bool, then: int) -> None:
    monkeypatch.setattr(lately, "WORTH", 0.0)
    maker, kept = Maker(), Lately[int]()
    maker.may.set()

    async def holds(answer: int) -> bool:
        return still

    await kept.get("a", maker.make, holds)

    assert await kept.get("a", maker.make, holds) == then


async def test_one_who_gives_up_does_not_take_it_from_the_others() -> None:
    maker, kept = Maker(), Lately[int]()
    asking = [asyncio.ensure_future(kept.get("a", maker.make)) for _ in range(2)]
    await asyncio.sleep(0)

    asking[0].cancel()
    maker.may.set()

    assert await asking[1] == 1


async def test_a_failure_is_told_and_not_kept() -> None:
    kept = Lately[int]()

    async def fail() -> int:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await kept.get("a", fail)
    maker = Maker()
    maker.may.set()
    assert await kept.get("a", maker.make) == 1


async def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lately, "KEPT", 2)
    monkeypatch.setattr(lately, "WORTH", 1e9)
    maker, kept = Maker(), Lately[int]()
    maker.may.set()
    for key in "abc":
        await kept.get(key, maker.make)

    assert await kept.get("a", maker.make) == 4
