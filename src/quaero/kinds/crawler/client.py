"""The crawler's HTTP client: one session per event loop, made on first use, closed when the loop ends.

No cookies, no proxies, no credentials from the environment, no redirects of its own, no decompression of its own;
every connection goes through the address guard. How many run at once is the engine's decision: the connector has no
limit.
"""

import asyncio
from contextlib import suppress
from weakref import WeakKeyDictionary

import aiohttp

from quaero.kinds.crawler.asked import Asked
from quaero.kinds.crawler.detached import detached
from quaero.kinds.crawler.guard import AddressGuard
from quaero.kinds.crawler.parserprocess import ParserProcess
from quaero.kinds.crawler.robots import RobotsCache

CONNECT_SECONDS = 10.0  # name look-up, TCP and TLS
SOCKET_SECONDS = 5.0  # one address
HEADER_LIMIT = 32 * 1024  # bytes of one header line
MAX_HEADERS = 128
_KEEPALIVE_SECONDS = 15.0


class Network:
    """What the pages of one event loop share: session, robots.txt rules, known pages, parser process."""

    def __init__(self, guard: AddressGuard) -> None:
        connector = aiohttp.TCPConnector(
            limit=0,
            socket_factory=guard.socket,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            ttl_dns_cache=60,
        )
        self.session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_connect=SOCKET_SECONDS),
            headers={"Accept-Encoding": "gzip, deflate", "Accept": "text/html, text/*;q=0.8, */*;q=0.1"},
            auto_decompress=False,
            trust_env=False,
            max_line_size=HEADER_LIMIT,
            max_field_size=HEADER_LIMIT,
            max_headers=MAX_HEADERS,
        )
        self.asked = Asked()
        self.robots = RobotsCache(self.session)
        self.parser = ParserProcess()

    async def close(self) -> None:
        """Let go of connections and the parser process."""
        await self.parser.close()
        await self.session.close()


class Networks:
    """The `Network` of whichever event loop is running."""

    def __init__(self, guard: AddressGuard) -> None:
        self.guard = guard
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Network] = WeakKeyDictionary()

    def current(self) -> Network:
        """The running loop's, made now if it is the first call."""
        loop = asyncio.get_running_loop()
        if (network := self._by_loop.get(loop)) is None:
            network = self._by_loop[loop] = Network(self.guard)
            detached(_close_with_loop(network))
        return network


async def _close_with_loop(network: Network) -> None:
    with suppress(asyncio.CancelledError):  # how an ending loop tells its last tasks
        await asyncio.Event().wait()
    await network.close()
