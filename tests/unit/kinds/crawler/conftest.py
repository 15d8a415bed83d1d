"""A world for crawler tests: servers on loopback, and a context that records what a page asks for."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from quaero.engine.limits import Limit
from quaero.kinds.crawler.client import Network
from quaero.kinds.crawler.guard import AddressGuard
from quaero.kinds.crawler.pages import Visit
from quaero.kinds.crawler.parserprocess import ParserProcess
from quaero.kinds.crawler.rules import Rules

Answerer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Tree:
    """What the jobs of one tree asked for. Keys are unique and `max_children` binding, as in the engine."""

    pages: dict[str, dict[str, Any]] = field(default_factory=dict)  # by key, in order
    asked: list[str] = field(default_factory=list)  # every key, as often as it was asked for
    limits: dict[str, Limit] = field(default_factory=dict)
    documents: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)


async def answered(ids: list[str | None]) -> list[str | None]:
    """What awaiting the handles of `spawn_many` gives."""
    return ids


class RecordingJob:
    """The part of a JobContext that the crawler uses."""

    def __init__(self, tree: Tree, attempt: int = 1, max_attempts: int = 3) -> None:
        self.tree = tree
        self.root_id = "1"
        self.step: str | None = "crawl"
        self.attempt = attempt
        self.max_attempts = max_attempts
        self.log = logging.Logger("page")
        handler = logging.Handler()
        handler.emit = lambda record: tree.lines.append(record.getMessage())
        self.log.addHandler(handler)

    def count(self, name: str, n: int = 1) -> None:
        self.tree.counts[name] += n

    def spawn_many(
        self,
        kind: str,
        payloads: Sequence[Mapping[str, Any]],
        /,
        *,
        keys: Sequence[str],
        under: str,
        limit_key: Limit,
        max_children: int,
    ) -> Awaitable[list[str | None]]:
        assert (kind, under) == ("crawler.page", "step")
        self.tree.asked.extend(keys)
        for payload, key in zip(payloads, keys, strict=True):
            if key not in self.tree.pages and (not max_children or len(self.tree.pages) < max_children):
                self.tree.pages[key] = dict(payload)
                self.tree.limits[key] = limit_key
        made = list(self.tree.pages)
        return answered([str(made.index(key) + 1) if key in self.tree.pages else None for key in keys])

    def document(self, *, url: str, title: str, text: str, fields: Mapping[str, Any]) -> None:
        self.tree.documents.append({"url": url, "title": title, "text": text, "fields": dict(fields)})


class Server:
    """A server on loopback that answers whole scripted bytes by path, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes | Answerer] = {}
        self.asked: list[str] = []
        self.requests: list[str] = []
        self.url = ""

    def reply(self, path: str, body: str | bytes = b"", *, status: str = "200 OK", **headers: str) -> None:
        """Answer a path; header names are written with underscores."""
        content = body.encode() if isinstance(body, str) else body
        lines = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(content))}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        self.answers[path] = f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + content

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode()
                self.asked.append(path)
                self.requests.append(head.decode())
                answer = self.answers.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                if callable(answer):
                    await answer(path, writer)
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Server]:
    """A server while the block runs."""
    server = Server()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(server.handle(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def server(anyio_backend: str) -> AsyncIterator[Server]:
    """A server on loopback."""
    async with listening() as one:
        yield one


@pytest.fixture
async def other_server(anyio_backend: str) -> AsyncIterator[Server]:
    """A second one: for the crawler another host."""
    async with listening() as one:
        yield one


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for the tests of a module, so that they share a parser process: it is slow to start."""
    return "asyncio"


@pytest.fixture(scope="module")
async def parser(anyio_backend: str) -> AsyncIterator[ParserProcess]:
    """The parser process of a module."""
    one = ParserProcess()
    yield one
    await one.close()


@pytest.fixture
async def network(parser: ParserProcess) -> AsyncIterator[Network]:
    """A network that may reach loopback."""
    made = Network(AddressGuard.allowing(["127.0.0.0/8"]))
    made.parser = parser
    yield made
    await made.session.close()


@pytest.fixture
def tree() -> Tree:
    """An empty tree."""
    return Tree()


@pytest.fixture
def a_job(tree: Tree) -> Callable[..., RecordingJob]:
    """Makes contexts of jobs of the tree."""
    return lambda attempt=1: RecordingJob(tree, attempt)


@pytest.fixture
def visit(network: Network, a_job: Callable[..., RecordingJob]) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Runs one page to its result."""

    async def run(url: str, *, attempt: int = 1, depth: int = 0, hops: int = 0, **rules: Any) -> dict[str, Any]:
        return await Visit(a_job(attempt), network, url, depth, hops, Rules(**rules)).run()

    return run
