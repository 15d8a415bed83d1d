"""Which pages are known to be in the store."""

import pytest

from quaero.kinds.crawler import asked
from quaero.kinds.crawler.asked import Asked


def test_a_page_is_known_once_the_store_gave_it_an_id_and_only_in_its_tree() -> None:
    known = Asked()

    known.learn("1", ["a", "b"], ["7", "8"])

    assert known.unknown("1", ["a", "c", "b"]) == ["c"]
    assert known.unknown("2", ["a", "b"]) == ["a", "b"]
    assert not known.is_full("1")


def test_a_refused_page_stays_unknown_and_its_tree_is_full() -> None:
    known = Asked()

    known.learn("1", ["a", "b"], ["7", None])

    assert known.unknown("1", ["a", "b"]) == ["b"]
    assert known.is_full("1")
    assert not known.is_full("2")


def test_too_many_known_pages_are_forgotten_rather_than_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "MAX_KNOWN", 3)
    known = Asked()
    known.learn("1", ["a", "b"], ["1", "2"])

    known.learn("2", ["c", "d"], ["3", "4"])

    assert known.unknown("1", ["a", "b"]) == ["a", "b"]
    assert known.unknown("2", ["c", "d"]) == []
