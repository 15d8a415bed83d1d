"""A server that wants a credential, in a real browser: log in with and without scripts, watch live, be shut out."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.browser.conftest import watched
from tests.integration.program import CONFIG, Program, http

from quaero.domain.access import parse_key

JOBS = "fetch('/api/jobs').then((answer) => answer.json()).then((page) => page.jobs.map((job) => job.id))"
CLOSED = f"{CONFIG}\n[auth]\nrequired = true\n"


class ClosedSite:
    """A server that wants a credential."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._admin = program.run("token", "create", "root", "--scope", "admin").stdout.strip()
        _, self.address = program.up(app="tests.browser.work")

    def token(self, scope: str) -> str:
        """A new token."""
        body = {"name": "ann", "scope": scope}
        status, made = http("POST", f"{self.address}/api/tokens", body, token=self._admin)
        assert status == 201, made
        return str(made["token"])

    def revoke(self, token: str) -> None:
        """Make a token no good."""
        assert http("DELETE", f"{self.address}/api/tokens/{id_of(token)}", token=self._admin)[0] == 200


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClosedSite]:
    program = Program(tmp_path_factory.mktemp("closed"), CLOSED)
    yield ClosedSite(program)
    program.close()


def id_of(token: str) -> str:
    key = parse_key(token)
    assert key is not None
    return key.id


def log_in(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()


def test_who_logs_in_comes_where_he_wanted_to_be_and_watches_live(context: BrowserContext, closed: ClosedSite) -> None:
    token, address = closed.token("operator"), closed.address
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
            body: '{"kind": "child", "payload": {"number": 1}}'}).then((answer) => answer.status)"""
    )
    assert status == 201


def test_a_revoked_token_shuts_the_page_out(context: BrowserContext, closed: ClosedSite) -> None:
    token, address = closed.token("viewer"), closed.address
    page = context.new_page()
    page.goto(address)
    log_in(page, token)
    expect(page.locator(".connection")).to_have_text("Live")

    closed.program.run("token", "revoke", id_of(token))  # by another process

    expect(page).to_have_title("Log in · Quaero")
    assert context.request.get(f"{address}/api/jobs").status == 401
    page.goto(address)
    expect(page).to_have_title("Log in · Quaero")


def test_a_login_that_runs_out_leads_to_the_next_and_back_to_the_very_line(
    context: BrowserContext, closed: ClosedSite
) -> None:
    first, second, address = closed.token("operator"), closed.token("viewer"), closed.address
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

    closed.revoke(first)
    expect(page).to_have_title("Log in · Quaero")
    (closed.program.place / "gate").touch()
    log_in(page, second)

    expect(page).to_have_url(view)
    expect(page.locator("q-log .line[data-chosen] .no")).to_have_text("20")
    expect(page.locator("q-log .log-state")).to_contain_text("ended, complete")
    expect(page.locator("q-log .log-state")).to_contain_text("–302 received, 0 missing")


def test_a_view_that_asks_for_nothing_is_led_to_the_login_too(context: BrowserContext, closed: ClosedSite) -> None:
    token, address = closed.token("viewer"), closed.address
    page = context.new_page()
    page.goto(f"{address}/documents")
    log_in(page, token)
    expect(page.locator(".connection")).to_have_text("Live")

    closed.revoke(token)

    expect(page).to_have_title("Log in · Quaero")


def test_logging_in_needs_no_scripts(browser: Browser, closed: ClosedSite) -> None:
    token, address = closed.token("viewer"), closed.address
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()

    page.goto(f"{address}/definitions")
    log_in(page, token)

    expect(page).to_have_url(f"{address}/definitions")
    expect(page).not_to_have_title("Log in · Quaero")
    context.close()


def test_a_link_from_another_site_arrives_with_the_session(browser: Browser, closed: ClosedSite) -> None:
    token, address = closed.token("viewer"), closed.address
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


def test_another_site_can_make_the_browser_do_nothing(browser: Browser, closed: ClosedSite) -> None:
    token, address = closed.token("admin"), closed.address
    context = browser.new_context()
    context.route("http://evil.example/*", lambda route: route.fulfill(content_type="text/html", body="<p>evil</p>"))
    page = context.new_page()
    page.goto(address)
    log_in(page, token)
    expect(page.locator(".connection")).to_have_text("Live")
    before = page.evaluate(JOBS)

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
    after = page.evaluate(JOBS)

    assert all(answer in ("refused", "opaque 0") for answer in tried)
    assert tried[2:] == ["refused", "refused"]
    assert after == before
    context.close()
