"""What becomes of an attempt: how a handler leaves, as the value the store records."""

from collections.abc import Callable
from typing import Any

import pytest

from quaero.domain.facts import Began, ErrorInfo, How

Start = Callable[..., Any]


def failure(driver: Any, kind: str, payload: dict[str, Any] | None = None) -> ErrorInfo:
    driver.run(kind, payload)
    end = driver.ended()
    assert end.how == How.FAILED
    error: ErrorInfo = end.error
    return error


def test_a_return_value_is_the_result(start: Start) -> None:
    driver = start("""
        @app.job(kind="add")
        async def add(job, a: int, b: int = 2):
            return {"sum": a + b}
    """)

    driver.run("add", {"a": 1})

    assert (driver.ended().how, driver.ended().result) == (How.COMPLETED, b'{"sum":3}')
    assert 0 < driver.ended().began_at <= driver.ended().at


def test_a_plain_function_runs_like_an_async_one(start: Start) -> None:
    driver = start("""
        @app.job(kind="add")
        def add(job, a: int, **rest):
            return {"sum": a, **rest}
    """)

    driver.run("add", {"a": 1, "more": True})

    assert (driver.ended().how, driver.ended().result) == (How.COMPLETED, b'{"sum":1,"more":true}')


def test_a_result_that_was_set_wins_over_the_return_value(start: Start) -> None:
    driver = start("""
        @app.job(kind="both")
        async def both(job):
            job.set_result([1, 2])
            return "ignored"
    """)

    driver.run("both")

    assert driver.ended().result == b"[1,2]"


def test_a_job_that_ended_before_anything_was_sent_tells_only_its_end(start: Start) -> None:
    driver = start("""
        @app.job(kind="quick")
        async def quick(job): pass
    """)

    driver.run_all("quick", [{}] * 50)
    for job_id in range(1, 51):
        driver.ended(job_id)

    assert not any(isinstance(fact, Began) for fact in driver.facts)


@pytest.mark.parametrize("sort", ["async def", "def"])
def test_a_job_that_goes_on_is_told_to_have_begun(start: Start, sort: str) -> None:
    driver = start(f"""
        @app.job(kind="long")
        {sort} long(job):
            {"await asyncio.sleep(60)" if sort == "async def" else "time.sleep(60)"}
    """)

    driver.run("long")

    assert driver.first_fact(Began).at > 0


def test_an_exception_is_recorded_with_its_place(start: Start) -> None:
    driver = start("""
        @app.job(kind="bad")
        async def bad(job):
            raise ValueError("no such thing")
    """)

    error = failure(driver, "bad")

    assert (error.type, error.message, error.retry_after, error.final) == ("ValueError", "no such thing", None, False)
    assert error.traceback.splitlines()[1].endswith("in bad")
    assert driver.lines()[-1].message == error.traceback.rstrip()


def test_retry_and_fatal_say_what_shall_follow(start: Start) -> None:
    driver = start("""
        @app.job(kind="later")
        async def later(job):
            raise quaero.Retry("busy", after="1m")

        @app.job(kind="never")
        async def never(job):
            raise quaero.Fatal("no such user")

        class Mine(Exception):
            retry_after = 2

        @app.job(kind="mine")
        def mine(job):
            raise Mine("x")
    """)

    driver.run("later", job_id=1)
    driver.run("never", job_id=2)
    driver.run("mine", job_id=3)

    assert (driver.ended(1).error.retry_after, driver.ended(1).error.final) == (60.0, False)
    assert (driver.ended(2).error.retry_after, driver.ended(2).error.final) == (None, True)
    assert (driver.ended(3).error.type, driver.ended(3).error.retry_after) == ("application.Mine", 2.0)


