"""Which pages are known to be in the store."""

import pytest

from quaero.kinds.crawler import asked
from quaero.kinds.crawler.asked import Asked

HERE, THERE = ("1", "crawl"), ("1", "crawl-more")


def test_a_page_is_known_once_the_store_gave_it_an_id_and_only_in_its_crawl() -> None:
    known = Asked()

    known.learn(HERE, ["a", "b"], ["7", "8"])

    assert known.unknown(HERE, ["a", "c", "b"]) == ["c"]
    assert known.unknown(THERE, ["a", "b"]) == ["a", "b"]
    assert not known.is_full(HERE)


def test_a_refused_page_stays_unknown_and_its_crawl_is_full() -> None:
    known = Asked()

    known.learn(HERE, ["a", "b"], ["7", None])

    assert known.unknown(HERE, ["a", "b"]) == ["b"]
    assert known.is_full(HERE)
    assert not known.is_full(THERE)


def test_too_many_known_pages_are_forgotten_rather_than_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "MAX_KNOWN", 3)
    known = Asked()
    known.learn(HERE, ["a", "b"], ["1", "2"])

    known.learn(THERE, ["c", "d"], ["3", "4"])

    assert known.unknown(HERE, ["a", "b"]) == ["a", "b"]
    assert known.unknown(THERE, ["c", "d"]) == []
