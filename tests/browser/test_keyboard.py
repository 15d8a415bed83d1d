"""Everything by keys alone, and a help sheet that names them."""

from playwright.sync_api import Page, expect
from tests.browser.site import DEFINITION, Site


def test_a_walk_through_the_page_without_a_mouse(page: Page, shared: Site) -> None:
    page.goto(shared.address)
    expect(page.locator("q-list .row:not([hidden])").first).to_be_visible()

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Search in this view")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("night")
    expect(page.locator("q-list .row:not([hidden])")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    for key in ("j", "x"):
        page.keyboard.press(key)
    expect(page.get_by_role("region", name="Selection")).to_contain_text("1 job selected")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Night watch")

    for key, tab in (("2", "Errors"), ("6", "Details"), ("5", "Log"), ("1", "Children")):
        page.keyboard.press(key)
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("m")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".map-panel [role=status]")).to_contain_text("job")
    page.locator("body").press("u")
    for keys, heading in (("gd", "Definitions"), ("go", "Documents"), ("gs", "Settings"), ("gq", "Queue")):
        for key in keys:
            page.keyboard.press(key)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_enter_in_a_dialog_does_what_it_asks_about(page: Page, common: Site) -> None:
    common.post("/api/job-definitions", {"toml": DEFINITION.replace('"survey"', '"run-by-keys"')})
    page.goto(f"{common.address}/settings?tab=tokens")
    page.get_by_role("button", name="New token").click()
    page.keyboard.type("build")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Copy it now")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("table")).to_contain_text("build")

    for key in "gq":
        page.keyboard.press(key)
    page.keyboard.press("r")
    expect(page.get_by_role("dialog").get_by_role("radio")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("h1")).to_have_text("Harbour survey")


def test_tab_reaches_every_control_of_the_queue_and_the_focus_is_seen(page: Page, shared: Site) -> None:
    page.goto(shared.address)
    expect(page.locator("q-list .row:not([hidden])").first).to_be_visible()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent.trim()"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", reached[-1]
        if page.evaluate("document.activeElement.tagName") == "Q-LIST":
            break

    assert reached[0] == "Skip to content"
    for wanted in ("Definitions", "Theme", "Keys", "Kind", "Tag", "Created", "Order", "Run", "Jobs"):
        assert wanted in reached


def test_the_live_region_does_not_chatter(page: Page, common: Site) -> None:
    page.goto(common.address)
    expect(page.locator(".connection")).to_have_text("Live")
    page.evaluate("""() => {
        window.said = [];
        const region = document.querySelector('.unseen[role=status]');
        const watch = new MutationObserver(() => window.said.push(region.textContent));
        watch.observe(region, {childList: true, characterData: true, subtree: true});
    }""")

    job_id = common.submit("family", {"size": 1_000, "fail_every": 3}, name="A thousand words")
    expect(page.locator("q-list .row", has_text="A thousand words")).to_contain_text("Failed")

    assert common.get(f"/api/jobs/{job_id}")["tally"]["total"] == 1_000
    assert len(page.evaluate("window.said")) <= 3