@pytest.mark.parametrize("sort", ["async def", "def"])
@pytest.mark.parametrize("leaving", ["sys.exit(3)", "raise KeyboardInterrupt", "raise asyncio.CancelledError"])
def test_no_exception_of_a_handler_ends_the_executor(start: Start, sort: str, leaving: str) -> None:
    driver = start(f"""
        @app.job(kind="leaves")
        {sort} leaves(job):
            {leaving}

        @app.job(kind="stays")
        {sort} stays(job):
            return 1
    """)

    assert failure(driver, "leaves").message
    driver.run("stays", job_id=2)
    assert driver.ended(2).how == How.COMPLETED


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("object()", "has no JSON form"),
        ("'x' * 2_000_000", "over the limit of 1,048,576"),
        ("asyncio.sleep(0)", "declare it with `async def`"),
    ],
)
def test_a_result_that_cannot_be_kept_fails_the_job_for_good(start: Start, value: str, words: str) -> None:
    driver = start(f"""
        @app.job(kind="odd")
        def odd(job):
            return {value}
    """)

    error = failure(driver, "odd")

    assert words in error.message
    assert error.final


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({}, "'url' of fetch is missing"),
        ({"url": 5}, "'url' of fetch is wrong: expected str, got int"),
        ({"url": "x", "tries": 5}, "'tries' of fetch is not one it takes"),
    ],
)
def test_a_payload_that_does_not_fit_names_the_argument(start: Start, payload: dict[str, Any], words: str) -> None:
    driver = start("""
        @app.job(kind="fetch")
        async def fetch(job, url: str): ...
    """)

    error = failure(driver, "fetch", payload)

    assert (words in error.message, error.final) == (True, True)


def test_an_unknown_kind_fails_for_good(start: Start) -> None:
    error = failure(start(), "nobody.knows")

    assert (error.message, error.final) == ("no handler for kind 'nobody.knows' in this worker", True)


def test_a_message_no_store_could_hold_is_written_out(start: Start) -> None:
    driver = start(r"""
        @app.job(kind="odd")
        async def odd(job):
            raise ValueError("a\0b \udc80")
    """)

    assert failure(driver, "odd").message == r"a\x00b \udc80"


def test_a_long_traceback_keeps_its_ends(start: Start) -> None:
    driver = start("""
        @app.job(kind="deep")
        async def deep(job):
            raise ValueError("start " + "x" * 100_000 + " end")
    """)

    error = failure(driver, "deep")

    assert len(error.traceback) <= 32 * 1024
    assert "in deep" in error.traceback
    assert error.traceback.rstrip().endswith(" end")


def test_documents_come_with_the_end(start: Start) -> None:
    driver = start("""
        @app.job(kind="page")
        async def page(job):
            job.document(url="https://example.org/", title="One", text="é" * 600_000, fields={"status": 200})
    """)

    driver.run("page")

    (document,) = driver.ended().documents
    assert (document.url, document.title, bytes(document.fields)) == ("https://example.org/", "One", b'{"status":200}')
    assert (len(document.text.encode()), document.truncated) == (1024 * 1024, True)


def test_the_context_knows_its_job(start: Start) -> None:
    driver = start("""
        @app.job(kind="who")
        async def who(job):
            return [job.id, job.root_id, job.parent_id, job.step, job.attempt, job.round, job.kind, job.payload]
    """)

    driver.run("who", {"a": 1}, job_id=7, root_id=3, parent_id=4, step="crawl", step_id=4, attempt=2, round=3)

    assert driver.ended(7).result == b'["7","3","4","crawl",2,3,"who",{"a":1}]'


def test_jobs_of_both_sorts_take_turns(start: Start) -> None:
    driver = start("""
        running = set()

        @app.job(kind="waits")
        async def waits(job):
            running.add(job.id)
            await asyncio.sleep(0.02)
            running.discard(job.id)

        @app.job(kind="alone")
        def alone(job):
            return sorted(running)
    """)

    for job_id in range(1, 21):
        driver.run("waits" if job_id % 3 else "alone", job_id=job_id)

    assert all(driver.ended(n).result == (None if n % 3 else b"[]") for n in range(1, 21))


def test_no_more_async_handlers_begin_than_may_run_at_once(start: Start) -> None:
    driver = start(
        """
        running = 0

        @app.job(kind="counts")
        async def counts(job):
            global running
            running += 1
            await asyncio.sleep(0.01)
            most, running = running, running - 1
            return most
        """,
        concurrency=4,
    )

    driver.run_all("counts", [{}] * 20)

    assert max(int(driver.ended(n).result) for n in range(1, 21)) == 4


def test_large_results_do_not_gather_in_one_frame(start: Start) -> None:
    driver = start("""
        @app.job(kind="large")
        async def large(job):
            return "x" * 1_000_000
    """)

    for job_id in driver.run_all("large", [{}] * 40):
        driver.ended(job_id)

    assert driver.largest_frame < 2_000_000


def test_documents_of_one_job_are_bounded(start: Start) -> None:
    driver = start("""
        @app.job(kind="many")
        async def many(job):
            for n in range(100):
                job.document(url=str(n), title="", text="x" * 1_000_000)
    """)

    assert "the documents of one job may take" in failure(driver, "many").message
    assert driver.ended().documents == []
