"""A client that only knows a store many machines share finds a server of it, and does without one that is gone."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING

import pytest
from tests import postgres
from tests.integration.program import CONFIG, Program, http, wait_for

from quaero.client.finding import Way, transport_of
from quaero.gateway.registration import address_of
from quaero.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.fresh() as url:
        yield url


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path, CONFIG)
    yield program
    program.close()


async def leads_to(url: str) -> str:
    """The address of the server that is found, empty if the store itself is used."""
    way = Way(settings=load(environ={}, flags={"store.url": url}))
    transport = await transport_of(way)
    found = str(getattr(transport, "url", ""))
    assert (await transport.ask("GET", "/api/jobs")).status == 200
    await transport.close()
    return found


async def test_a_server_of_a_shared_store_is_found_for_as_long_as_it_answers(program: Program, url: str) -> None:
    assert await leads_to(url) == ""
    serve = program.start("serve", "--port", "0", env={"QUAERO_STORE_URL": url})
    words = serve.until("serving postgresql").split()
    address = words[words.index("at") + 1].rstrip("/")

    def listed() -> list[str]:
        return [row["url"] for row in http("GET", f"{address}/api/gateways")[1]["gateways"]]

    wait_for(listed, "the gateway is registered")
    assert listed() == [address]
    assert await leads_to(url) == address

    serve.send(signal.SIGKILL)  # its gateway dies with it
    wait_for(lambda: not program.processes(), "their end")
    assert await leads_to(url) == ""

    serve = program.start("serve", "--port", "0", env={"QUAERO_STORE_URL": url})
    again = serve.until("serving postgresql").split()
    address = again[again.index("at") + 1].rstrip("/")
    wait_for(lambda: address in listed(), "the next is registered")
    assert len(listed()) == 2  # the row of the one that was killed is believed by nobody
    assert await leads_to(url) == address
    serve.send(signal.SIGTERM)
    assert await asyncio.to_thread(serve.wait) == 0
    assert await leads_to(url) == ""


def test_an_address_is_one_that_others_can_use() -> None:
    for bound, told in (("127.0.0.1", "127.0.0.1"), ("0.0.0.0", socket.gethostname())):
        with socket.socket() as listener:
            listener.bind((bound, 0))
            assert address_of(listener) == f"http://{told}:{listener.getsockname()[1]}"
