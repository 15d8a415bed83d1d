"""The queue page: live without a reload, filters in the address, many roots in few elements, actions with a preview."""

import re

from playwright.sync_api import Page, expect
from tests.browser.site import Site
from tests.integration.program import wait_for


def row(page: Page, name: str) -> str:
    return f"q-list .row:has(.name:text-is('{name}'))"


def test_a_new_root_and_its_progress_appear_without_a_reload(page: Page, site: Site) -> None:
    page.goto(site.address)
    expect(page.locator(".connection")).to_have_text("Live")
    expect(page.get_by_text("No jobs yet")).to_be_visible()

    job_id = site.submit("family", {"size": 40, "gate": "gate"}, name="Tide tables")
    expect(page.locator(row(page, "Tide tables"))).to_contain_text("Orchestrating")
    expect(page.locator(row(page, "Tide tables"))).to_contain_text("0 pending, 40 running, 0 completed, 0 failed")
    site.open_gate()

    expect(page.locator(row(page, "Tide tables"))).to_contain_text("Completed")
    expect(page.locator(row(page, "Tide tables"))).to_contain_text("0 pending, 0 running, 40 completed, 0 failed")
    expect(page.locator(".tile[data-status=completed] .value")).to_have_text("41")
    assert site.get(f"/api/jobs/{job_id}")["status"] == "completed"


def test_a_filter_stands_in_the_address_and_survives_a_reload(page: Page, shared: Site) -> None:
    page.goto(shared.address)
    page.locator(".tile[data-status=failed]").click()
    expect(page.locator("q-list .row:not([hidden])")).to_have_count(2)

    page.get_by_role("searchbox").fill("watch")
    expect(page.locator("q-list .row:not([hidden])")).to_have_count(1)
    assert "status=failed" in page.url
    page.reload()

    expect(page.locator(row(page, "Night watch"))).to_be_visible()
    expect(page.locator("q-list .row:not([hidden])")).to_have_count(1)
    expect(page.locator(".tile[data-status=failed]")).to_have_attribute("aria-pressed", "true")


def test_ten_thousand_roots_are_few_elements_and_any_of_them_is_a_key_away(page: Page, site: Site) -> None:
    for start in range(0, 10_000, 5_000):
        batch = [{"kind": "child", "payload": {"number": n}, "name": f"Root {n}"} for n in range(start, start + 5_000)]
        site.post("/api/jobs", batch)
    page.goto(site.address)
    expect(page.locator(row(page, "Root 9999"))).to_be_visible()

    page.locator("q-list").focus()
    page.keyboard.press("End")

    expect(page.locator(row(page, "Root 0"))).to_be_visible()
    assert page.evaluate("document.querySelectorAll('*').length") < 2_000
    page.mouse.move(700, 500)
    page.mouse.wheel(0, -400)
    expect(page.locator(row(page, "Root 20"))).to_be_visible()


def test_cancelling_the_selected_says_what_it_touches_and_does_that(page: Page, common: Site) -> None:
    open_id = common.submit("family", {"size": 30, "gate": "never"}, name="Endless")
    ended_id = common.submit("child", {"number": 1}, name="Over")
    common.ended(ended_id)
    wait_for(lambda: common.get(f"/api/jobs/{open_id}")["tally"]["total"] == 30, "all children")
    page.goto(common.address)
    for name in ("Endless", "Over"):
        page.locator(row(page, name)).get_by_role("checkbox").click()

    page.get_by_role("region", name="Selection").get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 job is touched, of 2 chosen")
    expect(dialog).to_contain_text("30 open jobs below are cancelled with it")
    expect(dialog).to_contain_text("1 stays as it is: already ended")
    dialog.get_by_role("button", name="Cancel 1 job").click()

    expect(page.locator(row(page, "Endless"))).to_contain_text("Cancelled")
    expect(page.locator(row(page, "Over"))).to_contain_text("Completed")
    assert common.ended(open_id)["tally"]["cancelled"] == 30

    page.locator(row(page, "Over")).get_by_role("checkbox").click()
    page.keyboard.press("c")
    expect(dialog).to_contain_text("Nothing to cancel")
    expect(dialog.get_by_role("button")).to_have_text(["Close"])


def test_a_definition_is_run_from_here_with_a_change(page: Page, site: Site) -> None:
    site.post(
        "/api/job-definitions", {"toml": 'id = "one"\nname = "One step"\n[step.only]\ntype = "family"\nsize = 3\n'}
    )
    page.goto(site.address)
    expect(page.locator(".connection")).to_have_text("Live")

    page.keyboard.press("r")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("radio", name="One step")).to_be_checked()
    dialog.get_by_role("textbox").fill('{"step": {"only": {"size": 7}}}')
    dialog.get_by_role("button", name="Run").click()

    expect(page).to_have_url(f"{site.address}/jobs/1")
    expect(page.locator(".exact")).to_have_text("0 pending, 0 running, 7 completed, 0 failed")


def test_how_the_queue_went_is_there_at_once(page: Page, shared: Site) -> None:
    def went() -> bool:
        return any(moment["throughput"] for moment in shared.get("/api/queue/history")["moments"])

    wait_for(went, "a moment at which something had ended")

    page.goto(shared.address)

    trace = page.locator(".tile.measure .spark .trace").first
    expect(trace).to_have_attribute("d", re.compile(r"^M0\.0 27\.0(L[\d.]+ [\d.]+){59,60}$"))
    expect(trace).to_have_attribute("d", re.compile(r"L[\d.]+ (?!27)"))
