"""Servers that mean harm: they cost a bounded amount of time and memory, and are told for what they are."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any

import pytest

from quaero.engine.outcomes import Fatal, Retry
from quaero.kinds.crawler.client import Network
from quaero.kinds.crawler.guard import AddressGuard
from quaero.kinds.crawler.pages import Visit
from quaero.kinds.crawler.rules import Rules

SECOND = 1_000_000
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
Visiting = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def closed_network(anyio_backend: str) -> AsyncIterator[Network]:
    """A network as it is by default: loopback is closed."""
    network = Network(AddressGuard())
    yield network
    await network.close()


async def drip(path: str, writer: asyncio.StreamWriter) -> None:
    """A body that never ends, a byte at a time."""
    writer.write(HTML + b"\r\n<title>Drip</title>")
    for n in count():
        writer.write(b"x")
        await writer.drain()
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        if n == 20:
            let_time_pass(60)


def let_time_pass(seconds: float) -> None:
    """For everything that waits in this loop."""
    loop = asyncio.get_running_loop()
    now = loop.time
    loop.time = lambda: now() + seconds  # type: ignore[method-assign]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://0x7f000001:{port}/",
        "http://2130706433:{port}/",
        "http://127.1:{port}/",
        "http://0.0.0.0:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::1]:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
    ],
)
@pytest.mark.parametrize("respect_robots", [True, False])
async def test_no_spelling_of_a_closed_address_is_connected_to(
    server, closed_network: Network, a_job: Any, url: str, respect_robots: bool
) -> None:
    target = url.format(port=server.url.rpartition(":")[2])

    with pytest.raises(Fatal, match=r"refused to connect to .*crawler\.allow_networks|cannot be asked for"):
        await Visit(a_job(), closed_network, target, 0, 0, Rules(respect_robots=respect_robots)).run()

    assert server.asked == []


@pytest.mark.anyio
async def test_a_redirect_to_a_closed_address_is_refused_when_it_is_followed(
    server, closed_network: Network, visit: Visiting, tree: Any, a_job: Any
) -> None:
    server.reply("/out", status="302 Found", Location="http://169.254.169.254/latest/")

    await visit(f"{server.url}/out", same_host=False)
    (target,) = tree.pages

    with pytest.raises(Fatal, match="link-local"):
        await Visit(a_job(), closed_network, target, 0, 1, Rules(same_host=False)).run()


@pytest.mark.anyio
async def test_a_name_that_comes_to_point_inside_is_refused_where_the_connection_is_made(
    server, closed_network: Network, a_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo("127.0.0.1", int(server.url.rpartition(":")[2]), type=1)

    async def rebound(*_: Any, **__: Any) -> Any:
        return answers

    monkeypatch.setattr(loop, "getaddrinfo", rebound)

    with pytest.raises(Fatal, match="loopback"):
        await Visit(a_job(), closed_network, "http://public.example/", 0, 0, Rules(respect_robots=False)).run()
    assert server.asked == []


@pytest.mark.anyio
async def test_a_proxy_of_the_environment_is_not_used(
    server, other_server, visit: Visiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", other_server.url)
    server.reply("/", "<p>direct")

    assert (await visit(f"{server.url}/"))["status"] == 200
    assert other_server.asked == []


@pytest.mark.anyio
async def test_a_server_that_says_nothing_is_left_after_the_timeout(server, visit: Visiting) -> None:
    async def silent(path: str, writer: asyncio.StreamWriter) -> None:
        let_time_pass(60)
        await asyncio.Event().wait()

    server.answers["/"] = silent

    with pytest.raises(Retry, match="did not answer in time"):
        await visit(f"{server.url}/", timeout=60 * SECOND)


@pytest.mark.anyio
async def test_headers_that_never_end_are_left_after_the_timeout_or_the_limit(server, visit: Visiting) -> None:
    async def endless(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HTML)
        for n in range(100_000):
            writer.write(b"X-%d: y\r\n" % n)
            await writer.drain()

    server.answers["/"] = endless

    with pytest.raises(Retry):
        await visit(f"{server.url}/", timeout=2 * SECOND)


@pytest.mark.anyio
async def test_a_huge_header_is_no_answer(server, visit: Visiting) -> None:
    server.answers["/"] = HTML + b"X-Huge: " + b"y" * 5_000_000 + b"\r\n\r\n"

    with pytest.raises(Retry):
        await visit(f"{server.url}/")


@pytest.mark.anyio
async def test_a_dripping_body_is_left_after_the_timeout_and_told_at_the_last_attempt(server, visit: Visiting) -> None:
    server.answers["/"] = drip

    with pytest.raises(Retry, match="200, but too slow"):
        await visit(f"{server.url}/", timeout=60 * SECOND)
    result = await visit(f"{server.url}/", timeout=60 * SECOND, attempt=3)

    assert (result["status"], result["title"]) == (200, "Drip")
    assert result["body"].startswith("too slow: ")


@pytest.mark.anyio
async def test_a_body_that_breaks_off_is_asked_for_again_and_told_at_the_last_attempt(server, visit: Visiting) -> None:
    async def break_off(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HTML + b"Content-Length: 100000\r\n\r\n<title>Half</title>")

    server.answers["/"] = break_off

    with pytest.raises(Retry, match="200, but the connection broke off"):
        await visit(f"{server.url}/")
    result = await visit(f"{server.url}/", attempt=3)

    assert (result["title"], result["body"]) == ("Half", "the connection broke off: 19 B kept")


@pytest.mark.anyio
async def test_an_endless_body_is_cut_at_the_cap_and_what_came_is_read(server, visit: Visiting) -> None:
    async def endless(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HTML + b"\r\n<title>Endless</title>")
        while True:
            writer.write(b"<p>more</p>" * 1_000)
            await writer.drain()

    server.answers["/"] = endless

    result = await visit(f"{server.url}/", max_body=200_000)

    assert (result["title"], result["bytes"]) == ("Endless", 200_000)
    assert result["body"] == "too large: 200.0 KB kept"


@pytest.mark.anyio
async def test_a_compressed_bomb_is_stopped_and_told(server, visit: Visiting) -> None:
    bomb = gzip.compress(b"<title>Boom</title>" + bytes(100 << 20))
    server.reply("/", bomb, Content_Encoding="gzip")

    result = await visit(f"{server.url}/")

    assert (result["status"], result["title"]) == (200, "Boom")
    assert result["body"].startswith("expands too much: ")
    assert result["bytes"] < len(bomb)


@pytest.mark.anyio
async def test_an_encoding_nobody_asked_for_is_told(server, visit: Visiting) -> None:
    server.reply("/", b"\x1b\x03", Content_Encoding="br")

    result = await visit(f"{server.url}/")

    assert result["body"] == "an encoding nobody asked for: 0 B kept"


@pytest.mark.anyio
async def test_an_endless_chain_of_redirects_ends_after_five_pages(server, visit: Visiting, tree: Any) -> None:
    for n in range(10):
        server.reply(f"/{n}", status="302 Found", Location=f"/{n + 1}")
    results = [await visit(f"{server.url}/0")]

    while payload := next(
        (page for page in tree.pages.values() if page["url"] not in [r["url"] for r in results]), None
    ):
        results.append(await visit(payload["url"], hops=payload["hops"]))

    assert [result["redirect"] for result in results] == ["followed by a job of its own"] * 5 + [
        "not followed: 5 redirects in a row"
    ]


@pytest.mark.anyio
async def test_an_answer_that_is_not_http_is_no_answer(server, visit: Visiting) -> None:
    server.answers["/"] = b"SSH-2.0-OpenSSH_9.2\r\n\r\n"

    with pytest.raises(Retry):
        await visit(f"{server.url}/", timeout=2 * SECOND)


@pytest.mark.anyio
async def test_a_cancelled_page_leaves_the_network_usable(server, visit: Visiting) -> None:
    came = asyncio.Event()

    async def silent(path: str, writer: asyncio.StreamWriter) -> None:
        came.set()
        await asyncio.Event().wait()

    server.answers["/slow"] = silent
    server.reply("/", "<title>Here</title>")
    page = asyncio.create_task(visit(f"{server.url}/slow"))
    await came.wait()

    page.cancel()
    with pytest.raises(asyncio.CancelledError):
        await page

    assert (await visit(f"{server.url}/"))["title"] == "Here"
