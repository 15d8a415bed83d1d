"""What a real site has besides pages: moved, missing, slow, compressed, private and broken things.

/news/N            301 to article N             /go/N      302 to /news/N
/partner           302 to another host          /town/2019/…  404
/reports/…         after 0.5 to 1 s             /almanac.html  always gzip
/contact.html      in ISO-8859-1                /private/…     not for robots
/busy/N            503 with Retry-After the first time
/ticker/N          closes the connection without an answer
/files/…           a CSV table and a PNG image
"""

import asyncio
import gzip
import struct
import zlib
from collections.abc import Sequence

from aiohttp import web

from quaero.demo.content import Article
from quaero.demo.pages import page

REPORTS = 6
BUSY = 2
TICKERS = 2
MISSING = 4


class Oddities:
    """The routes above. `slowness` scales the slow pages; tests set it near nothing."""

    def __init__(self, news: Sequence[Article], slowness: float = 1.0) -> None:
        self._news = news
        self._slowness = slowness
        self._asked: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [
            web.get(r"/news/{number:\d+}", self._moved),
            web.get(r"/go/{number:\d+}", self._moving),
            web.get("/partner", self._elsewhere),
            web.get(r"/reports/{number:\d+}.html", self._slow),
            web.get("/almanac.html", self._compressed),
            web.get("/contact.html", self._latin),
            web.get("/private/{name}", self._private),
            web.get(r"/busy/{number:\d+}", self._busy),
            web.get(r"/ticker/{number:\d+}", self._silent),
            web.get("/files/tides.csv", self._table),
            web.get("/files/map.png", self._image),
        ]

    async def _moved(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"]) % len(self._news)
        return web.Response(status=301, headers={"Location": self._news[number].path})

    async def _moving(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"/news/{request.match_info['number']}"})

    async def _elsewhere(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://partner.example/"})

    async def _slow(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        await asyncio.sleep(self._slowness * (0.5 + number % 6 / 10))
        return _html(page(f"Report {number}", f"<h1>Report {number}</h1><p>It took a while to put together.</p>"))

    async def _compressed(self, request: web.Request) -> web.Response:
        days = "".join(f"<li>Day {day}: high water at {day % 12 + 1} o'clock</li>" for day in range(1, 366))
        body = gzip.compress(page("Almanac", f"<h1>Almanac</h1><ul>{days}</ul>").encode(), mtime=0)
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers={"Content-Encoding": "gzip"})

    async def _latin(self, request: web.Request) -> web.Response:
        text = page("Contact", "<h1>Contact</h1><p>Café Zürich, Lantern Square, open from noon to dusk.</p>")
        body = text.replace("–", "-").replace('<meta charset="utf-8">', "").encode("iso-8859-1")
        return web.Response(body=body, content_type="text/html", charset="iso-8859-1")

    async def _private(self, request: web.Request) -> web.Response:
        return _html(page("Editors", "<h1>Editors</h1><p>robots.txt asks robots not to come here.</p>"))

    async def _busy(self, request: web.Request) -> web.Response:
        if request.path not in self._asked:
            self._asked.add(request.path)
            return web.Response(status=503, text="Come back in a second.", headers={"Retry-After": "1"})
        return _html(page("Tickets", "<h1>Tickets</h1><p>The queue has moved on.</p>"))

    async def _silent(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _table(self, request: web.Request) -> web.Response:
        rows = "".join(f"2025-09-{day:02d},{day % 12 + 1}:20,{2 + day % 3}.4\n" for day in range(1, 31))
        return web.Response(text="day,high water,metres\n" + rows, content_type="text/csv")

    async def _image(self, request: web.Request) -> web.Response:
        return web.Response(body=_png(), content_type="image/png")


def odd_links() -> str:
    """Links to all of it, for the front page."""
    links = [f'<a href="/reports/{n}.html">Report {n}</a>' for n in range(1, REPORTS + 1)]
    links += [f'<a href="/town/2019/lost-{n}.html">From 2019 ({n})</a>' for n in range(1, MISSING + 1)]
    links += [f'<a href="/busy/{n}">Tickets {n}</a>' for n in range(1, BUSY + 1)]
    links += [f'<a href="/ticker/{n}">Ticker {n}</a>' for n in range(1, TICKERS + 1)]
    links += [
        '<a href="/go/12">Shortcut</a>',
        '<a href="/news/30">An old address</a>',
        '<a href="/partner">Partner</a>',
    ]
    links += ['<a href="/almanac.html">Almanac</a>', '<a href="/files/tides.csv">Tides (CSV)</a>']
    links += ['<a href="/files/map.png">Map</a>']
    return "<aside><h2>Elsewhere on this site</h2><p>" + " · ".join(links) + "</p></aside>"


def _html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")


def _png() -> bytes:
    """A grey square of 8 by 8."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + b"\x80" * 8 for _ in range(8)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
