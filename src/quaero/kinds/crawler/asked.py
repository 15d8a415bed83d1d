"""Which pages of a tree this process knows to be in the store already.

Every page of a site links to the same menu. Asking for those pages again is harmless (their key exists) but is work
for the one writer of the store, so it is left out once the store has *answered* with an id: what was only asked for
may yet be lost with the attempt that asked.
"""

from collections import defaultdict
from collections.abc import Sequence

MAX_KNOWN = 200_000  # URLs; beyond that all is forgotten, which costs time and nothing else


class Asked:
    """Known pages by tree, and trees that are full."""

    def __init__(self) -> None:
        self._known: defaultdict[str, set[str]] = defaultdict(set)
        self._full: set[str] = set()
        self._count = 0

    def unknown(self, root_id: str, urls: Sequence[str]) -> list[str]:
        """Those of the URLs that are not known to have a job."""
        known = self._known[root_id]
        return [url for url in urls if url not in known]

    def is_full(self, root_id: str) -> bool:
        """Whether the store has refused a page of this tree as one too many."""
        return root_id in self._full

    def learn(self, root_id: str, urls: Sequence[str], ids: Sequence[str | None]) -> None:
        """Take the store's answer: an id per URL, None where there were too many."""
        if None in ids:
            self._full.add(root_id)
        self._count += len(urls)
        if self._count > MAX_KNOWN:
            self._known.clear()
            self._full.clear()
            self._count = len(urls)
        self._known[root_id].update(url for url, made in zip(urls, ids, strict=True) if made is not None)
