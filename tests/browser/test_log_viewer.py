"""The log viewer, used as a person uses it, against a real server: no line is lost, nothing looks live that is not."""

import re

from playwright.sync_api import Page, expect
from tests.browser.frames import until
from tests.browser.logview import LOG, transcript, was_not_live, watch
from tests.browser.site import Gate, Site

PANE = "q-log .log-pane"


def opened(page: Page, site: Site, job_id: str, end: str = "") -> None:
    page.goto(f"{site.address}/jobs/{job_id}?tab=log{end}")
    page.locator("q-log .line").first.wait_for()


def numbers(page: Page) -> list[int]:
    """The numbers of the lines in the page."""
    texts = page.locator("q-log .line .no").all_text_contents()
    return [int(text.replace(",", "")) for text in texts if text]


def test_it_opens_at_the_end_and_says_that_all_is_here(page: Page, shared: Site) -> None:
    opened(page, shared, shared.jobs["talker"])

    head = shared.get(f"/api/jobs/{shared.jobs['talker']}")["log_head"]
    until(page, lambda: numbers(page)[-1] == head, "the last line")
    expect(page.locator(LOG)).to_contain_text("0 missing")
    expect(page.locator(LOG)).to_contain_text("ended, complete")


def test_scrolling_up_reaches_the_first_line_and_the_way_is_unbroken(page: Page, shared: Site) -> None:
    opened(page, shared, shared.jobs["talker"])

    seen = {number for number, _ in transcript(page, 1)}

    head = shared.get(f"/api/jobs/{shared.jobs['talker']}")["log_head"]
    assert seen >= set(range(1, head - 60))


def test_dragging_the_scrollbar_jumps_to_that_part_of_the_log(page: Page, shared: Site) -> None:
    opened(page, shared, shared.jobs["talker"])

    page.evaluate("(pane => { pane.scrollTop = pane.scrollHeight * 0.4; })(document.querySelector('q-log .log-pane'))")

    until(page, lambda: any(1_500 < number < 2_500 for number in numbers(page)), "lines from there")
    shown = numbers(page)
    assert shown == list(range(shown[0], shown[0] + len(shown)))


def test_a_search_counts_its_hits_and_walks_them(page: Page, shared: Site) -> None:
    opened(page, shared, shared.jobs["talker"])

    page.fill("q-log input[type=search]", "line 4321 of")
    expect(page.locator("q-log .found")).to_contain_text("1 hit")
    page.keyboard.press("Enter")

    expect(page.locator("q-log .line[data-current] mark")).to_have_text("line 4321 of")
    expect(page.locator("q-log .found")).to_have_text("1 of 1")
    page.get_by_role("button", name="Only hits").click()
    expect(page.locator("q-log .line")).to_have_count(1)


def test_another_level_shows_the_newest_end_to_whoever_follows_it(page: Page, shared: Site) -> None:
    opened(page, shared, shared.jobs["family"])
    page.locator("q-log select").first.select_option("error")

    page.locator("q-log .line[data-level=error]").last.wait_for()
    newest = shared.get(f"/api/jobs/{shared.jobs['family']}/logs?level=error&limit=1")["logs"][0]["seq"]
    until(page, lambda: numbers(page)[-1] == newest, "the newest failure")
    expect(page.locator("q-log .fresh")).to_be_hidden()


def test_another_level_keeps_the_place_of_whoever_reads(page: Page, shared: Site) -> None:
    opened(page, shared, shared.jobs["family"])
    page.evaluate("(pane => { pane.scrollTop = pane.scrollHeight * 0.5; })(document.querySelector('q-log .log-pane'))")
    head = shared.get(f"/api/jobs/{shared.jobs['family']}")["log_head"]
    until(page, lambda: any(abs(number - head / 2) < 60 for number in numbers(page)), "the middle")

    page.locator("q-log select").first.select_option("error")

    page.locator("q-log .line[data-level=error]").last.wait_for()
    until(page, lambda: any(abs(number - head / 2) < 120 for number in numbers(page)), "failures round the middle")
    assert all(
        level == "error" for level in page.locator("q-log .line").evaluate_all("rows => rows.map(r => r.dataset.level)")
    )


