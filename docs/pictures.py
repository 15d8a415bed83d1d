"""Take the pictures of the page that the documentation shows, from a server that works: `python docs/pictures.py`.

The demo crawls, a dozen generators run, and a survey of four steps is caught when its third is under way. `images/`
gets the pictures of the README and of the how-to; `images/views/` one sheet for each view, with both themes on a wide
screen and on a phone. Look at them before they are kept. Needs what `make test` installs, and takes two minutes.
"""

import base64
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SIZES: dict[str, Any] = {"wide": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 900}}
SURVEY = """
id = "coast-survey"
name = "Coast survey"
description = "Soundings and tides, then the charts drawn from both"
schedule = "30 2 * * 1"
tags = ["harbour", "weekly"]

[step.soundings]
type = "generator"
worker_count = 4000
log_count = 2

[step.tides]
type = "generator"
worker_count = 600
log_count = 2

[step.charts]
type = "generator"
depends = "soundings, tides"
limit = 40
on_error = "continue"
worker_count = 3000
log_count = 4
log_delay_ms = 120
failure_rate = 0.25

[step.report]
type = "generator"
depends = "charts"
worker_count = 12
log_count = 10
"""
WORK = {
    "Nightly thumbnails": ("media", 40, 0.0), "Reindex articles": ("search", 177, 0.0),
    "Weather backfill": ("weather", 314, 0.0), "Fetch price lists": ("prices", 451, 0.2),
    "Rebuild search": ("search", 588, 0.0), "Import ledgers": ("finance", 725, 0.0),
    "Sync contacts": ("crm", 862, 0.0), "Check links": ("web", 999, 0.0), "Resize originals": ("media", 1136, 0.5),
    "Score leads": ("crm", 1273, 0.0),
}  # fmt: skip
VIEWS = {
    "queue": "/", "tree": "/jobs/{survey}", "errors": "/jobs/{survey}?tab=errors", "slow": "/jobs/{survey}?tab=slow",
    "timeline": "/jobs/{survey}?tab=timeline", "log": "/jobs/{crawl}?tab=log", "definitions": "/definitions",
    "documents": "/documents", "settings": "/settings", "health": "/settings?tab=health",
}  # fmt: skip
LOWER = ("errors", "slow", "timeline", "log")  # what they show stands below the map


class Server:
    """A `quaero up --demo` in a folder of its own."""

    def __init__(self, place: Path, *options: str) -> None:
        command = [sys.executable, "-c", "from quaero.cli.main import main; main()", "up", "--port", "0", *options]
        self._process = subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(r"ready at (\S+?)/? ", line):
                self.address = found[1]
                break

    def ask(self, path: str, body: Any = None) -> Any:
        """What the API answers."""
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.address + path, data, {"content-type": "application/json"})
        with urllib.request.urlopen(asked) as answer:
            return json.load(answer)

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait()


@contextmanager
def served(*options: str) -> Iterator[Server]:
    """A server, stopped afterwards."""
    with tempfile.TemporaryDirectory() as place:
        server = Server(Path(place), *options)
        try:
            yield server
        finally:
            server.close()


def until(fact: Callable[[], bool]) -> None:
    """Wait for a fact, three minutes at most."""
    end = time.monotonic() + 180
    while not fact():
        if time.monotonic() > end:
            raise TimeoutError("what the pictures show did not happen")
        time.sleep(0.2)


def has_ended(server: Server, job_id: str, share: float = 1.0) -> bool:
    """Whether so much below a job has ended."""
    tally = server.ask(f"/api/jobs/{job_id}")["tally"]
    return bool(tally["total"] and tally["completed"] + tally["failed"] >= share * tally["total"])


def opened(browser: Browser, theme: str, size: str) -> Page:
    """A page of that look."""
    context = browser.new_context(viewport=SIZES[size], color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    return context.new_page()


def show(page: Page, address: str, *, lower: bool = False) -> None:
    """Go there, and wait until what is to be seen is there and still."""
    page.goto(address)
    page.wait_for_selector(".connection[data-state=live]")
    page.wait_for_selector(".skeleton", state="detached")
    if lower:
        page.evaluate("document.querySelector('.lower').scrollIntoView()")
    page.wait_for_timeout(1_200)


def picture(page: Page, path: Path, quality: int = 82) -> None:
    """Keep what is seen as WebP."""
    session = page.context.new_cdp_session(page)
    data = session.send("Page.captureScreenshot", {"format": "webp", "quality": quality})["data"]
    path.write_bytes(base64.b64decode(data))


def sheet(browser: Browser, shots: list[bytes], path: Path) -> None:
    """Two wide pictures and two narrow ones, at half size, side by side."""
    images = "".join(f'<img src="data:image/png;base64,{base64.b64encode(shot).decode()}">' for shot in shots)
    page = browser.new_page(viewport={"width": 1870, "height": 466})
    page.set_content(
        f"<style>body{{margin:8px;display:flex;gap:8px;background:#8a8f98}}img{{height:450px}}</style>{images}"
    )
    page.wait_for_timeout(300)
    picture(page, path, quality=70)
    page.close()


def take(browser: Browser, server: Server) -> None:
    """Make something happen, and take the pictures while it does."""
    (IMAGES / "views").mkdir(exist_ok=True)
    for name, (tag, count, failing) in WORK.items():
        payload = {"worker_count": count, "log_count": 5, "failure_rate": failing}
        server.ask("/api/jobs", {"kind": "generator", "name": name, "tags": [tag], "payload": payload})
    until(lambda: server.ask("/api/queue/stats")["pending"] < 50)
    server.ask("/api/job-definitions", {"toml": SURVEY})
    survey = server.ask("/api/job-definitions/coast-survey/execute", {})["id"]
    until(lambda: len(server.ask(f"/api/jobs/{survey}")["steps"]) == 4)
    charts = server.ask(f"/api/jobs/{survey}")["steps"][2]["id"]

    until(lambda: has_ended(server, charts, 0.62))
    page = opened(browser, "light", "wide")
    show(page, f"{server.address}/jobs/{survey}")
    picture(page, IMAGES / "tree.webp")
    page = opened(browser, "dark", "wide")
    show(page, server.address)
    picture(page, IMAGES / "queue.webp")
    until(lambda: has_ended(server, survey))
    page = opened(browser, "light", "wide")
    show(page, f"{server.address}/jobs/1?tab=log", lower=True)
    picture(page, IMAGES / "log.webp")

    looks = [opened(browser, theme, size) for size in SIZES for theme in ("light", "dark")]
    for name, path in VIEWS.items():
        for page in looks:
            show(page, server.address + path.format(survey=survey, crawl=1), lower=name in LOWER)
        sheet(browser, [page.screenshot() for page in looks], IMAGES / "views" / f"{name}.webp")
    with served() as empty:
        for page in looks:
            show(page, empty.address)
        sheet(browser, [page.screenshot() for page in looks], IMAGES / "views" / "empty.webp")
        empty.close()
        for page in looks:
            page.wait_for_selector(".connection[data-state=stale]")
        sheet(browser, [page.screenshot() for page in looks], IMAGES / "views" / "stopped.webp")


if __name__ == "__main__":
    with sync_playwright() as driver, served("--demo") as server:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        take(browser, server)
        browser.close()
