"""Which pages of a crawl this process knows to be in the store already.

Every page of a site links to the same menu. Asking for those pages again is harmless (their key exists) but is work
for the one writer of the store, so it is left out once the store has *answered* with an id: what was only asked for
may yet be lost with the attempt that asked.
"""

from collections import defaultdict
from collections.abc import Sequence

MAX_KNOWN = 200_000  # URLs; beyond that all is forgotten, which costs time and nothing else

Crawl = tuple[str, str | None]
"""A tree's root, and the step of it whose children the pages are."""


class Asked:
    """Known pages by crawl, and crawls that have all the pages they may have."""

    def __init__(self) -> None:
        self._known: defaultdict[Crawl, set[str]] = defaultdict(set)
        self._full: set[Crawl] = set()
        self._count = 0

    def unknown(self, crawl: Crawl, urls: Sequence[str]) -> list[str]:
        """Those of the URLs that are not known to have a job."""
        known = self._known[crawl]
        return [url for url in urls if url not in known]

    def is_full(self, crawl: Crawl) -> bool:
        """Whether the store has refused a page of this crawl as one too many."""
        return crawl in self._full

    def learn(self, crawl: Crawl, urls: Sequence[str], ids: Sequence[str | None]) -> None:
        """Take the store's answer: an id per URL, None where there were too many."""
        self._count += len(urls)
        if self._count > MAX_KNOWN:
            self._known.clear()
            self._full.clear()
            self._count = len(urls)
        if None in ids:
            self._full.add(crawl)
        self._known[crawl].update(url for url, made in zip(urls, ids, strict=True) if made is not None)
