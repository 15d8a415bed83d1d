"""Whatever a handler writes, by whatever means, is in its log: whole, in order, before its end."""

from collections.abc import Callable
from typing import Any

import pytest

from quaero.domain.facts import Ended, How, Lines, Progressed

Start = Callable[..., Any]


def written(start: Start, body: str, sort: str = "async def", **setup: Any) -> Any:
    """Run one job with this body to its end."""
    lines = "\n".join("            " + line for line in body.strip().splitlines())
    driver = start(f"""
        log = logging.getLogger("mine")

        @app.job(kind="writes")
        {sort} writes(job):
{lines}
    """, **setup)  # fmt: skip
    driver.run("writes")
    assert driver.ended().how == How.COMPLETED, driver.ended().error
    return driver


@pytest.mark.parametrize("sort", ["async def", "def"])
def test_every_way_of_writing_is_captured_with_its_level(start: Start, sort: str) -> None:
    body = """
job.log.debug("by its own %s", "logger")
log.info("by a module's")
logging.warning("by the root")
print("by print")
print("on standard error", file=sys.stderr)
sys.stdout.buffer.write("as bytes é\\n".encode())
log.error("by name: %(a)d", {"a": 5})
warnings.warn("a warning")
"""
    driver = written(start, body, sort)

    lines = [(line.level, line.message) for line in driver.lines()]

    assert lines[:-1] == [
        (0, "by its own logger"),
        (1, "by a module's"),
        (2, "by the root"),
        (1, "by print"),
        (2, "on standard error"),
        (1, "as bytes é"),
        (3, "by name: 5"),
    ]
    assert lines[-1][0] == 2
    assert lines[-1][1].startswith("UserWarning: a warning (")


def test_lines_of_jobs_on_one_loop_do_not_mix(start: Start) -> None:
    driver = start("""
        @app.job(kind="turns")
        async def turns(job):
            for n in range(5):
                print(job.id, end=" ")
                await asyncio.sleep(0)
                print(n)
                await asyncio.to_thread(logging.info, "%s in a thread", job.id)
    """)

    for job_id in driver.run_all("turns", [{}] * 8):
        driver.ended(job_id)

    for job_id in range(1, 9):
        mine = [f"{job_id} {n}" for n in range(5)]
        assert [text for text in driver.texts(job_id) if "thread" not in text] == mine
        assert driver.texts(job_id).count(f"{job_id} in a thread") == 5


def test_no_line_comes_after_the_end_and_every_line_before_it(start: Start) -> None:
    driver = start("""
        @app.job(kind="late")
        async def late(job):
            async def go_on():
                for n in range(200):
                    job.log.info("after %d", n)
                    await asyncio.sleep(0)
            job.log.info("before")
            asyncio.create_task(go_on())
    """)

    driver.run("late")
    driver.ended()
    driver.until(lambda: "after 199" in driver.orphan_texts())

    assert isinstance(driver.facts[-1], Ended)
    assert driver.texts() == ["before"]


def test_a_last_line_without_newline_is_kept(start: Start) -> None:
    driver = written(start, 'print("one"); print("two", end=""); sys.stderr.write("three")')

    assert sorted(driver.texts()) == ["one", "three", "two"]


def test_of_a_progress_bar_only_the_last_state_of_each_line_is_kept(start: Start) -> None:
    driver = written(
        start,
        r"""
for n in range(101):
    print(f"\r{n} %", end="")
print("\r\nwindows\r\nunfinished\rrest", end="")
""",
    )

    assert driver.texts() == ["100 %", "windows", "rest"]


def test_what_is_no_text_is_written_out(start: Start) -> None:
    driver = written(
        start,
        r"""
sys.stdout.buffer.write(b"\xff\xfe bytes \x00 end\n")
print("nul \0 and half \udc80 a pair")
logging.info("nul \0 and half \udc80 a pair")
job.log.info("é" + chr(0x1F600) + "\x1b[31mred")
""",
    )

    assert driver.texts() == [
        r"\xff\xfe bytes \x00 end",
        r"nul \x00 and half \udc80 a pair",
        r"nul \x00 and half \udc80 a pair",
        "é\U0001f600\x1b[31mred",
    ]


@pytest.mark.parametrize(
    "body",
    [
        'print("é" * 5_000_000, end="")',
        'sys.stdout.buffer.write("é".encode() * 5_000_000)',
        'logging.info("é" * 5_000_000)',
        'for _ in range(5_000): print("é" * 1_000, end="")',
    ],
)
def test_a_line_without_end_comes_in_parts(start: Start, body: str) -> None:
    driver = written(start, body)

    lines = driver.lines()

    assert "".join(line.message for line in lines) == "é" * 5_000_000
    assert max(len(line.message.encode()) for line in lines) <= 64 * 1024
    assert [bool(line.fields) for line in lines] == [False] + [True] * (len(lines) - 1)