def test_an_address_names_lines(page: Page, shared: Site) -> None:
    opened(page, shared, shared.jobs["talker"], "#L100-L103")

    expect(page.locator("q-log .line[data-chosen]")).to_have_count(4)
    page.locator("q-log .line .no", has_text=re.compile("^105$")).click(modifiers=["Shift"])
    assert page.url.endswith("#L100-L105")
    expect(page.locator("q-log .line[data-chosen]")).to_have_count(6)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.locator(".toast")).to_contain_text("6 lines copied")
    assert page.evaluate("navigator.clipboard.readText()").count("\n") == 5


def test_an_address_names_a_line_of_a_step_and_the_level_it_was_seen_at(page: Page, shared: Site) -> None:
    opened(page, shared, shared.jobs["definition"])
    page.locator("q-log .line .no").last.click()
    page.get_by_role("group", name="Whose log").get_by_role("button", name="compare").click()
    expect(page.locator("q-log .line")).not_to_have_count(0)
    expect(page.locator("q-log .line[data-chosen]")).to_have_count(0)  # the number meant a line of the tree
    expect(page.locator("q-log .fresh")).to_be_hidden()
    page.locator("q-log select").first.select_option("debug")
    page.locator("q-log .line[data-level=debug] .no").last.click()
    chosen = page.locator("q-log .line[data-chosen]")
    expect(chosen).to_have_count(1)
    line, address = chosen.inner_text(), page.url

    page.goto("about:blank")
    page.goto(address)

    expect(chosen).to_have_text(line, use_inner_text=True)
    expect(page.locator("q-log .line[data-current]")).to_have_count(1)
    expect(page.get_by_role("button", name="compare", pressed=True).last).to_be_visible()


def test_who_scrolled_up_is_not_moved_and_told_how_much_came(page: Page, common: Site, gate: Gate) -> None:
    job = common.submit("talker", {"lines": 3_000, "gate": gate.name})
    until(page, lambda: common.get(f"/api/jobs/{job}")["log_head"] > 1_500, "half of the lines")
    opened(page, common, job)
    page.locator(PANE).focus()
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    page.locator("q-log .fresh").wait_for()
    before = numbers(page)

    gate.open()
    common.ended(job)
    expect(page.locator("q-log .fresh")).to_contain_text("new")

    assert set(numbers(page)) & set(before) == set(before)
    page.locator("q-log .fresh").click()
    head = common.get(f"/api/jobs/{job}")["log_head"]
    until(page, lambda: numbers(page)[-1] == head, "the last line")


def test_a_killed_gateway_costs_no_line_and_the_page_says_what_it_is(page: Page, common: Site, gate: Gate) -> None:
    job = common.submit("talker", {"lines": 4_000, "gate": gate.name})
    opened(page, common, job)
    expect(page.locator(LOG)).to_have_attribute("data-state", "live")

    watch(page)
    common.kill_gateway()
    was_not_live(page)
    gate.open()
    until(page, lambda: page.locator(LOG).get_attribute("data-state") == "ended", "the end")

    told = page.locator(LOG).inner_text()
    head = common.get(f"/api/jobs/{job}")["log_head"]
    assert f"–{head:,} received, 0 missing" in told
    assert numbers(page)[-1] == head


def test_colours_survive_and_nothing_else_does(page: Page, common: Site) -> None:
    job = common.submit("colours")
    common.ended(job)
    opened(page, common, job)

    red = page.locator("q-log .says .sgr-fg-1")
    expect(red).to_have_text("red")
    text = page.locator("q-log .line", has_text="before").locator(".says").inner_text()
    assert text == "before red after <img src=x onerror=__ran()>"
    link = page.locator("q-log .says a")
    expect(link).to_have_attribute("href", "https://example.org/a?b=c")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")


def test_the_service_log_is_read_in_the_same_viewer(page: Page, shared: Site) -> None:
    page.goto(f"{shared.address}/settings?tab=log")

    expect(page.locator("q-log .line").first).to_be_visible()
    expect(page.locator(LOG)).to_contain_text("live")
