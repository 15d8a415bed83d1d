"""The files of the page as answers held ready: one hash over all of them names the version a browser may keep.

    /static/<hash>/main.js   immutable: another content has another address; relative imports stay in one version
    /static/js/...           fixed addresses that other people's pages name: asked about again each time, by ETag

A file is read once and compressed once, when it is first asked for. Only files that were there
at start have an address.
"""

import gzip
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

from quaero.gateway.answers import Answer, Header

TYPES = {
    "css": b"text/css; charset=utf-8",
    "html": b"text/html; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}
FOR_EVER = (b"cache-control", b"public, max-age=31536000, immutable")
ASK_AGAIN = (b"cache-control", b"no-cache")
WORTH_COMPRESSING = 512  # bytes


@dataclass(frozen=True)
class Asset:
    """One file, as it is and compressed."""

    body: bytes
    content_type: bytes

    @cached_property
    def etag(self) -> bytes:
        """Names this content."""
        return b'W/"%s"' % sha256(self.body).hexdigest()[:20].encode()

    @cached_property
    def _compressed(self) -> bytes:
        return gzip.compress(self.body, 9, mtime=0)

    def answer(self, headers: dict[bytes, bytes], *lasting: Header) -> Answer:
        """This file to one who asks: nothing if he has it, compressed if he can read that."""
        common = (*lasting, (b"etag", self.etag), (b"vary", b"accept-encoding"))
        if self.etag in headers.get(b"if-none-match", b""):
            return Answer(b"", 304, self.content_type, common)
        if len(self.body) >= WORTH_COMPRESSING and b"gzip" in headers.get(b"accept-encoding", b""):
            return Answer(self._compressed, 200, self.content_type, (*common, (b"content-encoding", b"gzip")))
        return Answer(self.body, 200, self.content_type, common)


def read_assets() -> dict[str, Asset]:
    """Every file of the page by its path, e.g. `kit/dom.js`."""
    return dict(sorted(_walk(files("quaero") / "ui", "")))


def _walk(folder: Traversable, before: str) -> list[tuple[str, Asset]]:
    found = []
    for entry in folder.iterdir():
        ending = entry.name.rpartition(".")[2]
        if entry.is_dir():
            found += _walk(entry, f"{before}{entry.name}/")
        elif ending in TYPES:
            found.append((before + entry.name, Asset(entry.read_bytes(), TYPES[ending])))
    return found


def version_of(assets: dict[str, Asset]) -> str:
    """The hash that names all these files together."""
    everything = sha256()
    for path, asset in assets.items():
        everything.update(b"%s\0%s\0" % (path.encode(), asset.etag))
    return everything.hexdigest()[:16]
