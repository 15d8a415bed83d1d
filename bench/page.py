"""The page in a real browser: time to a useful screen at full size, frames while thousands of changes arrive, memory.

One tree with a million children, one log with a million lines and a hundred thousand roots lie in the store before the
browser opens. Browser, gateway and workers share this machine's cores, so frames suffer from the work as they would on
a laptop that does everything.
"""

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import filled
from bench.figures import Figure, Samples, Scenario
from bench.lab import Lab, folder
from bench.up import Up, up

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
CHANGES = 5_000  # a second; a job changes twice
SECONDS = 5
QUEUE_ROWS = "document.querySelectorAll('q-list .row .name').length > 5"
MAP_CELLS = """
document.querySelector('q-map canvas')?.width > 300 && /\\d/.test(document.querySelector('.legend')?.textContent ?? '')
"""
LOG_LINES = "document.querySelectorAll('q-log .line').length > 10"
FRAMES = """
async (seconds) => {
  const frames = [];
  let before = performance.now();
  const until = before + seconds * 1000;
  while (before < until) {
    const now = await new Promise(requestAnimationFrame);
    if (now > before) frames.push(now - before);
    before = Math.max(now, before);
  }
  frames.sort((a, b) => a - b);
  const at = (share) => frames[Math.min(frames.length - 1, Math.floor(share * frames.length))];
  const everything = document.createNodeIterator(document, NodeFilter.SHOW_ALL);
  let nodes = 0;
  while (everything.nextNode()) nodes += 1;
  return { p50: at(0.5), p95: at(0.95), worst: at(1), nodes };
}
"""
WHEEL = """
async ([selector, seconds]) => {
  const pane = document.querySelector(selector);
  const until = performance.now() + seconds * 1000;
  while (performance.now() < until) {
    pane.scrollTop += 37;
    await new Promise(requestAnimationFrame);
  }
}
"""
JUMP = """
async (share) => {
  const pane = document.querySelector('q-log .log-pane');
  const first = () => Number(document.querySelector('q-log .line .no')?.textContent.replaceAll(',', ''));
  const before = first();
  const began = performance.now();
  pane.scrollTop = pane.scrollHeight * share;
  while (Math.abs(first() - before) < 10_000 || Number.isNaN(first())) await new Promise(requestAnimationFrame);
  return performance.now() - began;
}
"""


def page(lab: Lab) -> Samples:
    """Fill a store, let it run, and look at it."""
    children, roots, lines = (lab.size(full, quick) for full, quick in ((10**6, 10**5), (10**5, 10**4), (10**6, 10**5)))
    with folder() as place:
        tree = asyncio.run(_fill(place, children, roots))
        with up(place, "--app", "bench.jobs") as running:
            _until(lambda: _read(running, f"/api/jobs/{tree}")["status"] == "completed")
            log = _submit(running, "talk", {"lines": lines})
            _until(lambda: _read(running, f"/api/jobs/{log}")["status"] == "completed")
            with _browser() as tab:
                seen = {**_queue(tab, running), **_tree(tab, running, tree)}
                return {**seen, **_log(tab, running, log), **_busy(tab, running)}


async def _fill(place: Path, children: int, roots: int) -> int:
    async with filled.opened(place) as store:
        tree = await filled.parent(store, children)
        await filled.singles(store, roots, filled.PARKED)
        return tree


def _queue(tab: "Page", running: Up) -> Samples:
    opened = _open(tab, running, "/", QUEUE_ROWS)
    return {"queue opened": opened, **_named("queue scrolled", _scrolled(tab, "q-list"))}


def _tree(tab: "Page", running: Up, tree: int) -> Samples:
    opened = _open(tab, running, f"/jobs/{tree}", MAP_CELLS)
    return {"tree opened": opened, "tree heap": _heap(tab), **_named("children scrolled", _scrolled(tab, "q-list"))}


