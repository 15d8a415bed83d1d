"""Reading a body without trusting it."""

import gzip
import random
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.kinds.crawler.body import Decoder, Trouble

CAP = 1 << 20


def read(encoding: str, wire: bytes, *, cap: int = CAP, step: int = 4_096) -> tuple[Decoder, Trouble | None]:
    """Feed in steps until the first trouble."""
    decoder = Decoder(encoding, cap)
    for start in range(0, len(wire), step):
        if (trouble := decoder.feed(wire[start : start + step])) is not None:
            return decoder, trouble
    return decoder, None


def raw_deflate(content: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-15)
    return squeezer.compress(content) + squeezer.flush()


@given(content=st.binary(max_size=5_000), step=st.integers(1, 700))
@pytest.mark.parametrize(
    ("encoding", "squeeze"),
    [
        ("", bytes),
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP ", gzip.compress),
        ("deflate", zlib.compress),
    ],
)
def test_a_whole_body_comes_out_as_it_went_in(encoding: str, squeeze: object, content: bytes, step: int) -> None:
    assert callable(squeeze)
    decoder, trouble = read(encoding, squeeze(content), step=step)

    assert (trouble, decoder.content, decoder.is_complete) == (None, content, True)


def test_deflate_without_its_header_is_understood() -> None:
    content = b"plain words " * 50

    decoder, trouble = read("deflate", raw_deflate(content))

    assert (trouble, decoder.content) == (None, content)


def test_gzip_members_in_a_row_are_one_body_and_padding_behind_them_is_nothing() -> None:
    wire = gzip.compress(b"one ") + gzip.compress(b"two") + b"\0\0\0padding"

    decoder, trouble = read("gzip", wire, step=7)

    assert (trouble, decoder.content, decoder.is_complete) == (None, b"one two", True)


def test_a_body_over_the_cap_is_cut_there() -> None:
    decoder, trouble = read("", b"x" * (CAP + 5))

    assert trouble is Trouble.TOO_LARGE
    assert (len(decoder.content), decoder.wire) == (CAP, CAP)


def test_a_body_that_decodes_to_over_four_times_the_cap_is_cut_there() -> None:
    noise = random.Random(3).randbytes(30_000)
    wire = gzip.compress(noise * 40)

    decoder, trouble = read("gzip", wire, cap=len(wire))

    assert trouble is Trouble.TOO_LARGE
    assert len(decoder.content) == 4 * len(wire)


@pytest.mark.parametrize("squeeze", [gzip.compress, zlib.compress])
def test_a_bomb_is_stopped_by_its_ratio_before_it_costs_memory(squeeze: object) -> None:
    assert callable(squeeze)
    wire = squeeze(bytes(200 << 20))
    tracemalloc.start()

    decoder, trouble = read("gzip" if squeeze is gzip.compress else "deflate", wire, cap=8 << 20)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert trouble is Trouble.BOMB
    assert len(decoder.content) <= decoder.wire * 100 + (1 << 20) + 65_536
    assert peak < 16 << 20


def test_a_small_repetitive_page_is_no_bomb() -> None:
    wire = gzip.compress(b"<li>same</li>" * 40_000)
    assert len(wire) * 100 < 520_000

    decoder, trouble = read("gzip", wire)

    assert (trouble, len(decoder.content)) == (None, 520_000)


def test_a_broken_stream_keeps_what_came_before() -> None:
    chance = random.Random(1)
    content = b" ".join(b"%d" % chance.randrange(10**9) for _ in range(20_000))
    wire = bytearray(gzip.compress(content))
    wire[60_000:60_100] = b"\xff" * 100

    decoder, trouble = read("gzip", bytes(wire))

    assert trouble is Trouble.CORRUPT
    assert decoder.content[:100_000] == content[:100_000]


def test_a_stream_that_stops_early_is_not_complete() -> None:
    decoder, trouble = read("gzip", gzip.compress(b"words " * 500)[:-20])

    assert (trouble, decoder.is_complete) == (None, False)


@pytest.mark.parametrize(("encoding", "is_known"), [("", True), ("gzip", True), ("br", False), ("gzip, gzip", False)])
def test_only_what_was_asked_for_is_known(encoding: str, is_known: bool) -> None:
    assert Decoder(encoding, CAP).known is is_known


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate"]))
def test_no_bytes_make_it_raise(wire: bytes, encoding: str) -> None:
    read(encoding, wire, step=16)
