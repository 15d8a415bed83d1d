"""Progress and counters: absolute, conflated, and whole at the end."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from quaero.domain.facts import Ended, Progressed

Start = Callable[..., Any]


@pytest.mark.parametrize("sort", ["async def", "def"])
def test_the_last_word_and_the_sums_are_told_before_the_end(start: Start, sort: str) -> None:
    driver = start(f"""
        @app.job(kind="counts")
        {sort} counts(job):
            for n in range(1, 10_001):
                job.progress(n, 10_000, f"at {{n}}")
                job.count("pages")
                job.count("bytes", 10)
    """)

    driver.run("counts")
    driver.ended()

    told = driver.of(Progressed)
    assert (told[-1].current, told[-1].total, told[-1].message) == (10_000, 10_000, "at 10000")
    assert sum(fact.counts.get("pages", 0) for fact in told) == 10_000
    assert sum(fact.counts.get("bytes", 0) for fact in told) == 100_000
    assert isinstance(driver.facts[-1], Ended)


def test_progress_is_told_at_most_ten_times_a_second(start: Start) -> None:
    driver = start("""
        @app.job(kind="moves")
        async def moves(job):
            began = time.monotonic()
            n = 0
            while (took := time.monotonic() - began) < 0.3:
                n += 1
                job.progress(n)
                await asyncio.sleep(0.001)
            return n, took
    """)

    driver.run("moves")
    steps, took = json.loads(driver.ended().result)

    told = driver.of(Progressed)
    assert len(told) <= 10 * took + 3  # the first at once, the last with the end, one between the two measurements
    assert told[-1].current == steps


def test_progress_of_a_job_that_goes_on_is_told_meanwhile(start: Start) -> None:
    driver = start("""
        @app.job(kind="stays")
        def stays(job):
            job.progress(1, 2, "half-way")
            time.sleep(60)
    """)

    driver.run("stays")

    assert driver.first_fact(Progressed).message == "half-way"


def test_words_no_store_could_hold_are_written_out(start: Start) -> None:
    driver = start(r"""
        @app.job(kind="odd")
        async def odd(job):
            job.progress(1, None, "a\0b \udc80")
            job.count("\udc80")
    """)

    driver.run("odd")
    driver.ended()

    (told,) = driver.of(Progressed)
    assert (told.message, told.counts) == (r"a\x00b \udc80", {r"\udc80": 1})
