"""One connection for all tabs, and the truth about it: live, resuming, stale, and right again afterwards."""

from playwright.sync_api import BrowserContext, Page, Route, expect
from tests.browser.site import Site
from tests.integration.program import wait_for

NO_SOCKETS = """
window.WebSocket = class {
    static OPEN = 1;
    constructor() { setTimeout(() => this.onclose?.({}), 10); }
    close() {}
};
"""


def sockets(context: BrowserContext) -> list[Page]:
    """A list that grows by the page of every WebSocket that is opened."""
    opened: list[Page] = []
    context.on("page", lambda page: page.on("websocket", lambda _: opened.append(page)))
    return opened


def test_when_the_leading_tab_goes_another_one_leads(context: BrowserContext, common: Site) -> None:
    opened = sockets(context)
    first, second = context.new_page(), context.new_page()
    first.goto(common.address)
    expect(first.locator(".connection")).to_have_text("Live")
    second.goto(common.address)
    expect(second.locator(".connection")).to_have_text("Live")

    first.close()
    wait_for(lambda: len(opened) == 2 or second.wait_for_timeout(50), "a connection of the other tab")
    common.submit("child", {"number": 1}, name="After the change")

    expect(second.locator("q-list .row", has_text="After the change")).to_contain_text("Completed")
    assert opened == [first, second]


def test_a_server_that_is_gone_is_told_and_what_happened_meanwhile_is_there_afterwards(page: Page, site: Site) -> None:
    job_id = site.submit("family", {"size": 120, "gate": "gate"}, name="Through the night")
    page.goto(f"{site.address}/jobs/{job_id}")
    expect(page.locator(".exact")).to_contain_text("running, 0 completed")

    site.running.send(15)
    site.running.wait()
    expect(page.locator(".connection")).not_to_have_text("Live")
    site.open_gate()
    site.again()
    job = site.ended(job_id)

    expect(page.locator(".connection")).to_have_text("Live")
    expect(page.locator(".exact")).to_have_text(job["progress_text"])
    expect(page.locator(".legend")).to_contain_text("Completed120")


def test_without_a_live_plane_the_page_asks_again_and_says_so(page: Page, common: Site) -> None:
    page.add_init_script(NO_SOCKETS)
    page.goto(common.address)
    expect(page.locator(".connection")).to_have_text("Fetching")

    common.submit("child", {"number": 1}, name="Found by asking")

    expect(page.locator("q-list .row", has_text="Found by asking")).to_contain_text("Completed")


def test_what_could_not_be_read_at_first_is_asked_for_again(page: Page, shared: Site) -> None:
    job_id = shared.jobs["talker"]
    refused: set[str] = set()

    def refuse_once(route: Route) -> None:
        path = route.request.url.partition("?")[0]
        if path in refused:
            route.continue_()
        else:
            refused.add(path)
            route.fulfill(status=503, json={"detail": "the store does not answer"})

    page.route(f"**/api/jobs/{job_id}", refuse_once)
    page.route(f"**/api/jobs/{job_id}/logs?*", refuse_once)
    page.goto(f"{shared.address}/jobs/{job_id}?tab=log")

    expect(page.locator(".notice")).to_contain_text("the store does not answer")
    expect(page.locator("q-log .log-state")).to_contain_text("could not be read: the store does not answer")
    expect(page.locator("q-log .log-state")).to_contain_text("ended, complete")
    expect(page.locator("q-log .line").first).to_be_visible()
    assert len(refused) == 2
