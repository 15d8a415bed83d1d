"""`jobLogs` and `serviceLogs` in a page of somebody else, with Alpine's CSP build under our own strict policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import Page, Route, expect
from tests.clients.packages import installed
from tests.integration.program import Program
from tests.integration.test_streams import generate

from quaero.gateway.auth.refusing import CSP

if TYPE_CHECKING:
    pass

PAGE = """<!doctype html><meta charset="utf-8"><title>Somebody's page</title>
<link rel="stylesheet" href="/static/css/log-stream.css">
<script src="/static/js/log-stream.js"></script>
<script src="/static/js/log-components.js"></script>
<script src="/embed/alpine.js" defer></script>
{parts}"""
PART = """<section class="quaero-log" x-data="{component}" {given}>
<b x-text="stateText"></b> <i x-text="summary"></i> <u x-text="status"></u> <em x-text="progress"></em>
<button x-on:click="setLevel('error')">errors</button>
<ol data-lines><template x-for="line in logs" x-bind:key="line.key"><li x-text="line.text"></li></template></ol>
</section>"""


def embed(page: Page, address: str, *parts: str) -> list[str]:
    """Show somebody's page that is served beside ours; what its console and its policy complain of."""
    body = PAGE.format(parts="".join(parts))
    alpine = (installed() / "node_modules" / "@alpinejs" / "csp" / "dist" / "cdn.min.js").read_text()

    def serve(route: Route) -> None:
        if route.request.url.endswith("alpine.js"):
            route.fulfill(body=alpine, content_type="text/javascript")
        else:
            route.fulfill(body=body, content_type="text/html", headers={"content-security-policy": CSP.decode()})

    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.route(f"{address}/embed/*", serve)
    page.goto(f"{address}/embed/page")
    return complaints


def test_a_job_log_is_followed_to_its_end_and_told_by_level(program: Program, page: Page) -> None:
    _, address = program.up()
    job_id = generate(address, worker_count=2, log_count=40, log_delay_ms=20)

    complaints = embed(
        page, address, PART.format(component="jobLogs", given=f'data-job-id="{job_id}" data-level="debug"')
    )
    expect(page.locator("b")).to_have_text("ended", timeout=60_000)

    lines = page.locator("li").all_text_contents()
    assert lines[-1] == "Status changed: completed"
    assert sum("(40 of 40)" in line for line in lines) == 2
    assert page.locator("i").text_content() == f"{len(lines)} lines received, 0 missing"
    assert page.locator("u").text_content() == "completed"
    assert page.locator("em").text_content() == "0 pending, 0 running, 2 completed, 0 failed"
    page.get_by_role("button").click()
    expect(page.locator("li").filter(has_text="Status changed")).to_have_count(0)
    assert complaints == []


def test_the_service_log_is_live_and_the_stylesheet_gives_it_a_terminals_look(program: Program, page: Page) -> None:
    _, address = program.up()

    complaints = embed(page, address, PART.format(component="serviceLogs", given=""))
    expect(page.locator("b")).to_have_text("live", timeout=60_000)
    expect(page.locator("li").filter(has_text="serving on")).not_to_have_count(0)

    assert page.locator("u").text_content() == "running"
    family = page.locator("section").evaluate("(part) => getComputedStyle(part).fontFamily")
    assert "mono" in family
    assert complaints == []
