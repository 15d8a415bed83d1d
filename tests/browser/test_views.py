"""Every view in both themes and at two widths: it opens without trouble, and axe finds nothing serious."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from tests.browser.conftest import watched
from tests.browser.site import Site

VIEWS = {
    "queue": ("/", "q-list .row:not([data-unread])"),
    "queue-filtered": ("/?status=failed&q=refused", "q-list .row:not([data-unread])"),
    "queue-nothing": ("/?q=no-such-thing", ".notice"),
    "tree": ("/jobs/{definition}", "q-map"),
    "tree-errors": ("/jobs/{family}?tab=errors", ".group"),
    "tree-slow": ("/jobs/{open}?tab=slow", ".rank li"),
    "tree-timeline": ("/jobs/{definition}?tab=timeline", ".moments li"),
    "tree-log": ("/jobs/{definition}?tab=log", "q-log .line"),
    "tree-details": ("/jobs/{failed}?tab=details", ".details pre"),
    "tree-gone": ("/jobs/999999999", ".notice"),
    "definitions": ("/definitions", ".detail table"),
    "definition-gone": ("/definitions?id=nothing", ".detail .notice"),
    "documents": ("/documents", ".notice"),
    "settings": ("/settings", "table"),
    "settings-health": ("/settings?tab=health", "dl"),
    "settings-tokens": ("/settings?tab=tokens", ".notice"),
    "settings-log": ("/settings?tab=log", "q-log .line"),
    "settings-audit": ("/settings?tab=audit", "table"),
}
WIDTHS = {"wide": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
SERIOUS = {"serious", "critical"}
PICTURES = os.environ.get("QUAERO_PICTURES")  # a folder for pictures of every view, for people
LOOKS = ["light-wide", "dark-phone"] + (["dark-wide", "light-phone"] if PICTURES else [])


@pytest.fixture(scope="module", params=LOOKS)
def look(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def looked_at(browser: Browser, look: str) -> Iterator[Page]:
    """One page for all views, as a person has: what it has loaded once it need not load again."""
    theme, width = look.split("-")
    context = watched(browser.new_context(viewport=WIDTHS[width], color_scheme=theme, reduced_motion="reduce"))  # type: ignore[arg-type]
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_opens_without_trouble_and_can_be_used_by_everyone(
    looked_at: Page, shared: Site, look: str, name: str
) -> None:
    address, there = VIEWS[name]
    with noted(looked_at) as errors:
        looked_at.goto(shared.address + address.format(**shared.jobs))
        looked_at.wait_for_selector(there)
        looked_at.wait_for_selector(".connection[data-state=live]")

    assert not [line for line in errors if not name.endswith("-gone") or "404" not in line]
    assert not looked_at.evaluate("window.__broken")
    assert looked_at.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    assert looked_at.evaluate("document.querySelectorAll('*').length") < 2_000
    if PICTURES:
        looked_at.screenshot(path=Path(PICTURES) / f"{name}-{look}.png")
    assert not serious_findings(looked_at)


@contextmanager
def noted(page: Page) -> Iterator[list[str]]:
    """The errors of a page, while it opens a view, and not those that axe made in the one before."""
    page.goto("about:blank")
    errors: list[str] = []
    listeners: dict[str, Callable[[Any], None]] = {
        "pageerror": lambda error: errors.append(str(error)),
        "console": lambda message: errors.append(message.text) if message.type == "error" else None,
    }
    for event, listener in listeners.items():
        page.on(event, listener)  # type: ignore[call-overload]
    yield errors
    for event, listener in listeners.items():
        page.remove_listener(event, listener)


def serious_findings(page: Page) -> list[tuple[str, list[str]]]:
    """What axe finds. It puts styles of its own into the page, so nothing is asked of the page's policy after it."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found if one["impact"] in SERIOUS]
