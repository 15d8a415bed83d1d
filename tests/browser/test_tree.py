"""The tree page: exact and live, steps that open by themselves, the run map, errors in groups."""

import re

from playwright.sync_api import APIResponse, Browser, Page, Route, WebSocketRoute, expect
from tests.browser.conftest import watched
from tests.browser.frames import next_frame, until
from tests.browser.site import DEFINITION, Gate, Site
from tests.integration.program import wait_for

UNREADABLE = re.compile(r"/children\?")


def brush(page: Page, first: int, last: int) -> None:
    """Drag over cells of the map's first row, 14 pixels each."""
    box = page.locator("q-map").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 14 * first + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 14 * last + 5, box["y"] + 5, steps=4)
    page.mouse.up()


def test_the_text_of_progress_is_the_stores_own_at_the_end(page: Page, common: Site, gate: Gate) -> None:
    job_id = common.submit("family", {"size": 200, "fail_every": 10, "gate": gate.name}, name="Soundings")
    page.goto(f"{common.address}/jobs/{job_id}")
    expect(page.locator(".exact")).to_have_text("100 pending, 100 running, 0 completed, 0 failed")
    expect(page.locator("h1")).to_have_text("Soundings")

    gate.open()
    job = common.ended(job_id)

    expect(page.locator(".exact")).to_have_text(job["progress_text"])
    expect(page.locator(".tree-head .badge")).to_have_text("Failed")
    expect(page.locator(".legend")).to_contain_text("Completed180")
    expect(page.locator(".legend")).to_contain_text("Failed20")


def test_steps_stand_in_a_graph_and_the_failed_one_is_open_and_shown(page: Page, common: Site) -> None:
    common.post("/api/job-definitions", {"toml": DEFINITION})
    job_id = common.post("/api/job-definitions/survey/execute", {})["id"]
    page.goto(f"{common.address}/jobs/{job_id}")
    common.ended(job_id)

    compare = page.locator(".steps li", has_text="compare")
    expect(compare.get_by_role("button", name="Close step compare")).to_have_attribute("aria-expanded", "true")
    expect(compare).to_contain_text("4 × the bridge is up")
    expect(page.locator(".steps li", has_text="measure")).to_contain_text("5 × the bridge is up")
    expect(page.locator(".graph .edges path")).to_have_count(3)
    page.locator(".graph").get_by_role("button", name="measure").click()
    expect(page.locator(".map-panel h2")).to_have_text("Run map of measure")
    assert "step=" in page.url
    page.get_by_role("link", name="Open step compare").click()
    expect(page.locator("h1")).to_have_text("compare")
    page.keyboard.press("2")
    expect(page.locator(".group", has_text="the bridge is up")).to_contain_text("4 jobs")


def test_the_map_tells_opens_and_selects(page: Page, shared: Site) -> None:
    job_id = shared.jobs["family"]
    page.goto(f"{shared.address}/jobs/{job_id}")
    cells = page.locator("q-map")
    expect(page.locator(".map-panel header")).to_contain_text("500 children")

    cells.hover(position={"x": 5, "y": 5})
    expect(page.locator(".tip")).to_contain_text("Failed")
    expect(page.locator(".tip")).to_contain_text("the bridge is up")
    page.locator("q-map").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".tip")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".tip")).to_be_hidden()
    brush(page, 0, 20)
    expect(page.get_by_role("region", name="Selected children")).to_contain_text(
        "21 children selected: 18 completed, 3 failed"
    )

    cells.focus()
    for key in ("Escape", "Home", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("h1")).to_have_text("child")
    expect(page.locator(".crumbs")).to_contain_text(f"Tree {job_id}")


def test_a_finger_that_rests_on_the_map_selects_and_one_that_taps_opens(browser: Browser, shared: Site) -> None:
    context = watched(browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True))
    page = context.new_page()
    page.goto(f"{shared.address}/jobs/{shared.jobs['family']}")
    expect(page.locator(".map-panel header")).to_contain_text("500 children")
    box = page.locator("q-map").bounding_box()
    assert box is not None
    finger = context.new_cdp_session(page)

    def touch(what: str, *points: float) -> None:
        at = [{"x": box["x"] + x, "y": box["y"] + 5} for x in points]
        finger.send("Input.dispatchTouchEvent", {"type": what, "touchPoints": at})

    touch("touchStart", 5)
    chosen = page.get_by_role("region", name="Selected children")
    expect(chosen).to_contain_text("1 child selected")
    touch("touchMove", 40)
    touch("touchMove", 90)
    expect(chosen).not_to_contain_text("1 child selected")
    touch("touchEnd")
    expect(page.locator(".tip")).to_be_hidden()

    chosen.get_by_role("button", name="Clear").tap()
    page.locator("q-map").tap(position={"x": 5, "y": 5})
    expect(page.locator("h1")).to_have_text("child")
    assert not page.evaluate("window.__broken")
    context.close()


