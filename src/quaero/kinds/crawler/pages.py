"""The `crawler.page` kind: one page from permission to result.

    robots.txt ─> ask ─> redirect? ─> read ─> links and text ─> result
                   │         └─ another page: a job of its own, so that no page is fetched twice
                   └─ no answer: Retry, or Fatal where asking again cannot help

An answer of any status completes the page and is told in its result. While attempts remain, a better answer is worth
another try: after `Retry-After` of a 429 or 503, or when the body broke off. The last attempt takes what came.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from quaero.engine.outcomes import Fatal, Retry
from quaero.kinds.crawler.answers import kind_of_content, retry_after
from quaero.kinds.crawler.body import Trouble
from quaero.kinds.crawler.canonical import RULES_VERSION, origin_of, resolve
from quaero.kinds.crawler.charset import decode
from quaero.kinds.crawler.client import Network
from quaero.kinds.crawler.fetch import Answer, NoAnswer, ask
from quaero.kinds.crawler.frontier import spawn_pages
from quaero.kinds.crawler.html import PageFacts
from quaero.kinds.crawler.line import describe, format_size
from quaero.kinds.crawler.parserchild import Page
from quaero.kinds.crawler.parserprocess import Parsed
from quaero.kinds.crawler.ports import PageContext
from quaero.kinds.crawler.rules import Rules

MAX_HOPS = 5  # redirects in a row
MAX_RETRY_AFTER = 600.0  # seconds; a server that asks for more is taken at its word: not now
_WORTH_ANOTHER_TRY = frozenset({Trouble.INCOMPLETE, Trouble.TOO_SLOW, Trouble.CORRUPT})


@dataclass(slots=True)
class Visit:
    """One page under way, and what is known of it so far."""

    job: PageContext
    network: Network
    url: str
    depth: int
    hops: int
    rules: Rules
    result: dict[str, Any] = field(default_factory=dict)
    bytes_read: int = 0  # on the wire
    times: dict[str, int] = field(default_factory=dict)  # milliseconds

    async def run(self) -> dict[str, Any]:
        """Fetch the page and hand on what it leads to; return its result. Raises Retry or Fatal."""
        started = time.perf_counter()
        self.result = {"url": self.url, "final_url": self.url, "status": None, "title": "", "depth": self.depth}
        try:
            await self._fetch(asyncio.get_running_loop().time() + self.rules.timeout / 1_000_000)
        except NoAnswer as failure:
            raise (Fatal if failure.is_final else Retry)(str(failure)) from None
        except TimeoutError:
            raise Retry(f"no answer within {self.rules.timeout / 1_000_000:g} s") from None
        self.times["total"] = round((time.perf_counter() - started) * 1_000)
        self.result["times"] = self.times
        self.job.count("pages")
        self.job.count("bytes", self.bytes_read)
        self.job.log.info("%s", describe(self.result))
        return self.result

    async def _fetch(self, deadline: float) -> None:
        if not await self._is_permitted(deadline):
            return
        answer = await self._ask(deadline)
        self._record(answer)
        self._insist(answer)
        if answer.location is not None:
            await self._hand_on_redirect(answer)
        elif answer.was_read:
            await self._read(answer)

    async def _is_permitted(self, deadline: float) -> bool:
        if not self.rules.respect_robots:
            self.result["robots"] = "not asked"
            return True
        started = time.perf_counter()
        async with asyncio.timeout_at(deadline):
            robots = await self.network.robots.of(origin_of(self.url), self.rules.user_agent)
        self.times["robots"] = round((time.perf_counter() - started) * 1_000)
        if robots.allows(self.url, self.rules.user_agent):
            self.result["robots"] = "allowed"
            return True
        if robots.is_unavailable:
            self.result["robots"] = f"unavailable: robots.txt answered {robots.status}, so nothing may be fetched"
        else:
            self.result["robots"] = "disallowed"
        return False

    async def _ask(self, deadline: float) -> Answer:
        """Ask until the answer is no redirect to this very page (other spelling, tracking parameters), or too often."""
        for _ in range(MAX_HOPS + 1):
            answer = await ask(
                self.network.session,
                self.url,
                user_agent=self.rules.user_agent,
                max_body=self.rules.max_body,
                deadline=deadline,
                wanted=lambda content_type: kind_of_content(content_type) != "other",
            )
            if answer.location is None or resolve(self.url, answer.location) != self.url:
                break
        return answer

    def _record(self, answer: Answer) -> None:
        self.times |= {"first_byte": answer.first_byte_ms, "download": answer.download_ms}
        self.bytes_read = answer.body.wire
        length = answer.headers.get("Content-Length", "")
        size = answer.body.wire if answer.was_read or not length.isdecimal() else int(length[:18])
        self.result |= {"status": answer.status, "content_type": answer.content_type, "bytes": size}
        if answer.body.trouble:
            self.result["body"] = f"{answer.body.trouble}: {format_size(len(answer.body.content))} kept"
        elif not answer.was_read and answer.location is None:
            self.result["body"] = "not read: neither HTML nor text"

    def _insist(self, answer: Answer) -> None:
        """Raise Retry where a later attempt may get more, if there is one."""
        if self.job.attempt >= self.job.max_attempts:
            return
        wait = retry_after(answer)
        if wait is not None and wait <= MAX_RETRY_AFTER:
            raise Retry(f"{answer.status}: asked to come back in {wait:g} s", after=wait)
        if answer.body.trouble in _WORTH_ANOTHER_TRY:
            raise Retry(f"{answer.status}, but {answer.body.trouble}")

    async def _hand_on_redirect(self, answer: Answer) -> None:
        """A redirect to another page is that page's job to fetch; this one ends here, saying where it led."""
        target = resolve(self.url, answer.location or "")
        if target is None:
            self.result["redirect"] = "not followed: it leads to no web page"
            return
        self.result |= {"final_url": target, "redirect": "followed by a job of its own"}
        if self.hops + 1 > MAX_HOPS or target == self.url:
            self.result["redirect"] = f"not followed: {MAX_HOPS} redirects in a row"
        elif (why := self.rules.refusal(target, self.url, self.depth)) is not None:
            self.result["redirect"] = f"not followed: {why}"
        elif await self._spawn([target], depth=self.depth, hops=self.hops + 1):
            self.result["redirect"] = f"not followed: the crawl has its {self.rules.max_pages} pages"

    async def _read(self, answer: Answer) -> None:
        started = time.perf_counter()
        parsed = await self._parse(answer)
        self.times["parse"] = round((time.perf_counter() - started) * 1_000)
        facts = parsed.facts
        self.result |= {"title": facts.title, "charset": facts.charset}
        if parsed.trouble:
            self.result["text"] = parsed.trouble
        if not 200 <= answer.status < 300:
            return
        wishes = self._wishes(answer)
        if self.rules.follow_links:
            await self._hand_on_links(facts, is_nofollow=facts.nofollow or "nofollow" in wishes)
        if self.rules.respect_robots and (facts.noindex or "noindex" in wishes):
            self.result["text"] = "not kept: the page asks for that"
        elif parsed.text:
            self._keep(answer, parsed)

    async def _parse(self, answer: Answer) -> Parsed:
        content = answer.body.content
        if kind_of_content(answer.content_type, content) == "html":
            return await self.network.parser.parse(Page(self.url, content, answer.charset))
        text, charset = decode(content, answer.charset, is_html=False)
        return Parsed(PageFacts(charset=charset), text)

    def _wishes(self, answer: Answer) -> set[str]:
        header = ",".join(answer.headers.getall("X-Robots-Tag", ()))
        wishes = {wish.strip().lower() for wish in header.split(",")}
        return wishes | {"nofollow", "noindex"} if "none" in wishes else wishes

    async def _hand_on_links(self, facts: PageFacts, *, is_nofollow: bool) -> None:
        """Ask for the pages the links lead to that the rules allow; count all."""
        found = len(facts.links) + len(facts.shunned)
        candidates = facts.links if self.rules.respect_robots else facts.links + facts.shunned
        if is_nofollow and self.rules.respect_robots:
            candidates = ()
        depth = self.depth + 1
        followed = [link for link in candidates if self._leads_on(link, depth)]
        refused = await self._spawn(followed, depth=depth)
        self.result |= {"links": len(followed) - refused, "links_found": found, "links_filtered": found - len(followed)}
        if refused:
            self.result["links_refused"] = refused
        self.job.count("links_found", found)
        self.job.count("links_filtered", found - len(followed))

    async def _spawn(self, urls: list[str], *, depth: int, hops: int = 0) -> int:
        return await spawn_pages(self.job, self.network, urls, self.rules, depth=depth, hops=hops)

    def _leads_on(self, link: str, depth: int) -> bool:
        if self.rules.refusal(link, self.url, depth) is not None:
            return False
        robots = self.network.robots.known(origin_of(link)) if self.rules.respect_robots else None
        return robots is None or robots.is_unavailable or robots.allows(link, self.rules.user_agent)

    def _keep(self, answer: Answer, parsed: Parsed) -> None:
        self.job.document(
            url=self.url,
            title=parsed.facts.title,
            text=parsed.text,
            fields={
                "status": answer.status,
                "content_type": answer.content_type,
                "depth": self.depth,
                "url_rules": RULES_VERSION,
            },
        )
