"""Off loopback: a browser shows a token, sees what its scope allows, and goes out again."""

from playwright.sync_api import Page, expect
from tests.integration.program import Program, http


def test_a_viewer_logs_in_looks_at_a_job_is_offered_nothing_to_do_and_logs_out(page: Page, program: Program) -> None:
    token = program.run("token", "create", "Ana", "--scope", "viewer").stdout.strip()
    maker = program.run("token", "create", "Ben", "--scope", "submitter").stdout.strip()
    _, address = program.up("--host", "0.0.0.0", app="tests.browser.work")
    address = address.replace("0.0.0.0", "127.0.0.1")
    body = {"kind": "child", "payload": {"number": 1}, "name": "Seen by Ana"}
    assert http("POST", f"{address}/api/jobs", body, token=maker)[0] == 201

    page.goto(f"{address}/?status=completed")
    expect(page.get_by_label("Token")).to_be_visible()
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()

    expect(page).to_have_url(f"{address}/?status=completed")
    expect(page.locator(".connection")).to_have_text("Live")
    expect(page.locator(".session")).to_contain_text("Ana")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_hidden()
    page.locator("q-list .name", has_text="Seen by Ana").click()
    expect(page.locator("h1")).to_have_text("Seen by Ana")
    expect(page.get_by_role("button", name="Delete", exact=True)).to_be_hidden()

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    page.goto(address)
    expect(page.get_by_label("Token")).to_be_visible()
