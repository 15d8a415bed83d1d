"""Whatever jobs, definitions and documents say is shown as text: in every field, in every view."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.browser.probes import PROBES
from tests.browser.site import Site

STRANGE = "script, iframe, object, embed, base, meta, link, form, video, audio, math, template, img"
SPY = """(strange) => {
    const found = [...window.__broken];
    for (const link of document.links) if (!/^https?:$/.test(link.protocol)) found.push('a link to ' + link.href);
    for (const one of document.querySelectorAll('main *')) {
        if (one.matches(strange)) found.push(one.outerHTML.slice(0, 200));
        for (const {name} of one.attributes) if (name.startsWith('on')) found.push(name);
    }
    return found;
}"""


@pytest.fixture
def infested(site: Site) -> dict[str, Any]:
    """Probes in names, tags, payloads, results, errors, lines, counts, progress, documents, definitions."""
    assert len(PROBES) >= 40
    tree = site.submit("hostile", {"probes": PROBES}, name=PROBES[0], tags=PROBES[:8])
    texts = [
        {"kind": "hostile", "payload": {"probes": [probe]}, "name": probe[:100], "tags": [probe[:60]]}
        for probe in PROBES
        if "\0" not in probe
    ]
    site.post("/api/jobs", texts)
    for n, probe in enumerate(PROBES[:10]):
        site.post(
            "/api/job-definitions",
            {
                "id": f"hostile-{n}",
                "name": probe,
                "description": probe,
                "tags": [probe],
                "step": {"one": {"type": "hostile", "description": probe, "probes": [probe]}},
            },
        )
    site.ended(tree)
    child = site.get(f"/api/jobs/{tree}/children?status=failed&limit=1")["jobs"][0]["id"]
    return {"site": site, "tree": tree, "child": child}


def test_no_probe_ever_runs_or_becomes_an_element(page: Page, infested: dict[str, Any]) -> None:
    site, tree, child = infested["site"], infested["tree"], infested["child"]
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    found: list[str] = []

    def look(address: str, there: str) -> None:
        page.goto(site.address + address)
        expect(page.locator(there).first).to_be_visible()
        found.extend(f"{address}: {one}" for one in page.evaluate(SPY, STRANGE))

    look("/", "q-list .row:not([data-unread])")
    look("/?q=%3Cscript%3E__ran()%3C/script%3E", "main .panel")
    for job, tab, there in (
        (tree, "children", ".children .row"),
        (tree, "errors", ".group"),
        (tree, "timeline", ".moments li"),
        (tree, "slow", ".rank li"),
        (tree, "log", "q-log .line"),
        (tree, "details", ".details pre"),
        (child, "log", "q-log .line"),
        (child, "details", ".details pre"),
    ):
        look(f"/jobs/{job}?tab={tab}", there)
    page.locator("q-log, .lower").first.wait_for()
    look(f"/jobs/{tree}", "q-map")
    for x in range(5, 14 * len(PROBES), 14 * 4):
        page.locator("q-map").hover(position={"x": x, "y": 5})
    page.locator(".segments [data-by=error]").click()
    expect(page.locator(".legend li").nth(3)).to_be_visible()
    found.extend(page.evaluate(SPY, STRANGE))
    look("/definitions", ".detail table")
    for n in range(10):
        look(f"/definitions?id=hostile-{n}", ".detail pre")
    look("/documents", ".card")
    for card in page.locator(".documents .card").all()[:50]:
        card.click()
    expect(page.locator(".reader .text")).to_be_visible()
    found.extend(page.evaluate(SPY, STRANGE))
    look("/settings?tab=audit", "table")

    assert not found