def test_the_map_by_error_and_by_duration_is_live_and_never_read_again(page: Page, common: Site, gate: Gate) -> None:
    job_id = common.submit("family", {"size": 60, "gate": gate.name, "fail_every": 4}, name="Soundings")
    read: list[str] = []
    page.on("request", lambda request: read.append(request.url) if "/map?" in request.url else None)
    page.goto(f"{common.address}/jobs/{job_id}")
    expect(page.locator(".legend")).to_contain_text("Running60")
    page.get_by_role("group", name="Colour by").get_by_role("button", name="Error").click()
    expect(page.locator(".legend")).to_have_text("did not fail60")

    gate.open()
    common.ended(job_id)

    expect(page.locator(".legend")).to_contain_text("the bridge is up15")
    expect(page.locator(".legend")).to_contain_text("did not fail45")
    assert [url.partition("by=")[2].partition("&")[0] for url in read] == ["status", "error"]


def test_a_map_that_was_read_once_more_goes_on_from_where_it_stands(page: Page, common: Site, gate: Gate) -> None:
    """It is older than what the live plane told of the map before it, and arrives later."""
    late: list[tuple[Route, APIResponse]] = []
    held: list[tuple[WebSocketRoute, str | bytes]] = []
    is_held = True

    def plane(socket: WebSocketRoute) -> None:
        def tell(message: str | bytes) -> None:
            if is_held and '"type":"map"' in str(message):
                held.append((socket, message))
            else:
                socket.send(message)

        socket.connect_to_server().on_message(tell)

    page.route_web_socket("**/ws", plane)
    job_id = common.submit("family", {"size": 40, "gate": gate.name}, name="Soundings")
    page.goto(f"{common.address}/jobs/{job_id}")
    expect(page.locator(".legend")).to_contain_text("Running40")
    page.route("**/map?*", lambda route: late.append((route, route.fetch())), times=1)
    common.post(f"/api/jobs/{common.get(f'/api/jobs/{job_id}/children')['jobs'][0]['id']}/cancel", {})
    until(page, lambda: late, "a map that is read again")

    gate.open()
    common.ended(job_id)
    until(page, lambda: held, "what the live plane tells")
    is_held = False
    for socket, message in held:
        socket.send(message)
    expect(page.locator(".legend")).to_contain_text("Completed39")
    [(route, answer)] = late
    with page.expect_response("**/map?*"):
        route.fulfill(response=answer)
    next_frame(page)

    expect(page.locator(".legend")).to_contain_text("Completed39")


def test_selected_cells_have_a_log_of_their_own_that_an_address_keeps(page: Page, shared: Site) -> None:
    page.goto(f"{shared.address}/jobs/{shared.jobs['family']}")
    expect(page.locator(".map-panel header")).to_contain_text("500 children")
    brush(page, 2, 4)

    page.get_by_role("region", name="Selected children").get_by_role("button", name="Logs").click()
    lines = page.locator("q-log .line .says", has_text="begins")
    expect(lines).to_have_text(["child 2 begins", "child 3 begins", "child 4 begins"])
    expect(page.get_by_role("button", name="Selected: jobs")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("q-log .log-state")).to_contain_text("ended, complete")

    page.goto(page.url)
    expect(lines).to_have_text(["child 2 begins", "child 3 begins", "child 4 begins"])
    page.get_by_role("button", name="Whole tree").click()
    expect(lines).not_to_have_count(3)


def test_what_selected_cells_say_comes_live(page: Page, common: Site, gate: Gate) -> None:
    job_id = common.submit("family", {"size": 40, "gate": gate.name, "fail_every": 3}, name="Soundings")
    # a page that knows the children from the start shows less of a log than one that saw them come, but not of these
    wait_for(lambda: common.get(f"/api/jobs/{job_id}")["tally"]["running"] == 40, "its children")
    page.goto(f"{common.address}/jobs/{job_id}")
    expect(page.locator(".legend")).to_contain_text("Running40")
    brush(page, 3, 4)
    page.get_by_role("region", name="Selected children").get_by_role("button", name="Logs").click()
    expect(page.locator("q-log .line .says", has_text="begins")).to_have_count(2)

    gate.open()

    expect(page.locator("q-log .line[data-status=failed]")).to_have_count(1)
    expect(page.locator("q-log .line[data-status=completed]")).to_have_count(1)


