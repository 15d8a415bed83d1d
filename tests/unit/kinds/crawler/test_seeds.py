"""How a crawl starts."""

from typing import Any

import pytest

from quaero.engine.outcomes import Fatal
from quaero.kinds.crawler.client import Network
from quaero.kinds.crawler.seeds import start_crawl

SETTINGS: dict[str, Any] = {
    "include_patterns": (),
    "exclude_patterns": (),
    "delay": "0s",
    "timeout": "30s",
    "max_body": "8MiB",
}


@pytest.mark.anyio
async def test_every_start_page_becomes_a_job_once(server, network: Network, a_job, tree) -> None:
    urls = [f"{server.url}/b", f"{server.url}/a#x", f"{server.url}/b?utm_source=x"]

    result = await start_crawl(a_job(), network, urls, SETTINGS | {"max_pages": 5, "delay": "1s"})

    assert list(tree.pages) == [f"{server.url}/b", f"{server.url}/a"]
    assert tree.pages[f"{server.url}/a"]["depth"] == 0
    assert tree.pages[f"{server.url}/a"]["rules"] == {"max_pages": 5, "delay": 1_000_000}
    assert result == {"start_urls": 2, "max_pages": 5, "max_depth": 2}


@pytest.mark.anyio
async def test_start_pages_beyond_max_pages_are_left_out_and_told(server, network: Network, a_job, tree) -> None:
    result = await start_crawl(a_job(), network, [f"{server.url}/{n}" for n in range(5)], SETTINGS | {"max_pages": 3})

    assert (len(tree.pages), result["start_urls"]) == (3, 3)
    assert tree.lines[-1] == "2 start URLs left out: max_pages is 3"


@pytest.mark.anyio
async def test_one_line_says_what_is_about_to_happen(server, network: Network, a_job, tree) -> None:
    settings = SETTINGS | {"max_pages": 0, "same_host": False, "delay": "250ms", "respect_robots": False}

    await start_crawl(a_job(), network, [f"{server.url}/a", f"{server.url}/b"], settings)

    assert tree.lines == [
        f"Crawling from {server.url}/a and 1 more: any number of pages, 2 links deep, on any host,"
        " 250ms between requests to a host, without asking robots.txt"
    ]
    assert server.asked == []


@pytest.mark.anyio
async def test_a_crawl_delay_holds_from_the_first_page_on(server, network: Network, a_job, tree) -> None:
    server.reply("/robots.txt", "User-agent: *\nCrawl-delay: 4", Content_Type="text/plain")

    await start_crawl(a_job(), network, [server.url], SETTINGS)

    assert [limit.apart for limit in tree.limits.values()] == [4.0]


@pytest.mark.anyio
async def test_a_start_page_whose_robots_cannot_be_had_still_becomes_a_job_that_will_tell(
    network: Network, a_job, tree
) -> None:
    await start_crawl(a_job(), network, ["http://127.0.0.1:1024/"], SETTINGS)

    assert list(tree.pages) == ["http://127.0.0.1:1024/"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("urls", "changes", "words"),
    [
        ([], {}, "start_urls must name"),
        (["example.org"], {}, "start_urls: 'example.org' is not a URL"),
        (["http://h/"], {"include_patterns": ("(",)}, "include_patterns: not a pattern"),
        (["http://h/"], {"timeout": "never"}, "timeout: 'never' is not a duration"),
    ],
)
async def test_a_setting_that_is_wrong_ends_the_crawl_for_good_and_is_named(
    network: Network, a_job, tree, urls: list[str], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(Fatal) as failure:
        await start_crawl(a_job(), network, urls, SETTINGS | changes)

    assert str(failure.value).startswith(words)
    assert not tree.pages
