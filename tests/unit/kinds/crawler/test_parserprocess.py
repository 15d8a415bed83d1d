"""The parser process, and pages that try to be its end."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from quaero.kinds.crawler import parserprocess
from quaero.kinds.crawler.parserchild import Page
from quaero.kinds.crawler.parserprocess import ParserProcess

URL = "http://example.org/"
PAGE = Page(URL, b"<title>Tides</title><a href=/x>x</a><p>Some words to keep from this page.</p>")


@pytest.fixture
async def parser(anyio_backend: str) -> AsyncIterator[ParserProcess]:
    one = ParserProcess()
    yield one
    await one.close()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.anyio
async def test_a_page_is_parsed_in_another_process(parser: ParserProcess) -> None:
    parsed = await parser.parse(PAGE)

    assert parsed.facts.title == "Tides"
    assert parsed.facts.links == ("http://example.org/x",)
    assert "Some words to keep" in parsed.text
    assert parsed.trouble is None


@pytest.mark.anyio
async def test_pages_at_once_each_get_their_own_answer(parser: ParserProcess) -> None:
    pages = [Page(URL, b"<title>%d</title><p>text %d" % (n, n)) for n in range(20)]

    parsed = await asyncio.gather(*map(parser.parse, pages))

    assert [one.facts.title for one in parsed] == [str(n) for n in range(20)]
    assert all(str(n) in one.text for n, one in enumerate(parsed))


@pytest.mark.anyio
async def test_a_caller_that_is_cancelled_does_not_shift_the_answers_of_others(parser: ParserProcess) -> None:
    await parser.parse(PAGE)
    waiting = asyncio.create_task(parser.parse(Page(URL, b"<title>given up</title>")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    waiting.cancel()
    parsed = await parser.parse(PAGE)

    assert parsed.facts.title == "Tides"


@pytest.mark.anyio
async def test_a_page_that_chokes_the_parser_ends_the_process_and_nothing_else(
    parser: ParserProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parserprocess, "_COMMAND", bounded(seconds=0.3, memory=1 << 30))
    nested = b"<div>" * 200_000 + b"<a href=/x>x</a>"  # a minute and a half of one C call

    choked = await parser.parse(Page(URL, nested))
    after = await parser.parse(PAGE)

    assert choked.trouble == "the parser gave up on it: too costly"
    assert after.facts.title == "Tides"


@pytest.mark.anyio
async def test_a_page_that_eats_memory_ends_the_process_and_nothing_else(
    parser: ParserProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parserprocess, "_COMMAND", bounded(seconds=10.0, memory=500 << 20))
    # Every paragraph is given all the open formatting elements again: elements grow with the square of the size.
    bomb = b"<p>" + b"".join(b"<b id=%d>" % n for n in range(3_000)) + b"<p>x" * 20_000

    choked = await parser.parse(Page(URL, bomb))
    after = await parser.parse(PAGE)

    assert choked.trouble is not None
    assert after.facts.title == "Tides"


@pytest.mark.anyio
async def test_links_survive_a_text_that_cannot_be_had(parser: ParserProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "from quaero.kinds.crawler import parserchild as c; import os;c.main_text = lambda *_: os._exit(1); c.main()"
    )
    monkeypatch.setattr(parserprocess, "_COMMAND", (*parserprocess._COMMAND[:2], "-c", script))

    parsed = await parser.parse(PAGE)

    assert parsed.facts.links == ("http://example.org/x",)
    assert (parsed.text, parsed.trouble) == ("", "the parser gave up on its text: too costly")


@pytest.mark.anyio
async def test_the_process_is_renewed_after_its_share_of_pages(
    parser: ParserProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parserprocess, "PAGES_PER_PROCESS", 2)
    pids = []
    for _ in range(4):
        await parser.parse(PAGE)
        assert parser._process is not None
        pids.append(parser._process.pid)

    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert not is_alive(pids[0])


@pytest.mark.anyio
async def test_closing_ends_the_process(parser: ParserProcess) -> None:
    await parser.parse(PAGE)
    assert parser._process is not None
    pid = parser._process.pid

    await parser.close()

    assert not is_alive(pid)


@pytest.mark.anyio
async def test_the_process_knows_no_secret_of_its_parent(
    parser: ParserProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUAERO_CANARY", "secret")
    await parser.parse(PAGE)
    assert parser._process is not None

    with open(f"/proc/{parser._process.pid}/environ", "rb") as environment:
        assert b"CANARY" not in environment.read()


def bounded(*, seconds: float, memory: int) -> tuple[str, ...]:
    """The parser's command with less to spend on a page."""
    script = (
        f"from quaero.kinds.crawler import parserchild as c;c.PARSE_SECONDS = {seconds}; c.MEMORY = {memory}; c.main()"
    )
    return (*parserprocess._COMMAND[:2], "-c", script)
