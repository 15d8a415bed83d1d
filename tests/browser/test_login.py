"""A server that wants a credential, in a real browser: log in with and without scripts, watch live, be shut out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.browser.conftest import watched
from tests.integration.program import CONFIG, Program

from quaero.domain.access import parse_key

CLOSED = f"{CONFIG}\n[auth]\nrequired = true\n"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path, CLOSED)
    yield program
    program.close()


def token_of(program: Program, scope: str) -> str:
    return program.run("token", "create", "ann", "--scope", scope).stdout.strip()


def log_in(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()


def test_who_logs_in_comes_where_he_wanted_to_be_and_watches_live(context: BrowserContext, program: Program) -> None:
    token = token_of(program, "operator")
    _, address = program.up(app="tests.browser.work")
    page = context.new_page()

    page.goto(f"{address}/?status=running")
    expect(page).to_have_title("Log in · Quaero")
    log_in(page, "qk_wrong")
    expect(page.get_by_role("alert")).to_contain_text("wrong, revoked or expired")
    log_in(page, token)
    expect(page.locator(".connection")).to_have_text("Live")
    (cookie,) = context.cookies()

    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert token not in str(cookie)
    assert page.evaluate("document.cookie") == ""
    status = page.evaluate(
        """fetch("/api/jobs", {method: "POST", headers: {"content-type": "application/json"},
            body: '{"kind": "generator"}'}).then((answer) => answer.status)"""
    )
    assert status == 201


def test_a_revoked_token_shuts_the_page_out(context: BrowserContext, program: Program) -> None:
    token = token_of(program, "viewer")
    _, address = program.up(app="tests.browser.work")
    page = context.new_page()
    page.goto(address)
    log_in(page, token)
    expect(page.locator(".connection")).to_have_text("Live")

    key = parse_key(token)
    assert key is not None
    program.run("token", "revoke", key.id)

    expect(page.locator(".connection")).not_to_have_text("Live")
    assert page.evaluate("fetch('/api/jobs').then((answer) => answer.status)") == 401
    page.goto(address)
    expect(page).to_have_title("Log in · Quaero")


def test_a_login_that_runs_out_leads_to_the_next_and_back_to_the_very_line(
    context: BrowserContext, program: Program
) -> None:
    first, second = token_of(program, "operator"), token_of(program, "viewer")
    _, address = program.up(app="tests.browser.work")
    page = context.new_page()
    page.goto(address)
    log_in(page, first)
    expect(page.locator(".connection")).to_have_text("Live")
    job_id = page.evaluate(
        """fetch("/api/jobs", {method: "POST", headers: {"content-type": "application/json"},
            body: '{"kind": "talker", "payload": {"lines": 300, "gate": "gate"}}'})
            .then((answer) => answer.json()).then((job) => job.id)"""
    )
    view = f"{address}/jobs/{job_id}?tab=log#L20"
    page.goto(view)
    expect(page.locator("q-log .line[data-chosen] .no")).to_have_text("20")

    key = parse_key(first)
    assert key is not None
    program.run("token", "revoke", key.id)
    expect(page).to_have_title("Log in · Quaero")
    (program.place / "gate").touch()
    log_in(page, second)

    expect(page).to_have_url(view)
    expect(page.locator("q-log .line[data-chosen] .no")).to_have_text("20")
    expect(page.locator("q-log .log-state")).to_contain_text("ended, complete")
    expect(page.locator("q-log .log-state")).to_contain_text("–302 received, 0 missing")


def test_a_view_that_asks_for_nothing_is_led_to_the_login_too(context: BrowserContext, program: Program) -> None:
    token = token_of(program, "viewer")
    _, address = program.up(app="tests.browser.work")
    page = context.new_page()
    page.goto(f"{address}/documents")
    log_in(page, token)
    expect(page.locator(".connection")).to_have_text("Live")

    key = parse_key(token)
    assert key is not None
    program.run("token", "revoke", key.id)

    expect(page).to_have_title("Log in · Quaero")


def test_logging_in_needs_no_scripts(browser: Browser, program: Program) -> None:
    token = token_of(program, "viewer")
    _, address = program.up(app="tests.browser.work")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()

    page.goto(f"{address}/definitions")
    log_in(page, token)

    expect(page).to_have_url(f"{address}/definitions")
    expect(page).not_to_have_title("Log in · Quaero")
    context.close()


def test_a_link_from_another_site_arrives_with_the_session(browser: Browser, program: Program) -> None:
    token = token_of(program, "viewer")
    _, address = program.up(app="tests.browser.work")
    context = watched(browser.new_context())
    context.route("http://wiki.example/*", lambda route: route.fulfill(
        content_type="text/html", body=f'<a href="{address}/definitions">the definitions</a>'))  # fmt: skip
    page = context.new_page()
    page.goto(address)
    log_in(page, token)
    expect(page.locator(".connection")).to_have_text("Live")

    page.goto("http://wiki.example/page")
    page.get_by_role("link").click()

    expect(page).to_have_url(f"{address}/definitions")
    expect(page.locator(".connection")).to_have_text("Live")
    context.close()


def test_another_site_can_make_the_browser_do_nothing(browser: Browser, program: Program) -> None:
    token = token_of(program, "admin")
    _, address = program.up(app="tests.browser.work")
    context = browser.new_context()
    context.route("http://evil.example/*", lambda route: route.fulfill(content_type="text/html", body="<p>evil</p>"))
    page = context.new_page()
    page.goto(address)
    log_in(page, token)
    expect(page.locator(".connection")).to_have_text("Live")

    page.goto("http://evil.example/")
    tried = page.evaluate(
        """async (address) => {
            const blind = {credentials: "include", mode: "no-cors"};
            const asked = (path, options) => fetch(address + path, {...blind, ...options})
                .then((answer) => `${answer.type} ${answer.status}`, () => "refused");
            const socket = new Promise((resolve) => {
                const one = new WebSocket(address.replace("http", "ws") + "/ws");
                one.onopen = () => resolve("open");
                one.onerror = () => resolve("refused");
            });
            const stream = new Promise((resolve) => {
                const one = new EventSource(address + "/api/service/logs/stream", {withCredentials: true});
                one.onopen = () => resolve("open");
                one.onerror = () => resolve("refused");
            });
            const form = {method: "POST", body: '{"kind": "generator"}'};
            return [await asked("/api/jobs", form), await asked("/api/jobs"), await socket, await stream];
        }""",
        address,
    )
    page.goto(address)
    jobs = page.evaluate("fetch('/api/jobs').then((answer) => answer.json())")

    assert all(answer in ("refused", "opaque 0") for answer in tried)
    assert tried[2:] == ["refused", "refused"]
    assert jobs["jobs"] == []
    context.close()