def test_what_child_programs_write_is_the_plain_jobs_own(start: Start) -> None:
    driver = written(
        start,
        r"""
print("before", flush=True)
subprocess.run(["sh", "-c", "echo out; echo err >&2; printf 'no newline'"])
os.write(1, b" raw\n")
""",
        "def",
    )

    assert sorted(driver.texts()) == ["before", "err", "no newline raw", "out"]
    assert {line.message: line.level for line in driver.lines()}["err"] == 2


def test_everything_a_large_child_wrote_is_there_before_the_end(start: Start) -> None:
    driver = written(start, 'subprocess.run(["seq", "200000"])', "def")

    assert driver.texts() == [str(n) for n in range(1, 200_001)]


def test_a_program_left_behind_cannot_write_into_the_next_jobs_log(start: Start) -> None:
    driver = start("""
        @app.job(kind="leaves")
        def leaves(job):
            go, gone = os.pipe()
            global release
            release = gone
            subprocess.Popen(["sh", "-c", "echo mine; read line; echo late"], stdin=go)
            os.close(go)
            while not seen("mine"):
                pass

        def seen(text):
            return True

        @app.job(kind="next")
        def next_one(job):
            os.write(release, b"now\\n")
            os.close(release)
            os.waitpid(-1, 0)
    """)

    driver.run("leaves")
    driver.run("next", job_id=2)
    driver.ended(2)

    driver.until(lambda: "late" in driver.orphan_texts())
    assert driver.texts(2) == []


def test_raw_output_beside_async_handlers_is_nobodys(start: Start) -> None:
    driver = written(start, r'os.write(1, b"whose?\n")')

    driver.until(lambda: "whose?" in driver.orphan_texts())
    assert driver.texts() == []


def test_c_streams_are_flushed_before_the_end(start: Start) -> None:
    driver = written(start, 'import ctypes; ctypes.CDLL(None).printf(b"from C")', "def")

    assert driver.texts() == ["from C"]


def test_fields_are_bounded_as_lines_are(start: Start) -> None:
    driver = written(start, 'log.info("much", extra={"page": "x" * 1_000_000})')

    assert driver.lines()[0].fields == {"left_out": "1,000,016 bytes of fields"}


def test_a_message_of_any_size_comes_in_frames_a_worker_takes(start: Start) -> None:
    driver = written(start, 'logging.info("y" * 30_000_000)')

    assert sum(len(line.message) for line in driver.lines()) == 30_000_000
    assert max(len(fact.body) for fact in driver.of(Lines)) < 1024 * 1024


def test_extra_fields_and_tracebacks_come_with_the_line(start: Start) -> None:
    driver = written(
        start,
        """
job.log.info("with fields", extra={"url": "https://example.org/", "odd": object})
try:
    1 / 0
except ZeroDivisionError:
    log.exception("it broke")
""",
    )

    first, second = driver.lines()

    assert first.fields == {"url": "https://example.org/", "odd": "<class 'object'>"}
    assert second.message.startswith("it broke\nTraceback (most recent call last):")
    assert second.message.endswith("ZeroDivisionError: division by zero")


def test_a_wrong_format_string_does_not_fail_the_job(start: Start) -> None:
    driver = written(start, 'job.log.info("%d lines", "many"); logging.info("%d", "x")')

    assert driver.texts()[0].startswith("%d lines ('many',) (not formatted:")
    assert driver.texts()[1].startswith("%d ('x',) (not formatted:")


def test_lines_below_the_smallest_level_are_left_out(start: Start) -> None:
    body = 'job.log.info("a"); log.info("b"); print("c"); logging.warning("d"); job.log.error("e")'
    driver = written(start, body, min_level=2)

    assert driver.texts() == ["d", "e"]


def test_users_own_handlers_still_get_whole_records(start: Start) -> None:
    driver = written(
        start,
        """
records = []
class Keep(logging.Handler):
    def emit(self, record): records.append((record.name, record.getMessage(), record.funcName))
logging.getLogger().addHandler(Keep())
log.info("one"); job.log.info("two")
job.set_result(records)
""",
    )

    assert driver.texts() == ["one", "two"]
    assert driver.ended().result == b'[["mine","one","writes"],["writes","two","writes"]]'


def test_an_application_that_configures_logging_is_still_captured_and_nothing_twice(start: Start) -> None:
    driver = start("""
        import logging.config
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False,
            "handlers": {"out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}},
            "root": {"level": "INFO", "handlers": ["out"]}})

        @app.job(kind="writes")
        async def writes(job):
            logging.getLogger("mine").info("once")
    """)

    driver.run("writes")
    driver.ended()

    assert driver.texts() == ["once"]


