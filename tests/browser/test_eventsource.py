"""The browser's own EventSource, with nothing of ours around it, survives gateways that die and that are stopped."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.integration.program import CONFIG, Program
from tests.integration.test_streams import gateways, generate, incarnation

FOLLOW = """([path]) => {
  Object.assign(window, { seqs: [], gaps: [], at: 0, opens: 0, ended: false });
  const stream = window.stream = new EventSource(path);
  stream.onopen = () => window.opens++;
  stream.addEventListener("ping", (event) => { window.at = Number(event.lastEventId.split(".")[2]); });
  stream.addEventListener("end", () => { window.ended = true; });
  stream.addEventListener("logs", (event) => {
    const { prev, to, logs } = JSON.parse(event.data);
    if (prev !== window.at) window.gaps.push([prev, window.at]);
    window.at = to;
    for (const line of logs) window.seqs.push(line.seq);
  });
}"""


@pytest.fixture
def bare_page(browser: Browser) -> Iterator[Page]:
    """A page whose policy lets a test evaluate what it likes."""
    context = browser.new_context(bypass_csp=True)
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def test_a_native_event_source_sees_every_line_once_and_stops_at_the_end(program: Program, bare_page: Page) -> None:
    _, address = program.up()
    job_id = generate(address, worker_count=6, log_count=120, log_delay_ms=50)
    bare_page.goto(f"{address}/api/health")
    tree = f"{incarnation(address)}.{job_id}"
    path = f"/api/jobs/{job_id}/logs/stream?level=debug&cursor={tree}."

    bare_page.evaluate(FOLLOW, [f"{path}0"])
    for number, lines in ((signal.SIGKILL, 200), (signal.SIGTERM, 450)):
        bare_page.wait_for_function(f"window.seqs.length > {lines}")
        os.kill(gateways(program)[0], number)
    bare_page.wait_for_function("window.ended")

    seqs = bare_page.evaluate("window.seqs")
    assert seqs == list(range(1, len(seqs) + 1))
    assert bare_page.evaluate("window.gaps") == []
    assert bare_page.evaluate("window.opens") >= 2

    bare_page.evaluate("([path]) => { window.later = new EventSource(path); }", [f"{path}{len(seqs)}"])
    bare_page.wait_for_function("window.later.readyState === EventSource.CLOSED")


OPEN = """([name, path]) => {
  const stream = window[name] = new EventSource(path);
  stream.heard = [];
  for (const kind of ["hello", "bye"]) stream.addEventListener(kind, () => stream.heard.push(kind));
}"""


def test_a_native_event_source_comes_back_to_a_server_that_had_no_room(tmp_path: Path, bare_page: Page) -> None:
    program = Program(tmp_path, CONFIG + "[auth]\nrequired = true\nmax_streams = 1\n")
    try:
        token = program.run("token", "create", "Ana", "--scope", "viewer").stdout.strip()
        _, address = program.up()
        bare_page.set_extra_http_headers({"authorization": f"Bearer {token}"})
        bare_page.goto(f"{address}/api/health")
        path = "/api/service/logs/stream"

        bare_page.evaluate(OPEN, ["first", path])
        bare_page.wait_for_function("window.first.heard.includes('hello')")
        bare_page.evaluate(OPEN, ["second", path])
        bare_page.wait_for_function("window.second.heard.includes('bye')")
        assert bare_page.evaluate("window.second.readyState !== EventSource.CLOSED")
        assert bare_page.evaluate("!window.second.heard.includes('hello')")
        bare_page.evaluate("window.first.close()")

        bare_page.wait_for_function("window.second.heard.includes('hello')")
    finally:
        program.close()
