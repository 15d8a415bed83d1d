"""The `crawler` kind: checks a crawl's settings, looks at robots.txt of where it starts, and asks for the first pages.

It ends at once; the pages find the others. Its job then waits for them, so that its tally is the crawl's.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from quaero.domain.durations import format_duration
from quaero.engine.outcomes import Fatal
from quaero.kinds.crawler.canonical import canonical, origin_of
from quaero.kinds.crawler.client import Network
from quaero.kinds.crawler.fetch import NoAnswer
from quaero.kinds.crawler.frontier import spawn_pages
from quaero.kinds.crawler.ports import PageContext
from quaero.kinds.crawler.rules import Rules, make_rules

MAX_START_URLS = 10_000
_ASKED_FIRST = 16  # origins whose robots.txt is read before their first page; pages read the others'


async def start_crawl(
    job: PageContext, network: Network, start_urls: Iterable[str], settings: dict[str, Any]
) -> dict[str, Any]:
    """Spawn the start pages; return what was started. Raises Fatal naming the setting that is wrong."""
    try:
        rules = make_rules(**settings)
        urls = start_pages(start_urls)
    except ValueError as error:
        raise Fatal(str(error)) from None
    job.log.info("%s", describe(urls, rules))
    if rules.respect_robots:
        await _ask_robots(network, urls, rules)
    refused = await spawn_pages(job, network, urls, rules, depth=0)
    if refused:
        job.log.warning("%d start URLs left out: max_pages is %d", refused, rules.max_pages)
    return {"start_urls": len(urls) - refused, "max_pages": rules.max_pages, "max_depth": rules.max_depth}


def start_pages(start_urls: Iterable[str]) -> list[str]:
    """Canonical start URLs, each once. Raises ValueError naming the first that is none, or if there are none."""
    pages: dict[str, None] = {}
    for text in start_urls:
        url = canonical(text)
        if url is None:
            raise ValueError(f'start_urls: {text[:200]!r} is not a URL like "https://example.org/"')
        pages[url] = None
    if not 0 < len(pages) <= MAX_START_URLS:
        raise ValueError(f"start_urls must name 1 to {MAX_START_URLS} pages")
    return list(pages)


def describe(urls: list[str], rules: Rules) -> str:
    """One line on what is about to happen."""
    where = urls[0] if len(urls) == 1 else f"{urls[0]} and {len(urls) - 1} more"
    parts = [f"at most {rules.max_pages} pages" if rules.max_pages else "any number of pages"]
    parts.append(f"{rules.max_depth} links deep" if rules.follow_links else "following no links")
    if not rules.same_host:
        parts.append("on any host")
    if rules.delay:
        parts.append(f"{format_duration(rules.delay)} between requests to a host")
    if not rules.respect_robots:
        parts.append("without asking robots.txt")
    return f"Crawling from {where}: {', '.join(parts)}"


async def _ask_robots(network: Network, urls: list[str], rules: Rules) -> None:
    """Read the rules now, so that a crawl-delay holds from the second page on."""
    origins = list(dict.fromkeys(origin_of(url) for url in urls))[:_ASKED_FIRST]

    async def ask(origin: str) -> None:
        with suppress(NoAnswer):  # the pages of that origin will tell
            await network.robots.of(origin, rules.user_agent)

    await asyncio.gather(*(ask(origin) for origin in origins))