def _log(tab: "Page", running: Up, log: int) -> Samples:
    opened = _open(tab, running, f"/jobs/{log}?tab=log", LOG_LINES)
    jumped = [tab.evaluate(JUMP, share) for share in (0.3, 0.8, 0.5)]
    found = _found(tab, 4711)
    found_late = _found(tab, _read(running, f"/api/jobs/{log}")["log_head"] * 9 // 10)
    scrolled = _named("log scrolled", _scrolled(tab, "q-log .log-pane"))
    return {
        "log opened": opened,
        "log jumped": sorted(jumped)[1],
        "log found": found,
        "log found late": found_late,
        "log heap": _heap(tab),
        **scrolled,
    }


def _busy(tab: "Page", running: Up) -> Samples:
    """Frames of the tree page while its children change."""
    tree = _submit(running, "trickle", {"per_second": CHANGES // 2, "seconds": SECONDS + 3})
    _open(tab, running, f"/jobs/{tree}", MAP_CELLS)
    before, began = _ended(running, tree), time.perf_counter()
    frames = tab.evaluate(FRAMES, SECONDS)
    changes = 2 * (_ended(running, tree) - before) / (time.perf_counter() - began)
    return {**_named("busy", frames), "busy changes": changes, "busy heap": _heap(tab)}


def _found(tab: "Page", article: int) -> float:
    """Milliseconds from the last key of a search to its one hit, shown."""
    tab.fill("q-log input[type=search]", "")
    tab.locator("q-log .found", has_text="1 ").wait_for(state="hidden")
    began = time.perf_counter()
    tab.fill("q-log input[type=search]", f"articles/{article} in")
    tab.locator("q-log .found", has_text="1 ").wait_for()
    return (time.perf_counter() - began) * 1e3


def _ended(running: Up, tree: int) -> int:
    """How many children of a tree have ended."""
    return int(_read(running, f"/api/jobs/{tree}")["tally"]["completed"])


def _open(tab: "Page", running: Up, address: str, useful: str) -> float:
    """Milliseconds from the address to the first useful screen, with an empty cache."""
    began = time.perf_counter()
    tab.goto(f"http://127.0.0.1:{running.port}{address}", wait_until="commit")
    until = began + 60
    while not tab.evaluate(useful):
        if time.perf_counter() > until:
            raise TimeoutError(f"{address} shows nothing useful")
    return (time.perf_counter() - began) * 1e3


def _scrolled(tab: "Page", selector: str) -> dict[str, float]:
    tab.evaluate(f"window.wheeling = ({WHEEL})({json.dumps([selector, 2])})")
    return dict(tab.evaluate(FRAMES, 2))


def _named(what: str, frames: dict[str, float]) -> Samples:
    return {f"{what} {key}": value for key, value in frames.items()}


def _heap(tab: "Page") -> float:
    """Megabytes of scripts, of the page's own nodes and of arrays."""
    session = tab.context.new_cdp_session(tab)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")
    session.detach()
    return float(used["usedSize"] + used["embedderHeapUsedSize"] + used["backingStorageSize"]) / 2**20


@contextmanager
def _browser() -> Iterator["Page"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=list(CHROMIUM))
        try:
            yield browser.new_page(viewport={"width": 1440, "height": 900})
        finally:
            browser.close()


def _read(running: Up, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}{path}") as answer:
        return json.load(answer)


def _submit(running: Up, kind: str, payload: dict[str, Any]) -> int:
    body = json.dumps({"kind": kind, "payload": payload}).encode()
    headers = {"content-type": "application/json"}
    asked = urllib.request.Request(f"http://127.0.0.1:{running.port}/api/jobs", body, headers)
    with urllib.request.urlopen(asked) as answer:
        return int(json.load(answer)["id"])


def _until(is_so: Callable[[], bool], patience: float = 600) -> None:
    until = time.monotonic() + patience
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError("the store was not ready in time")
        time.sleep(0.1)


def _frames(key: str, what: str) -> list[Figure]:
    return [
        Figure(f"{key} p50", f"{what}, a frame, p50", "ms", 17, low=True),
        Figure(f"{key} p95", "  p95", "ms", 34, 17, low=True),
        Figure(f"{key} worst", "  worst", "ms", low=True),
        Figure(f"{key} nodes", "  nodes in the page", "", 2_000, low=True),
    ]


SCENARIO = Scenario(
    "page",
    "the page in Chromium: 10^6 children, 10^6 lines, 10^5 roots (--quick: a tenth)",
    [page],
    [
        Figure("queue opened", "queue, address to first rows", "ms", 1_000, low=True),
        Figure("tree opened", "tree, address to the whole run map", "ms", 1_000, low=True),
        Figure("tree heap", "  heap", "MB", 150, low=True),
        Figure("log opened", "log, address to the last lines", "ms", 300, 150, low=True),
        Figure("log jumped", "log, dragged elsewhere to lines shown", "ms", 200, 100, low=True),
        Figure("log found", "log, last key of a search to the first hit", "ms", 1_000, 400, low=True),
        Figure("log found late", "  to a hit at nine tenths of the log", "ms", 1_000, 400, low=True),
        Figure("log heap", "  heap", "MB", 150, low=True),
        *_frames("queue scrolled", "queue, scrolled"),
        *_frames("children scrolled", "children, scrolled"),
        *_frames("log scrolled", "log, scrolled"),
        *_frames("busy", f"tree, {CHANGES:,} changes a second"),
        Figure("busy changes", "  changes a second meanwhile", "/s"),
        Figure("busy heap", "  heap", "MB", 150, low=True),
    ],
    rounds=5,
)
