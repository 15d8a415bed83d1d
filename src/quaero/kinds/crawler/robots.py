"""robots.txt as RFC 9309 has it: read once per origin, kept for an hour, obeyed.

    2xx            its rules count, up to 512 KiB of them
    3xx            followed, five times at most
    4xx            there are no rules: everything is allowed (429 asks for patience and counts as 5xx)
    5xx            nothing may be fetched until it answers otherwise; asked again after a minute
    no answer      NoAnswer, like any page of that host

Crawl-delay is no part of the RFC but widely used, so it is obeyed up to a minute.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from protego import Protego

from quaero.kinds.crawler.canonical import resolve
from quaero.kinds.crawler.detached import detached
from quaero.kinds.crawler.fetch import Answer, NoAnswer, ask

MAX_ROBOTS = 512 * 1024
MAX_HOPS = 5
MAX_CRAWL_DELAY = 60_000_000  # microseconds
MAX_ORIGINS = 1_000
_FETCH_SECONDS = 15.0
_KEPT_SECONDS = 3_600.0
_KEPT_SECONDS_AFTER_TROUBLE = 60.0


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules of one origin. Without `rules`, everything or (status 5xx, 429) nothing is allowed."""

    status: int
    rules: Protego | None = None

    @property
    def is_unavailable(self) -> bool:
        """Whether the server failed to say its rules, so that nothing may be fetched."""
        return self.status >= 500 or self.status == 429

    def allows(self, url: str, user_agent: str) -> bool:
        """Whether this agent may fetch the URL."""
        return not self.is_unavailable and (self.rules is None or self.rules.can_fetch(url, user_agent))

    def crawl_delay(self, user_agent: str) -> int:
        """Microseconds asked for between two requests of this agent; 0 for none."""
        seconds = self.rules.crawl_delay(user_agent) if self.rules else None
        if seconds is None or not math.isfinite(seconds) or seconds <= 0:
            return 0
        return min(round(seconds * 1_000_000), MAX_CRAWL_DELAY)


@dataclass(slots=True)
class _Kept:
    until: float
    task: asyncio.Task[Robots]


class RobotsCache:
    """Rules by origin. However many pages ask at once, each origin is asked once."""

    def __init__(self, session: aiohttp.ClientSession, now: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._now = now
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def of(self, origin: str, user_agent: str) -> Robots:
        """The rules of an origin. Raises NoAnswer when its server cannot be reached."""
        kept = self._kept.get(origin)
        if kept is None or (kept.task.done() and self._now() >= kept.until):
            kept = self._kept[origin] = _Kept(math.inf, detached(self._fetch(origin, user_agent)))
            kept.task.add_done_callback(lambda task: self._settle(kept, task))
        self._kept.move_to_end(origin)
        while len(self._kept) > MAX_ORIGINS:
            self._kept.popitem(last=False)
        return await asyncio.shield(kept.task)

    def known(self, origin: str) -> Robots | None:
        """The rules of an origin if they were read already."""
        kept = self._kept.get(origin)
        if kept is None or not kept.task.done() or kept.task.cancelled() or kept.task.exception():
            return None
        return kept.task.result()

    def _settle(self, kept: _Kept, task: asyncio.Task[Robots]) -> None:
        is_troubled = task.cancelled() or task.exception() is not None or task.result().is_unavailable
        kept.until = self._now() + (_KEPT_SECONDS_AFTER_TROUBLE if is_troubled else _KEPT_SECONDS)

    async def _fetch(self, origin: str, user_agent: str) -> Robots:
        deadline = asyncio.get_running_loop().time() + _FETCH_SECONDS
        url = f"{origin}/robots.txt"
        for _ in range(MAX_HOPS + 1):
            answer = await ask(
                self._session, url, user_agent=user_agent, max_body=MAX_ROBOTS, deadline=deadline, wanted=_is_text
            )
            target = resolve(url, answer.location) if answer.location else None
            if target is None:
                return _read(answer)
            url = target
        return Robots(status=404)  # RFC 9309 2.3.1.2: redirects without end are no rules


def _is_text(content_type: str) -> bool:
    return content_type in ("", "application/octet-stream") or content_type.startswith("text/")


def _read(answer: Answer) -> Robots:
    if not 200 <= answer.status < 300:
        return Robots(status=answer.status)
    if answer.body.trouble and not answer.body.content:
        raise NoAnswer(f"{answer.url} could not be read: {answer.body.trouble}")
    text = answer.body.content.decode("utf-8-sig", errors="replace")
    return Robots(answer.status, Protego.parse(text) if not text.lstrip().startswith("<") else None)
