"""The parser process: reads pages from its standard input, writes what they say to its standard output.

A page may be built to choke a parser (200,000 nested elements take Lexbor a minute and a half in one call, and a
thread cannot be stopped). So parsing happens here, where a page that uses too much processor time or memory ends this
process and nothing else. It holds no credential, opens no connection, and leaves when its input ends.

Each page is answered by two frames: its facts first, then its text; so links survive a text that cannot be had.
"""

import logging
import os
import resource
import signal
import struct
import sys
from typing import BinaryIO

import msgspec
from selectolax.lexbor import LexborHTMLParser

from quaero.kinds.crawler.charset import decode
from quaero.kinds.crawler.html import PageFacts, read_facts
from quaero.kinds.crawler.maintext import main_text

LENGTH = struct.Struct("<I")
PARSE_SECONDS = 10.0  # processor time for one page
MEMORY = 1 << 30  # address space


class Page(msgspec.Struct, array_like=True, frozen=True):
    """One page to parse. `url` is canonical."""

    url: str
    body: bytes
    declared_charset: str | None = None


class PageText(msgspec.Struct, array_like=True, frozen=True):
    """The page's main text as Markdown."""

    text: str = ""


def main() -> None:
    """Serve until the input ends."""
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end closes our input
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, MEMORY)
    pages, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not break a frame
    decoder = msgspec.msgpack.Decoder(Page)
    while head := pages.read(LENGTH.size):
        page = decoder.decode(pages.read(LENGTH.unpack(head)[0]))
        signal.setitimer(signal.ITIMER_PROF, PARSE_SECONDS)
        _answer(page, answers)
        signal.setitimer(signal.ITIMER_PROF, 0)


def _answer(page: Page, answers: BinaryIO) -> None:
    html, charset = decode(page.body, page.declared_charset, is_html=True)
    tree = LexborHTMLParser(html)
    _write(answers, read_facts(tree, page.url, charset))
    _write(answers, PageText(main_text(tree, page.url)))


def _write(answers: BinaryIO, answer: PageFacts | PageText) -> None:
    body = msgspec.msgpack.encode(answer)
    answers.write(LENGTH.pack(len(body)) + body)
    answers.flush()


def _limit(which: int, amount: int) -> None:
    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (amount if hard == resource.RLIM_INFINITY else min(amount, hard), hard))


if __name__ == "__main__":
    main()