def test_many_selected_cells_are_cancelled_by_one_job_that_said_what_it_would_touch(page: Page, common: Site) -> None:
    job_id = common.submit("family", {"size": 300, "gate": "never"}, name="Adrift")
    page.goto(f"{common.address}/jobs/{job_id}")
    expect(page.locator(".map-panel header")).to_contain_text("300 children")
    brush(page, 0, 59)

    page.get_by_role("region", name="Selected children").get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("60 jobs are touched, of 60 chosen")
    dialog.get_by_role("button", name="Cancel 60 jobs").click()

    expect(page.locator(".toast")).to_contain_text("a job of its own does it")
    expect(page.locator(".legend")).to_contain_text("Cancelled60")
    common.cancelled(job_id)


def test_one_failure_of_many_is_seen_on_the_bar_and_no_tab_is_cut_on_a_phone(page: Page, common: Site) -> None:
    job_id = common.submit("family", {"size": 1_000, "fail_every": 600}, name="Two of a thousand")
    common.ended(job_id)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{common.address}/jobs/{job_id}?tab=details")
    expect(page.locator("#tab-errors .count")).to_have_text("2")

    failed = page.locator(".far .bar i[data-status=failed]").bounding_box()
    tabs = page.locator(".lower .tabs").bounding_box()
    chosen = page.locator("#tab-details").bounding_box()

    assert failed is not None
    assert tabs is not None
    assert chosen is not None
    assert failed["width"] >= 10
    assert chosen["x"] + chosen["width"] <= tabs["x"] + tabs["width"] + 1


def test_a_definitions_root_has_no_attempt(page: Page, shared: Site) -> None:
    page.goto(f"{shared.address}/jobs/{shared.jobs['definition']}?tab=details")

    expect(page.locator(".details dl")).to_contain_text("its steps run")


def test_just_the_jobs_of_one_error_are_retried(page: Page, common: Site) -> None:
    job_id = common.submit("family", {"size": 20, "fail_every": 5}, name="Ferry")
    common.ended(job_id)
    page.goto(f"{common.address}/jobs/{job_id}?tab=errors")

    group = page.locator(".group", has_text="the bridge is up")
    expect(group).to_contain_text("2 jobs")
    group.get_by_role("button", name="Retry these").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()

    expect(page.locator(".toast")).to_contain_text("2 jobs retried")
    job = wait_for(lambda: common.ended(job_id), "its end")
    assert job["tally"]["failed"] == 4
    children = common.get(f"/api/jobs/{job_id}/children?status=failed")["jobs"]
    assert sorted(child["round"] for child in children) == [1, 1, 2, 2]


def test_children_are_filtered_and_open(page: Page, shared: Site) -> None:
    page.goto(f"{shared.address}/jobs/{shared.jobs['family']}")
    page.locator(".chip-button[data-status=failed]").click()
    expect(page.locator(".children .foot")).to_have_text("72 match")

    page.locator(".children q-list .row:not([hidden])").first.click()

    expect(page.locator(".tree-head .badge")).to_have_text("Failed")
    page.keyboard.press("2")
    expect(page.locator("#panel-errors pre")).to_contain_text("Traceback")
    page.keyboard.press("u")
    expect(page.locator("h1")).to_have_text("Night watch")


def test_children_that_cannot_be_read_are_not_said_to_be_none(page: Page, shared: Site) -> None:
    page.route(UNREADABLE, lambda route: route.abort())
    page.goto(f"{shared.address}/jobs/{shared.jobs['family']}")
    expect(page.locator(".children .notice")).to_contain_text("could not be read")
    expect(page.locator(".children .foot")).to_have_text("")

    page.unroute(UNREADABLE)

    expect(page.locator(".children .foot")).to_have_text("500 children")
    expect(page.locator(".children .notice")).to_have_count(0)


def test_a_job_that_is_cancelled_elsewhere_says_so_here(page: Page, common: Site) -> None:
    job_id = common.submit("family", {"size": 150, "gate": "never"}, name="Adrift")
    page.goto(f"{common.address}/jobs/{job_id}")
    expect(page.locator(".tree-head .badge")).to_have_text("Orchestrating")

    common.post(f"/api/jobs/{job_id}/cancel", {})

    expect(page.locator(".tree-head .badge")).to_have_text("Cancelled")
    expect(page.locator(".legend")).to_contain_text("Cancelled150")