def test_a_forgotten_task_that_fails_tells_its_job(start: Start) -> None:
    driver = written(
        start,
        """
async def fails(): raise ValueError("unseen")
task = asyncio.create_task(fails())
await asyncio.sleep(0)
await asyncio.sleep(0)
del task
import gc; gc.collect()
""",
    )

    (line,) = driver.lines()

    assert line.level == 3
    assert "never retrieved" in line.message
    assert line.message.endswith("ValueError: unseen")


def test_a_thread_that_dies_tells_the_plain_job(start: Start) -> None:
    driver = written(
        start,
        """
import threading
def fails(): raise ValueError("in a thread")
thread = threading.Thread(target=fails)
thread.start()
thread.join()
""",
        "def",
    )

    assert driver.lines()[0].level == 3
    assert driver.texts()[0].endswith("ValueError: in a thread")


def test_beyond_its_cap_a_log_keeps_the_start_and_the_end(start: Start) -> None:
    body = 'for n in range(60_000): job.log.info("line %06d of a long, long story that goes on", n)'
    driver = written(start, body, max_log_bytes=500_000)

    lines = driver.lines()
    (marker,) = [n for n, line in enumerate(lines) if line.fields]

    assert [line.message[5:11] for line in lines[:marker]] == [f"{n:06d}" for n in range(marker)]
    assert lines[-1].message[5:11] == "059999"
    assert lines[marker].fields == {"lost": 60_000 - (len(lines) - 1)}
    assert [fact.originator for fact in driver.of(Lines) if fact.count == 1] == [2]
    kept = sum(len(line.message) for line in lines[marker + 1 :])
    assert 500_000 < kept <= 1024 * 1024


def test_many_lines_all_arrive_in_order(start: Start) -> None:
    driver = written(start, 'for n in range(200_000): log.info("%d", n)')

    assert driver.texts() == [str(n) for n in range(200_000)]


def test_lines_facts_say_what_is_in_them(start: Start) -> None:
    driver = written(start, 'job.log.debug("a"); job.log.error("b")')

    (fact,) = driver.of(Lines)

    first, last = driver.lines()
    assert (fact.count, fact.levels, fact.originator) == (2, 0b1001, 0)
    assert (fact.first_at, fact.last_at) == (first.at, last.at)


def test_what_an_import_prints_is_nobodys(start: Start) -> None:
    driver = start('print("hello from the import"); os.write(2, b"and raw\\n")')

    driver.until(lambda: {"hello from the import", "and raw"} <= set(driver.orphan_texts()))


def test_lines_leave_while_the_job_runs(start: Start) -> None:
    driver = start("""
        @app.job(kind="runs")
        def runs(job):
            print("here I am")
            time.sleep(60)
    """)

    driver.run("runs")

    assert driver.until(driver.texts) == ["here I am"]


SECRETIVE = """
os.environ["LEARNT_TOKEN"] = "set while importing"  # as reading a .env file does

@app.job
async def leaks(job):
    job.log.info("connecting with password=%s", "hunter2")
    job.log.info("fields", extra={"api_key": "abc", "url": "https://me:hunter2@example.org/"})
    print("it is set while importing")
    job.log.warning("x" * 70_000 + " token=hunter2")
    job.progress(1, 2, "logging in: password=hunter2")
    raise ValueError("cannot log in with password=hunter2, set while importing")

@app.job
def leaks_raw(job):
    subprocess.run("echo Authorization: Bearer abc123def456", shell=True)
"""


def test_secrets_are_masked_before_they_leave_the_executor(start: Start) -> None:
    driver = start(SECRETIVE)

    driver.run("application.leaks")
    error = driver.ended().error
    driver.run("application.leaks_raw", job_id=2)
    driver.ended(2)

    texts = driver.texts()
    assert "connecting with password=***" in texts
    assert "it is ***" in texts
    assert error.message == "cannot log in with password=***, ***"
    assert "password=***" in error.traceback
    assert [line.fields for line in driver.lines() if line.message == "fields"] == [
        {"api_key": "***", "url": "https://me:***@example.org/"}
    ]
    assert driver.first_fact(Progressed).message == "logging in: password=***"
    assert driver.texts(2) == ["Authorization: ***"]
    everything = repr(driver.facts)
    assert "hunter2" not in everything
    assert "set while importing" not in everything


def test_names_and_values_from_the_settings_are_masked_too(start: Start) -> None:
    source = "@app.job\nasync def leaks(job):\n    job.log.info('session_id=17 and battery staple')\n"
    driver = start(source, secret_names=["session_id"], secrets=["battery staple"])

    driver.run("application.leaks")
    driver.ended()

    assert driver.texts() == ["session_id=*** and ***"]
