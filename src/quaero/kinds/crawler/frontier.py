"""The way from URLs to page jobs: payload, key and limit of each.

Every page hangs under the step, keyed by its canonical URL, so the store itself sees to it that no page is fetched
twice and that there are never more than `max_pages`. The limit key is the host's, so that the spacing holds across
workers, and across crawls of the same host.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from quaero.engine.limits import Limit
from quaero.kinds.crawler.canonical import authority_of, origin_of
from quaero.kinds.crawler.client import Network
from quaero.kinds.crawler.ports import PageContext
from quaero.kinds.crawler.rules import Rules

PAGE_KIND = "crawler.page"
AT_ONCE_PER_HOST = 8


async def spawn_pages(
    job: PageContext, network: Network, urls: Sequence[str], rules: Rules, *, depth: int, hops: int = 0
) -> int:
    """Ask for a page job for each canonical URL; how many were refused because the crawl has `max_pages`.

    `hops` counts the redirects that led here in a row.
    """
    crawl = (job.root_id, job.step)
    wanted = network.asked.unknown(crawl, urls)
    if network.asked.is_full(crawl):
        return len(wanted)
    by_host: defaultdict[str, list[str]] = defaultdict(list)
    for url in wanted:
        by_host[authority_of(url)].append(url)
    answers = [
        job.spawn_many(
            PAGE_KIND,
            [page_payload(url, rules, depth, hops) for url in pages],
            keys=pages,
            under="step",
            limit_key=host_limit(host, pages[0], network, rules),
            max_children=rules.max_pages,
        )
        for host, pages in by_host.items()
    ]
    refused = 0
    for pages, answer in zip(by_host.values(), answers, strict=True):
        ids = await answer
        network.asked.learn(crawl, pages, ids)
        refused += ids.count(None)
    return refused


def page_payload(url: str, rules: Rules, depth: int, hops: int) -> dict[str, Any]:
    """What a page job is told; what is default is left out."""
    payload: dict[str, Any] = {"url": url, "depth": depth}
    if hops:
        payload["hops"] = hops
    if settings := rules.to_payload():
        payload["rules"] = settings
    return payload


def host_limit(host: str, url: str, network: Network, rules: Rules) -> Limit:
    """How often a host may be asked: the step's `delay`, or its robots.txt's crawl-delay if that is longer."""
    robots = network.robots.known(origin_of(url)) if rules.respect_robots else None
    apart = max(rules.delay, robots.crawl_delay(rules.user_agent) if robots else 0)
    return Limit(key=f"host:{host}", at_once=AT_ONCE_PER_HOST, apart=apart / 1_000_000)
