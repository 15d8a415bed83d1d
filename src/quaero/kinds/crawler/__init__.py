"""The crawler: two kinds, `crawler` (a crawl) and `crawler.page` (one page of it).

    crawler ──start URLs──> crawler.page ──links──> crawler.page ──> …      all of them children of the step

There is no frontier but the queue: a page is a job keyed by its canonical URL. So a crawl survives what its jobs
survive, and is watched, cancelled and retried as they are. The HTTP client and the parsers are imported when the first
job runs, so an executor that never crawls does not pay for them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from quaero.domain.errors import InvalidInput
from quaero.engine.outcomes import Fatal
from quaero.engine.registry import App
from quaero.kinds.crawler.guard import AddressGuard

if TYPE_CHECKING:
    from quaero.kinds.crawler.client import Networks
    from quaero.kinds.crawler.ports import PageContext
else:
    PageContext = Any  # the engine resolves annotations when it reads a handler's signature

PAGE_ATTEMPTS = 3


def register(app: App, settings: Mapping[str, Any]) -> None:
    """Add the crawler's kinds to an application. `settings` is section `crawler`: `allow_networks`, a list of CIDRs.

    Raises InvalidInput for a network that is none.
    """
    guard = _guard(settings.get("allow_networks", ()))
    networks: list[Networks] = []

    def shared() -> "Networks":
        if not networks:
            from quaero.kinds.crawler.client import Networks

            networks.append(Networks(guard))
        return networks[0]

    @app.job(kind="crawler")
    async def crawl(
        job: PageContext,
        start_urls: list[str],
        include_patterns: tuple[str, ...] = (),
        exclude_patterns: tuple[str, ...] = (),
        max_depth: int = 2,
        max_pages: int = 100,
        follow_links: bool = True,
        same_host: bool = True,
        delay: str | float = "0s",
        respect_robots: bool = True,
        user_agent: str = "QuaeroBot/1.0",
        timeout: str | float = "30s",
        max_body: str | int = "8MiB",
    ) -> dict[str, Any]:
        """Crawl from `start_urls`; every page is a job of its own. Patterns are RE2, searched in a page's URL."""
        from quaero.kinds.crawler.seeds import start_crawl

        settings = {
            "include_patterns": include_patterns,
            "exclude_patterns": exclude_patterns,
            "max_depth": max_depth,
            "max_pages": max_pages,
            "follow_links": follow_links,
            "same_host": same_host,
            "delay": delay,
            "respect_robots": respect_robots,
            "user_agent": user_agent,
            "timeout": timeout,
            "max_body": max_body,
        }
        return await start_crawl(job, shared().current(), start_urls, settings)

    @app.job(kind="crawler.page", max_attempts=PAGE_ATTEMPTS)
    async def page(
        job: PageContext, url: str, depth: int = 0, hops: int = 0, rules: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Fetch one page of a crawl and ask for the pages it links to. `rules` are the crawl's, defaults left out."""
        from quaero.kinds.crawler.pages import Visit
        from quaero.kinds.crawler.rules import Rules

        try:
            checked = Rules.from_payload(rules or {})
        except ValueError as error:
            raise Fatal(f"rules: {error}") from None
        return await Visit(job, shared().current(), url, depth, hops, checked).run()


def _guard(networks: Any) -> AddressGuard:
    try:
        return AddressGuard.allowing(networks)
    except ValueError as error:
        raise InvalidInput(f'crawler.allow_networks: {error}; write networks like "10.1.0.0/16"') from error
