"""robots.txt as RFC 9309 has it."""

import asyncio

import pytest

from quaero.kinds.crawler.client import Network
from quaero.kinds.crawler.fetch import NoAnswer
from quaero.kinds.crawler.robots import MAX_CRAWL_DELAY, RobotsCache

AGENT = "QuaeroBot/1.0"
RULES = """
User-agent: *
Disallow: /

User-agent: quaerobot
Disallow: /private/
Disallow: /*.cgi$
Allow: /private/open.html
Crawl-delay: 2.5
"""


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "is_allowed"),
    [
        ("/", True),
        ("/private/x", False),
        ("/private/open.html", True),
        ("/run.cgi", False),
        ("/run.cgi?x", True),
        ("/robots.txt", True),
    ],
)
async def test_the_group_of_our_agent_counts(server, network: Network, path: str, is_allowed: bool) -> None:
    server.reply("/robots.txt", RULES, Content_Type="text/plain")

    robots = await network.robots.of(server.url, AGENT)

    assert robots.allows(server.url + path, AGENT) is is_allowed
    assert robots.crawl_delay(AGENT) == 2_500_000
    assert not robots.allows(server.url + "/", "OtherBot")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "is_allowed"),
    [("404 Not Found", True), ("401 No", True), ("403 No", True), ("429 Busy", False), ("500 Oh", False)],
)
async def test_a_refusal_allows_everything_and_a_failure_nothing(
    server, network: Network, status: str, is_allowed: bool
) -> None:
    server.reply("/robots.txt", RULES, status=status)

    robots = await network.robots.of(server.url, AGENT)

    assert robots.allows(server.url + "/private/x", AGENT) is is_allowed
    assert robots.crawl_delay(AGENT) == 0


@pytest.mark.anyio
async def test_a_redirect_is_followed_to_the_rules(server, other_server, network: Network) -> None:
    server.reply("/robots.txt", status="301 Moved", Location=f"{other_server.url}/rules.txt")
    other_server.reply("/rules.txt", RULES, Content_Type="text/plain")

    robots = await network.robots.of(server.url, AGENT)

    assert not robots.allows(server.url + "/private/x", AGENT)


@pytest.mark.anyio
async def test_redirects_without_end_are_no_rules(server, network: Network) -> None:
    server.reply("/robots.txt", status="302 Found", Location="/robots.txt")

    robots = await network.robots.of(server.url, AGENT)

    assert robots.allows(server.url + "/", AGENT)
    assert len(server.asked) == 6


@pytest.mark.anyio
async def test_a_page_sent_in_place_of_rules_is_no_rules(server, network: Network) -> None:
    server.reply("/robots.txt", "<html>User-agent: *\nDisallow: /</html>")

    assert (await network.robots.of(server.url, AGENT)).allows(server.url + "/", AGENT)


@pytest.mark.anyio
async def test_rules_behind_half_a_mebibyte_do_not_count(server, network: Network) -> None:
    server.reply("/robots.txt", "#" * (512 * 1024) + "\nUser-agent: *\nDisallow: /", Content_Type="text/plain")

    assert (await network.robots.of(server.url, AGENT)).allows(server.url + "/", AGENT)


@pytest.mark.anyio
@pytest.mark.parametrize(("said", "micros"), [("1e9", MAX_CRAWL_DELAY), ("nan", 0), ("-3", 0), ("much", 0), ("0", 0)])
async def test_a_crawl_delay_is_obeyed_within_reason(server, network: Network, said: str, micros: int) -> None:
    server.reply("/robots.txt", f"User-agent: *\nCrawl-delay: {said}", Content_Type="text/plain")

    assert (await network.robots.of(server.url, AGENT)).crawl_delay(AGENT) == micros


@pytest.mark.anyio
async def test_many_pages_ask_each_origin_once(server, network: Network) -> None:
    server.reply("/robots.txt", RULES, Content_Type="text/plain")

    answers = await asyncio.gather(*(network.robots.of(server.url, AGENT) for _ in range(50)))

    assert server.asked == ["/robots.txt"]
    assert all(answer is answers[0] for answer in answers)
    assert network.robots.known(server.url) is answers[0]


@pytest.mark.anyio
async def test_a_cancelled_asker_does_not_take_the_answer_from_the_others(server, network: Network) -> None:
    came, go = asyncio.Event(), asyncio.Event()

    async def wait(path: str, writer: asyncio.StreamWriter) -> None:
        came.set()
        await go.wait()
        writer.write(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")

    server.answers["/robots.txt"] = wait
    first = asyncio.create_task(network.robots.of(server.url, AGENT))
    second = asyncio.create_task(network.robots.of(server.url, AGENT))
    await came.wait()

    first.cancel()
    go.set()

    assert (await second).status == 404
    assert len(server.asked) == 1


@pytest.mark.anyio
async def test_a_host_that_cannot_be_reached_is_no_answer_and_asked_again_later(server, network: Network) -> None:
    now = 0.0
    cache = RobotsCache(network.session, now=lambda: now)

    async def hang_up(path: str, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server.answers["/robots.txt"] = hang_up
    for _ in range(2):
        with pytest.raises(NoAnswer):
            await cache.of(server.url, AGENT)
    asked_at_first = len(server.asked)
    server.reply("/robots.txt", RULES, Content_Type="text/plain")
    now = 61.0

    robots = await cache.of(server.url, AGENT)

    assert robots.status == 200
    assert cache.known("http://never.example") is None
    assert len(server.asked) == asked_at_first + 1


@pytest.mark.anyio
async def test_rules_are_kept_for_an_hour(server, network: Network) -> None:
    now = 0.0
    cache = RobotsCache(network.session, now=lambda: now)
    server.reply("/robots.txt", RULES, Content_Type="text/plain")

    await cache.of(server.url, AGENT)
    now = 3_599.0
    await cache.of(server.url, AGENT)
    asked_within = len(server.asked)
    now = 3_601.0
    await cache.of(server.url, AGENT)

    assert (asked_within, len(server.asked)) == (1, 2)
