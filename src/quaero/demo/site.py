"""A small news site on loopback, to crawl without asking the world: about 300 pages that link to each other.

    python -m quaero.demo.site --port 0        prints its address, serves until interrupted

The same pages on every start. See `oddities` for what is not an ordinary page.
"""

import argparse
import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from math import ceil

from aiohttp import web

from quaero.demo.content import ARTICLES, Article, articles, slug
from quaero.demo.oddities import Oddities, odd_links
from quaero.demo.pages import PER_PAGE, STYLE, article_page, list_page, page, teaser
from quaero.demo.words import SECTIONS

ROBOTS = "User-agent: *\nDisallow: /private/\n\nSitemap: {origin}/sitemap.xml\n"
_ON_FRONT = 12


class NewsSite:
    """Answers for the whole site."""

    def __init__(self, count: int = ARTICLES, slowness: float = 1.0) -> None:
        self._news = articles(count)
        self._by_path = {article.path: article for article in self._news}
        self._lists: defaultdict[str, list[Article]] = defaultdict(list)
        for article in self._news:
            self._lists[f"/{article.section}/"].append(article)
            self._lists[f"/authors/{slug(article.author)}/"].append(article)
        self._oddities = Oddities(self._news, slowness)

    def application(self) -> web.Application:
        """The site as an aiohttp application."""
        site = web.Application()
        site.add_routes(
            [
                web.get("/", self._front),
                web.get("/about.html", self._about),
                web.get("/authors/", self._authors),
                web.get("/robots.txt", self._robots),
                web.get("/sitemap.xml", self._sitemap),
                web.get("/style.css", self._style),
                *self._oddities.routes(),
                web.get("/{path:.*}", self._any),
            ]
        )
        return site

    async def _front(self, request: web.Request) -> web.Response:
        newest = "".join(teaser(article) for article in reversed(self._news[-_ON_FRONT:]))
        return _html(page("Front page", f"<h1>Today</h1>{newest}{odd_links()}"))

    async def _about(self, request: web.Request) -> web.Response:
        text = "<h1>About</h1><p>This paper is printed by a program so that another program has something to read.</p>"
        return _html(page("About", text))

    async def _authors(self, request: web.Request) -> web.Response:
        names = sorted({article.author for article in self._news})
        items = "".join(f'<li><a href="./{slug(name)}/">{name}</a></li>' for name in names)
        return _html(page("Authors", f"<h1>Authors</h1><ul>{items}</ul>", base='<base href="/authors/">'))

    async def _robots(self, request: web.Request) -> web.Response:
        return web.Response(text=ROBOTS.format(origin=f"http://{request.host}"), content_type="text/plain")

    async def _sitemap(self, request: web.Request) -> web.Response:
        urls = "".join(f"<url><loc>http://{request.host}{path}</loc></url>" for path in self._by_path)
        text = f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
        return web.Response(text=text, content_type="application/xml")

    async def _style(self, request: web.Request) -> web.Response:
        return web.Response(text=STYLE, content_type="text/css")

    async def _any(self, request: web.Request) -> web.Response:
        if article := self._by_path.get(request.path):
            return _html(article_page(article, self._news))
        if news := self._lists.get(request.path):
            return self._list(request, news)
        return _html(page("Not found", "<h1>Not found</h1><p>There is nothing here.</p>"), status=404)

    def _list(self, request: web.Request, news: Sequence[Article]) -> web.Response:
        number = request.query.get("page", "1")
        if not number.isdecimal() or not 1 <= int(number[:6]) <= ceil(len(news) / PER_PAGE):
            return _html(page("Not found", "<h1>Not found</h1><p>The list is not that long.</p>"), status=404)
        title = SECTIONS.get(request.path.strip("/"), "") or news[0].author
        return _html(list_page(title, request.path, news, int(number)))


@asynccontextmanager
async def demo_site(
    *, port: int = 0, host: str = "127.0.0.1", count: int = ARTICLES, slowness: float = 1.0
) -> AsyncIterator[str]:
    """Serve the site while the block runs; yields its address, `http://127.0.0.1:PORT/`. Port 0 takes a free one."""
    runner = web.AppRunner(NewsSite(count, slowness).application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        listener = web.TCPSite(runner, host, port)
        await listener.start()
        (bound, *_) = runner.addresses
        yield f"http://{host}:{bound[1]}/"
    finally:
        await runner.cleanup()


async def serve(port: int, announce_fd: int, *, with_stdin: bool = False) -> None:
    """Serve until SIGINT, SIGTERM or (`with_stdin`) the end of standard input; the address goes out as one line."""
    stop = asyncio.Event()
    if with_stdin:
        asyncio.get_running_loop().add_reader(0, stop.set)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with demo_site(port=port) as url:
        os.write(announce_fd, f"{url}\n".encode())
        await stop.wait()


def main() -> None:
    """The command line of the site."""
    parser = argparse.ArgumentParser(prog="python -m quaero.demo.site", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (the default)")
    parser.add_argument("--announce-fd", type=int, default=1, help="descriptor the address is written to (stdout)")
    parser.add_argument("--with-stdin", action="store_true", help="stop when standard input closes")
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(options.port, options.announce_fd, with_stdin=options.with_stdin))


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, content_type="text/html", status=status)


if __name__ == "__main__":
    main()
