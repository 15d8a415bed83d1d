"""Whole crawls: the kinds as an application has them, the demo site, and a driver in place of the engine."""

import asyncio
import inspect
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from quaero.demo.site import demo_site
from quaero.domain.errors import InvalidInput
from quaero.engine.context import JobContext
from quaero.engine.outcomes import Retry
from quaero.engine.registry import App
from quaero.engine.signature import Signature
from quaero.kinds.crawler import PAGE_ATTEMPTS, register
from quaero.kinds.crawler.ports import PageContext
from quaero.kinds.crawler.rules import Rules, make_rules

SOURCE = str(Path(__file__).resolve().parents[4] / "src")
SETTINGS = {"allow_networks": ["127.0.0.0/8"]}


@pytest.fixture
def app() -> App:
    """An application that knows the crawler and may reach loopback."""
    made = App()
    register(made, SETTINGS)
    return made


@dataclass
class Crawl:
    """Runs a crawl as the engine would: breadth first, a few pages at once, retries until attempts are spent."""

    app: App
    tree: Any
    a_job: Any
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)

    async def run(self, **payload: Any) -> dict[str, Any]:
        begun = await self.app.kinds["crawler"].function(self.a_job(), **payload)
        while waiting := [key for key in self.tree.pages if key not in self.results and key not in self.failures]:
            await asyncio.gather(*map(self.page, waiting[:8]))
        return dict(begun)

    async def page(self, key: str) -> None:
        for attempt in range(1, PAGE_ATTEMPTS + 1):
            self.attempts[key] += 1
            try:
                page = self.app.kinds["crawler.page"].function
                self.results[key] = await page(self.a_job(attempt), **self.tree.pages[key])
                return
            except Retry as failure:
                self.failures[key] = str(failure)
            if attempt < PAGE_ATTEMPTS:
                del self.failures[key]


@pytest.fixture
def crawl(app: App, tree, a_job) -> Crawl:
    """A crawl that has not begun."""
    return Crawl(app, tree, a_job)


@pytest.mark.anyio
async def test_the_whole_demo_site_is_crawled_every_page_once(crawl: Crawl, tree) -> None:
    async with demo_site(slowness=0.01) as url:
        await crawl.run(start_urls=[url], max_depth=100, max_pages=0)

    statuses = Counter(result["status"] for result in crawl.results.values())
    articles = [result for result in crawl.results.values() if "/2025/" in result["url"] and result["status"] == 200]
    assert len(articles) == 240
    assert statuses == {200: len(crawl.results) - 8, 404: 4, 301: 2, 302: 2}
    assert len(crawl.results) > 300
    assert set(crawl.failures) == {f"{url}ticker/1", f"{url}ticker/2"}
    assert {key for key, tries in crawl.attempts.items() if tries > 1} == {
        f"{url}{path}" for path in ("ticker/1", "ticker/2", "busy/1", "busy/2")
    }
    assert tree.counts["pages"] == len(crawl.results)
    assert len({document["url"] for document in tree.documents}) == len(tree.documents) > 290


@pytest.mark.anyio
async def test_what_the_demo_site_has_besides_pages_is_told(crawl: Crawl, tree) -> None:
    async with demo_site(count=20, slowness=0.01) as url:
        await crawl.run(start_urls=[url], max_depth=100, max_pages=0)

    by_path = {key.removeprefix(url): result for key, result in crawl.results.items()}
    assert by_path["partner"]["redirect"] == "not followed: on another host"
    assert by_path["go/12"]["final_url"] == f"{url}news/12"
    assert by_path["news/12"]["status"] == 301
    assert by_path["files/map.png"]["body"] == "not read: neither HTML nor text"
    assert by_path["files/tides.csv"]["content_type"] == "text/csv"
    assert by_path["contact.html"]["charset"] == "cp1252"
    assert by_path["almanac.html"]["bytes"] < 4_000
    assert by_path["busy/1"]["status"] == 200
    assert not any(path.startswith(("private/", "archive/")) for path in by_path)
    texts = {document["url"].removeprefix(url): document["text"] for document in tree.documents}
    assert "Café Zürich" in texts["contact.html"]
    assert "- Day 365: high water" in texts["almanac.html"]


@pytest.mark.anyio
async def test_a_crawl_stays_within_its_bounds(crawl: Crawl) -> None:
    async with demo_site(slowness=0.01) as url:
        begun = await crawl.run(
            start_urls=[url], max_depth=2, max_pages=40, include_patterns=("/town/",), exclude_patterns=("[?]page=",)
        )

    pages = [key.removeprefix(url) for key in crawl.results]
    assert begun == {"start_urls": 1, "max_pages": 40, "max_depth": 2}
    assert 10 < len(pages) <= 40
    assert all(path == "" or path.startswith("town/") for path in pages)
    assert not any("page=" in path for path in pages)
    assert max(result["depth"] for result in crawl.results.values()) == 2


@pytest.mark.parametrize("kind", ["crawler", "crawler.page"])
def test_both_kinds_share_an_event_loop_and_announce_their_payload(app: App, kind: str) -> None:
    registration = app.kinds[kind]

    assert registration.sort == 0
    assert b'"additionalProperties":false' in bytes(registration.announcement().schema).replace(b" ", b"")


def test_a_payload_is_taken_as_people_write_it(app: App) -> None:
    signature = Signature.of(app.kinds["crawler"].function)

    given = signature.arguments(
        b'{"start_urls": ["http://h/"], "include_patterns": ["/a"], "delay": "1s", "max_body": "1MiB", "timeout": 5}'
    )

    assert given == {
        "start_urls": ["http://h/"],
        "include_patterns": ("/a",),
        "delay": "1s",
        "max_body": "1MiB",
        "timeout": 5,
    }
    with pytest.raises(InvalidInput, match="max_page"):
        signature.arguments(b'{"start_urls": [], "max_page": 5}')


def test_what_a_step_leaves_out_is_what_a_page_leaves_out(app: App) -> None:
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(app.kinds["crawler"].function).parameters.items()
        if name not in ("job", "start_urls")
    }

    assert make_rules(**defaults) == Rules()


def test_an_executor_that_never_crawls_does_not_pay_for_it() -> None:
    program = (
        "import sys; from quaero.kinds import builtin; builtin({});"
        "print(*{'aiohttp', 'trafilatura', 'selectolax', 'protego', 're2'} & set(sys.modules))"
    )

    told = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": SOURCE}, check=True, capture_output=True, text=True
    )

    assert told.stdout.strip() == ""


def test_a_network_that_is_none_is_refused_with_its_key() -> None:
    with pytest.raises(InvalidInput, match=r"crawler\.allow_networks: 'here'"):
        register(App(), {"allow_networks": ["here"]})


def test_the_engine_s_context_is_what_the_crawler_needs() -> None:
    needed = {name for name in vars(PageContext) if not name.startswith("_")}

    assert needed == {"root_id", "step", "attempt", "max_attempts", "log", "count", "spawn_many", "document"}
    assert all(hasattr(JobContext, name) for name in needed)
