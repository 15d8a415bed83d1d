"""Whatever is done to the connection while a tree is busy: afterwards counts and transcript are the store's own, and
meanwhile nothing is called live that is not."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Error, Page, WebSocket, expect
from tests.browser.cable import Cable
from tests.browser.frames import until
from tests.browser.logview import CHIP, LOG, transcript, was_not_live, watch
from tests.browser.site import Gate, Site
from tests.integration.program import wait_for


@pytest.fixture
def busy(page: Page, common: Site, gate: Gate) -> str:
    """A tree that logs and spawns all the time, with its log in sight, live, from the beginning; its id."""
    job_id = common.submit("tide", {"gate": gate.name}, name="High water")
    see(page, common.address, job_id)
    flowing(page)
    return job_id


def see(page: Page, address: str, job_id: str) -> None:
    page.goto(f"{address}/jobs/{job_id}?tab=log")
    expect(page.locator(LOG)).to_have_attribute("data-state", "live")


def newest(page: Page) -> int:
    texts = page.locator("q-log .line .no").all_text_contents()
    return max((int(text.replace(",", "")) for text in texts if text), default=0)


def flowing(page: Page) -> None:
    """Wait until more has come than was there."""
    before = newest(page)
    until(page, lambda: newest(page) > before + 10, "new lines")


def not_live(page: Page) -> None:
    """Neither the page nor its log calls itself live, and it stays so."""
    expect(page.locator(CHIP)).not_to_have_attribute("data-state", "live", timeout=20_000)
    expect(page.locator(LOG)).not_to_have_attribute("data-state", "live", timeout=20_000)


def equals_the_store(page: Page, common: Site, gate: Gate, job_id: str) -> None:
    """Let it end, then compare counts and every line with what the store has."""
    gate.open()
    job = common.ended(job_id)

    expect(page.locator(LOG)).to_have_attribute("data-state", "ended")
    expect(page.locator(CHIP)).to_have_text("Live")
    expect(page.locator(".exact")).to_have_text(job["progress_text"])
    expect(page.locator(".legend")).to_contain_text(f"Completed{job['tally']['total']}")
    expect(page.locator(LOG)).to_contain_text("0 missing")
    level = page.get_by_label("Level").input_value()
    entries: list[dict[str, Any]] = common.get(f"/api/jobs/{job_id}/logs?order=asc&level={level}&limit=5000")["logs"]
    until(page, lambda: newest(page) == entries[-1]["seq"], "its end")
    shown = transcript(page, entries[0]["seq"])
    assert shown == [[entry["seq"], entry["message"]] for entry in entries]


def test_the_gateway_is_killed_and_comes_back(page: Page, common: Site, gate: Gate, busy: str) -> None:
    watch(page)
    common.kill_gateway()
    was_not_live(page)
    flowing(page)

    equals_the_store(page, common, gate, busy)


def test_the_network_is_gone_for_a_while(page: Page, common: Site, gate: Gate, busy: str) -> None:
    network = page.context.new_cdp_session(page)

    network.send("Network.enable")
    offline(network, True)
    not_live(page)
    shown = newest(page)
    wait_for(lambda: common.get(f"/api/jobs/{busy}")["log_head"] > shown + 100, "much that does not arrive")
    assert newest(page) < shown + 50
    not_live(page)
    offline(network, False)
    flowing(page)

    equals_the_store(page, common, gate, busy)


def offline(network: CDPSession, is_off: bool) -> None:
    speed = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    network.send("Network.emulateNetworkConditions", {"offline": is_off, **speed})


@pytest.fixture
def cable(common: Site) -> Iterator[Cable]:
    cable = Cable(common.address)
    yield cable
    cable.close()


@pytest.mark.parametrize("way", ["cut", "die"])
def test_the_connection_is_cut_in_the_middle_of_a_frame_or_goes_dead_without_a_sign(
    page: Page, common: Site, gate: Gate, cable: Cable, way: str
) -> None:
    job_id = common.submit("tide", {"gate": gate.name}, name="Through a cable")
    see(page, cable.address, job_id)
    flowing(page)

    getattr(cable, way)()
    not_live(page)
    cable.mend()
    flowing(page)

    equals_the_store(page, common, gate, job_id)


def test_the_tab_sleeps_while_it_all_goes_on(page: Page, common: Site, gate: Gate, busy: str) -> None:
    before = newest(page)

    with asleep(page):
        wait_for(lambda: common.get(f"/api/jobs/{busy}")["log_head"] > before + 100, "much that is slept through")
    flowing(page)

    equals_the_store(page, common, gate, busy)


@pytest.mark.timeout(600)
def test_of_twelve_tabs_the_leading_one_crashes(context: BrowserContext, common: Site, gate: Gate) -> None:
    opened = sockets(context)
    tabs = [context.new_page() for _ in range(12)]
    for tab in tabs:  # the first one fetches what all of them then have
        tab.goto(common.address)
        expect(tab.locator(CHIP)).to_have_text("Live")
    [leader] = opened
    others = [tab for tab in tabs if tab is not leader]
    job_id = common.submit("tide", {"gate": gate.name}, name="Seen by all")
    for tab in others[:2]:
        see(tab, common.address, job_id)

    crash(leader)
    for tab in others[:2]:
        flowing(tab)

    for tab in others[:2]:
        equals_the_store(tab, common, gate, job_id)
    for tab in others[2:]:
        expect(tab.locator("q-list .row", has_text="Seen by all")).to_contain_text("Completed")
    assert len(opened) == 2


def test_a_tab_that_somebody_sees_takes_the_lead_from_one_that_sleeps_and_gets_it_back_from_none(
    context: BrowserContext, common: Site, gate: Gate
) -> None:
    sockets: list[WebSocket] = []
    context.on("page", lambda page: page.on("websocket", lambda socket: sockets.append(socket)))
    job_id = common.submit("tide", {"gate": gate.name}, name="Under another flag")
    leader, other = context.new_page(), context.new_page()
    see(leader, common.address, job_id)
    see(other, common.address, job_id)

    watch(other)
    with asleep(leader):
        was_not_live(other)
        expect(other.locator(CHIP)).to_have_text("Live")
        flowing(other)
    flowing(leader)

    for tab in (leader, other):
        equals_the_store(tab, common, gate, job_id)
    assert len(sockets) > 1
    assert sum(not socket.is_closed() for socket in sockets) == 1


def sockets(context: BrowserContext) -> list[Page]:
    """A list that grows by the page of every WebSocket that is opened."""
    opened: list[Page] = []
    context.on("page", lambda page: page.on("websocket", lambda _: opened.append(page)))
    return opened


def crash(page: Page) -> None:
    """Let its process die, as when memory runs out."""
    with page.expect_event("crash"), suppress(Error):
        page.goto("chrome://crash")
    page.close()


@contextmanager
def asleep(page: Page) -> Iterator[None]:
    """Stop everything a tab does, its locks and connections left as they are, as a browser or a closed lid does it.

    Chromium freezes only what it takes for hidden, and here it takes nothing for hidden.
    """
    debugger = page.context.new_cdp_session(page)
    debugger.send("Debugger.enable")
    debugger.send("Debugger.pause")
    try:
        yield
    finally:
        debugger.send("Debugger.resume")
        debugger.detach()
