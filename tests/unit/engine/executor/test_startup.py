"""How an executor comes up: what it announces, and what it says when the application cannot be loaded."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from quaero.engine.protocol import Broken, Deliver, Delivered, Ready, Sort

Start = Callable[..., Any]


def test_it_announces_its_kinds_with_their_schemas(start: Start) -> None:
    driver = start("""
        @app.job(kind="fetch", max_attempts=5, timeout="30s")
        async def fetch(job, url: str, depth: int = 2): ...

        @app.job
        def crunch(job): ...
    """)

    ready: Ready = driver.ready()
    kinds = {info.kind: info for info in ready.kinds}

    assert ready.pid == driver.process.pid
    assert (kinds["fetch"].sort, kinds["fetch"].max_attempts, kinds["fetch"].timeout) == (Sort.ASYNC, 5, 30_000_000)
    schema = msgspec.json.decode(bytes(kinds["fetch"].schema))
    assert schema["properties"] == {"url": {"type": "string"}, "depth": {"type": "integer", "default": 2}}
    assert schema["required"] == ["url"]
    assert kinds["application.crunch"].sort == Sort.PLAIN
    assert {"generator", "crawler"} <= set(kinds)


def test_without_an_application_the_built_in_kinds_are_there(start: Start) -> None:
    assert "generator" in {info.kind for info in start(app=None).ready().kinds}


@pytest.mark.parametrize(("enabled", "there"), [(True, True), (False, False), ("yes", False)])
def test_programs_run_only_where_the_servers_file_says_so(start: Start, enabled: object, there: bool) -> None:
    driver = start(settings=msgspec.json.encode({"command": {"enabled": enabled}}))

    assert ("command" in {info.kind for info in driver.ready().kinds}) == there


@pytest.mark.parametrize(
    ("app", "source", "words"),
    [
        ("nowhere.jobs", "", "cannot import 'nowhere.jobs': ModuleNotFoundError: No module named 'nowhere'"),
        ("application", "1 / 0", "cannot import 'application': ZeroDivisionError: division by zero ("),
        ("application", "sys.exit('no')", "cannot import 'application': SystemExit: no"),
        ("application:other", "", "'application:other' is no quaero.App: application has app"),
        ("application", "del app", "name the quaero.App of 'application' as application:NAME: it has none"),
        ("application", "app.job(kind='x')(lambda: 1)", "<lambda> needs a first parameter for its JobContext"),
        ("application", "app.job(kind='generator')(lambda job: 1)", "kind 'generator' is registered twice"),
    ],
)
def test_an_application_that_cannot_be_loaded_is_told_in_one_line(
    start: Start, app: str, source: str, words: str
) -> None:
    driver = start(source, app=app, wait=False)

    broken: Broken = driver.first(Broken)

    assert broken.message.startswith(words)
    assert "\n" not in broken.message
    assert driver.exit_code() == 1


def test_an_app_under_another_name_is_found(start: Start) -> None:
    driver = start("jobs = app\ndel app\n@jobs.job(kind='mine')\ndef mine(job): return 1\n")

    assert "mine" in {info.kind for info in driver.ready().kinds}


def test_an_event_is_brought_to_its_subscribers(start: Start) -> None:
    driver = start("""
        @app.on(quaero.JobFailed)
        async def waits(event):
            print("async", event.job_id, event.error)

        @app.on(quaero.JobFailed)
        def plain(event):
            raise ValueError(f"about {event.job_id}")
    """)
    event = b'{"type":"JobFailed","job_id":7,"root_id":1,"kind":"k","at":5,"round":1,"error":"e"}'

    assert sorted(driver.ready().subscriptions) == [
        ("JobFailed", "application.plain"),
        ("JobFailed", "application.waits"),
    ]
    driver.send(Deliver(1, "application.waits", "JobFailed", event))
    driver.send(Deliver(2, "application.plain", "JobFailed", event))
    driver.send(Deliver(3, "application.gone", "JobFailed", event))
    driver.until(lambda: len([m for m in driver.messages if isinstance(m, Delivered)]) == 3)

    errors = {m.delivery_id: m.error for m in driver.messages if isinstance(m, Delivered)}
    assert (errors[1], errors[2]) == (None, "ValueError: about 7")
    assert errors[3] is not None
    driver.until(lambda: "async 7 e" in driver.orphan_texts())


def test_the_socket_is_not_inherited_by_what_handlers_start(start: Start) -> None:
    driver = start("""
        @app.job(kind="lists")
        def lists(job):
            return subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True).stdout
    """)

    driver.run("lists")

    assert b"socket:" not in driver.ended().result


def test_an_executor_carries_nothing_it_does_not_need(start: Start) -> None:
    driver = start("""
        @app.job(kind="loaded")
        async def loaded(job):
            return sorted({name.partition(".")[0] for name in sys.modules})
    """)

    driver.run("loaded")

    heavy = {"apsw", "starlette", "uvicorn", "click", "rich", "aiohttp", "trafilatura", "selectolax", "websockets"}
    assert not heavy & set(msgspec.json.decode(driver.ended().result))
