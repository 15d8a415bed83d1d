"""What a crawl may fetch."""

from typing import Any

import pytest

from quaero.kinds.crawler.rules import Rules, host_group, make_rules

PAGE = "https://example.org/news/"


def rules(**changes: Any) -> Rules:
    settings: dict[str, Any] = {
        "delay": "0s",
        "timeout": "30s",
        "max_body": "8MiB",
        "include_patterns": (),
        "exclude_patterns": (),
    }
    return make_rules(**settings | changes)


def test_settings_are_read_as_people_write_them() -> None:
    made = rules(delay="250ms", timeout="1m", max_body="512KiB")

    assert (made.delay, made.timeout, made.max_body) == (250_000, 60_000_000, 524_288)


def test_numbers_are_seconds_and_bytes() -> None:
    made = rules(delay=1.5, timeout=10, max_body=4096)

    assert (made.delay, made.timeout, made.max_body) == (1_500_000, 10_000_000, 4096)


def test_a_payload_carries_only_what_is_not_default_and_comes_back_whole() -> None:
    made = rules(delay="1s", exclude_patterns=(r"\.pdf$",))

    assert made.to_payload() == {"delay": 1_000_000, "exclude": (r"\.pdf$",)}
    assert Rules.from_payload(made.to_payload()) == made
    assert Rules().to_payload() == {}


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("delay", "soon", "delay: 'soon' is not a duration"),
        ("delay", -1, "delay must be between"),
        ("timeout", "0s", "timeout must be between 1s and 10m"),
        ("max_body", "lots", "max_body: 'lots' is not a size"),
        ("max_body", "1GiB", "max_body must be between"),
        ("max_depth", -1, "max_depth must be between"),
        ("max_pages", -1, "max_pages must be between"),
        ("include_patterns", ("(",), "include_patterns: not a pattern RE2 understands"),
        ("exclude_patterns", (r"(a)\1",), "exclude_patterns: not a pattern RE2 understands"),
        ("exclude_patterns", ("a" * 257,), "exclude_patterns: at most"),
        ("include_patterns", ("a",) * 51, "include_patterns: at most"),
        ("user_agent", "bad\r\nX: y", "user_agent must be"),
        ("user_agent", "", "user_agent must be"),
    ],
)
def test_a_bad_setting_is_named_with_the_remedy(setting: str, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        rules(**{setting: value})


def test_links_beyond_the_depth_are_refused() -> None:
    assert rules(max_depth=1).refusal("https://example.org/a", PAGE, 2) == "deeper than max_depth 1"
    assert rules(max_depth=1).refusal("https://example.org/a", PAGE, 1) is None


def test_links_to_another_host_are_refused_unless_wanted() -> None:
    assert rules().refusal("https://other.example/", PAGE, 1) == "on another host"
    assert rules().refusal("https://example.org:8443/", PAGE, 1) == "on another host"
    assert rules(same_host=False).refusal("https://other.example/", PAGE, 1) is None


def test_a_leading_www_and_the_scheme_make_no_other_host() -> None:
    assert host_group("https://www.example.org/") == host_group("http://example.org/a")
    assert rules().refusal("http://www.example.org/", PAGE, 1) is None


def test_patterns_are_searched_in_the_whole_url() -> None:
    made = rules(include_patterns=(r"/news/", r"/town/"), exclude_patterns=(r"\?page=",))

    assert made.refusal("https://example.org/town/1", PAGE, 1) is None
    assert made.refusal("https://example.org/shop/1", PAGE, 1) == "matches none of include_patterns"
    assert made.refusal("https://example.org/news/?page=2", PAGE, 1) == "matches exclude_patterns"


def test_start_pages_need_not_match_what_links_must_match() -> None:
    assert rules(include_patterns=("/news/",)).refusal("https://example.org/", PAGE, 0) is None


def test_a_pattern_that_would_take_another_engine_for_ever_is_quick() -> None:
    made = rules(exclude_patterns=("(a+)+$",))

    assert made.refusal("https://example.org/" + "a" * 2_000 + "!", PAGE, 1) is None
