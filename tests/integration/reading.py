"""A viewer that is disturbed: it reads a stream, is cut off anywhere, comes back with what it has, and keeps a record.

It trusts nothing but whole events. What it has recorded at the `end` must be what the store has.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp

PATIENCE = 60.0


@dataclass
class Reader:
    """One viewer of one job. `by_header`: it comes back with Last-Event-ID, else with the cursor in the address."""

    address: str
    job_id: str
    cursor: str
    rng: random.Random
    level: str = "debug"
    by_header: bool = True
    step: str | None = None
    via: str = ""  # a proxy
    patience: float = PATIENCE  # seconds in which nothing need go on
    cut_within: int = 0  # bytes after which it is cut at the latest; 0: never
    entries: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0
    byes: int = 0
    troubles: list[str] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)  # seconds by which the newest entry of each page was old
    log_head: int | None = None
    was_refused: bool = False  # told by 204 instead of `end` that nothing more will come
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def has(self, n: int) -> None:
        """Wait until so many entries have come, or the end."""
        async with asyncio.timeout(PATIENCE):
            while len(self.entries) < n and self.log_head is None:
                self._news.clear()
                await self._news.wait()

    @property
    def position(self) -> int:
        """The position of its cursor."""
        return int(self.cursor.rpartition(".")[2])

    async def read_to_the_end(self, session: aiohttp.ClientSession) -> None:
        """Connect again and again until the end came; raises when nothing goes on for long."""
        while self.log_head is None:
            before = self.position
            async with asyncio.timeout(self.patience):
                while self.log_head is None and (self.position == before):
                    with suppress(aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError):
                        await self._connect(session)

    async def _connect(self, session: aiohttp.ClientSession) -> None:
        query = {"level": self.level, **({"step": self.step} if self.step else {})}
        headers = {"Host": urlsplit(self.address).netloc}
        if self.by_header:
            headers["Last-Event-ID"] = self.cursor
        url = f"{self.via or self.address}/api/jobs/{self.job_id}/logs/stream?{urlencode(query)}"
        if not self.by_header:
            url += f"&cursor={self.cursor}"
        left = self.rng.randrange(1, self.cut_within) if self.cut_within else 1 << 60
        async with session.get(url, headers=headers) as answer:
            if answer.status == 204:  # cut between the last entry and the `end`: the answer to who comes back there
                self.was_refused = True
                self.log_head = self.position
                return
            if answer.status == 503:  # the store cannot be reached, or the server stops: to be asked again
                await asyncio.sleep(0)
                return
            assert answer.status == 200, await answer.text()
            self.connections += 1
            buffer = b""
            while self.log_head is None:
                data = await answer.content.readany()
                if not data:
                    return
                buffer += data[:left]
                left -= len(data)
                *events, buffer = buffer.split(b"\n\n")
                for event in events:
                    self._take(event.decode())
                if left <= 0:
                    answer.close()  # in the middle of whatever it was
                    return

    def _take(self, event: str) -> None:
        lines = dict(line.split(": ", 1) for line in event.split("\n") if ": " in line)
        data = json.loads(lines["data"]) if "data" in lines else None
        match lines.get("event"):
            case "logs":
                if data["prev"] != self.position:
                    self.troubles.append(f"a page goes on from {data['prev']}, this viewer is at {self.position}")
                if not all(data["prev"] < entry["seq"] <= data["to"] for entry in data["logs"]):
                    self.troubles.append(f"entries outside of ({data['prev']}, {data['to']}]")
                self.entries += data["logs"]
                if data["logs"]:
                    self.lags.append(time.time() - datetime.fromisoformat(data["logs"][-1]["timestamp"]).timestamp())
            case "status":
                self._check_status(data)
            case "gap":
                self.troubles.append(f"a gap: {data}")
            case "hello" if data["mode"] != "resume":
                self.troubles.append(f"began again: {data}")
            case "bye":
                self.byes += 1
            case "end":
                self.log_head = data["log_head"]
        self._news.set()
        if "id" in lines:
            self.cursor = lines["id"]

    def _check_status(self, data: dict[str, Any]) -> None:
        self.statuses.append(data)
        is_over = data["job"]["status"] in ("completed", "failed", "cancelled")
        if is_over and self.position < data["log_head"]:
            # a filtered viewer may hold an older cursor; what matters is that no entry comes afterwards
            self.statuses[-1]["early_at"] = len(self.entries)

    def faults(self, stored: list[dict[str, Any]]) -> list[str]:
        """What is wrong with its record, given what the store has."""
        found = list(self.troubles)
        ours, theirs = [e["seq"] for e in self.entries], [e["seq"] for e in stored]
        if ours != theirs:
            missing, more = sorted(set(theirs) - set(ours))[:5], sorted(set(ours) - set(theirs))[:5]
            found.append(
                f"{len(ours)} entries for {len(theirs)}: lacks {missing}, has too many {more}, or out of order"
            )
        elif self.entries != stored:
            found.append("entries differ from the store's")
        lacks_status = not self.statuses and not self.was_refused
        if lacks_status or (
            self.statuses and self.statuses[-1].get("early_at", len(self.entries)) != len(self.entries)
        ):
            found.append("lines came after the terminal status")
        return found


@asynccontextmanager
async def cutting_proxy(address: str, rng: random.Random, within: int) -> AsyncIterator[str]:
    """A proxy that cuts every connection after some bytes, in the middle of whatever it was; its address."""
    target = urlsplit(address)

    under_way: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, to_them = None, None
        try:
            theirs, to_them = await asyncio.open_connection(target.hostname, target.port)
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(_pump(reader, to_them, 1 << 60))
                await _pump(theirs, writer, rng.randrange(1, within))
                sending.cancel()
        except OSError:
            return  # nobody there just now
        finally:
            for end in filter(None, (writer, to_them)):
                end.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(pass_on(reader, writer))
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield "http://{}:{}".format(*server.sockets[0].getsockname()[:2])
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, most: int) -> None:
    with suppress(ConnectionError):
        while most > 0 and (data := await source.read(65536)):
            sink.write(data[:most])
            await sink.drain()
            most -= len(data)


async def stored_entries(
    session: aiohttp.ClientSession, address: str, job_id: str, **query: str
) -> list[dict[str, Any]]:
    """All entries of a job and what is below it, read a page at a time."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        asked = urlencode({"order": "asc", "limit": "5000", **query, **({"cursor": cursor} if cursor else {})})
        async with session.get(f"{address}/api/jobs/{job_id}/logs?{asked}") as answer:
            assert answer.status == 200, await answer.text()
            page = await answer.json()
        found += page["logs"]
        if not page["logs"] or page["next_cursor"] == cursor:
            return found
        cursor = page["next_cursor"]
