"""Buckets of waits: every wait has one, in order, and none is wider than a quarter of what it holds."""

from itertools import pairwise

from quaero.storage.latency import bucket_of, end_of


def test_every_wait_lies_in_its_bucket_and_buckets_follow_each_other() -> None:
    for units in range(100_000):
        bucket = bucket_of(units)
        assert units < end_of(bucket)
        assert bucket == 0 or units >= end_of(bucket - 1)


def test_no_bucket_is_wider_than_a_quarter_of_its_start() -> None:
    for start, end in pairwise(map(end_of, range(8, 200))):
        assert (end - start) * 4 <= start


def test_a_months_wait_needs_few_buckets() -> None:
    assert bucket_of((30 * 86_400 * 1_000_000) >> 7) < 150
