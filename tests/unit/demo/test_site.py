"""The demo's news site."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from quaero.demo.content import articles
from quaero.demo.site import demo_site

SOURCE = Path(__file__).resolve().parents[3] / "src"


@pytest.fixture
async def site(anyio_backend: str) -> AsyncIterator[str]:
    async with demo_site(slowness=0.01) as url:
        yield url


@pytest.fixture
async def http(anyio_backend: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def test_the_news_are_the_same_on_every_start_and_each_has_its_own_path() -> None:
    news = articles()

    assert articles() == news
    assert len({article.path for article in news}) == len(news) == 240
    assert articles(seed=8) != news


def test_no_sentence_has_an_unfilled_place() -> None:
    for article in articles():
        assert not re.search(r"[{}]", article.headline + "".join(article.paragraphs))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "status", "content_type"),
    [
        ("", 200, "text/html"),
        ("town/", 200, "text/html"),
        ("town/?page=4", 200, "text/html"),
        ("town/?page=5", 404, "text/html"),
        ("town/?page=x", 404, "text/html"),
        ("authors/", 200, "text/html"),
        ("authors/ada-lindqvist/", 200, "text/html"),
        ("about.html", 200, "text/html"),
        ("contact.html", 200, "text/html"),
        ("reports/1.html", 200, "text/html"),
        ("almanac.html", 200, "text/html"),
        ("robots.txt", 200, "text/plain"),
        ("sitemap.xml", 200, "application/xml"),
        ("style.css", 200, "text/css"),
        ("files/tides.csv", 200, "text/csv"),
        ("files/map.png", 200, "image/png"),
        ("private/editors.html", 200, "text/html"),
        ("town/2019/lost-1.html", 404, "text/html"),
        ("nothing", 404, "text/html"),
    ],
)
async def test_every_sort_of_page_answers(
    site: str, http: aiohttp.ClientSession, path: str, status: int, content_type: str
) -> None:
    async with http.get(site + path) as answer:
        assert (answer.status, answer.content_type) == (status, content_type)
        assert await answer.read()


@pytest.mark.anyio
async def test_old_addresses_lead_to_their_article(site: str, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{site}go/12") as answer:
        assert [hop.status for hop in answer.history] == [302, 301]
        assert answer.url.path == articles()[12].path


@pytest.mark.anyio
async def test_the_sitemap_lists_every_article(site: str, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{site}sitemap.xml") as answer:
        listed = re.findall(f"<loc>{re.escape(site)}(.*?)</loc>", await answer.text())

    assert [f"/{path}" for path in listed] == [article.path for article in articles()]


async def a_program(*options: str) -> asyncio.subprocess.Process:
    """The site as its command line starts it."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "quaero.demo.site", "--port", "0", *options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
    )


@pytest.mark.anyio
async def test_the_program_announces_its_address_and_ends_when_asked(http: aiohttp.ClientSession) -> None:
    program = await a_program()
    assert program.stdout is not None
    async with asyncio.timeout(30):
        url = (await program.stdout.readline()).decode().strip()
        async with http.get(url) as answer:
            assert "The Harbour Lantern" in await answer.text()

        program.send_signal(signal.SIGTERM)

        assert await program.wait() == 0


@pytest.mark.anyio
async def test_the_program_ends_with_its_standard_input() -> None:
    program = await a_program("--with-stdin")
    assert program.stdout is not None
    assert program.stdin is not None
    async with asyncio.timeout(30):
        await program.stdout.readline()

        program.stdin.close()

        assert await program.wait() == 0
