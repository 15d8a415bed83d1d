"""What one crawl may fetch, and how: the settings of a step, checked once and carried by each of its pages.

`Rules` travel in every page's payload, so they leave out what is default. They decide about links; they never fetch.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import msgspec
import re2

from quaero.domain.durations import parse_duration
from quaero.domain.units import parse_size
from quaero.kinds.crawler.canonical import authority_of

T = TypeVar("T")
V = TypeVar("V")

DEFAULT_AGENT = "QuaeroBot/1.0"
DEFAULT_TIMEOUT = 30_000_000
DEFAULT_MAX_BODY = 8 << 20
MAX_PATTERN = 256
MAX_PATTERNS = 50
_MATCHER_MEMORY = 4 << 20


class Pattern(Protocol):
    """A compiled RE2 pattern."""

    def search(self, text: str) -> Any:
        """A match anywhere in the text, or None."""


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bounds of a crawl. Patterns are RE2, searched in the canonical URL; `max_pages` 0 is any number."""

    include: tuple[str, ...] = ()  # a link must match one of these, if there are any
    exclude: tuple[str, ...] = ()  # ... and none of these
    max_depth: int = 2  # links away from a start URL; 0: only the start URLs
    max_pages: int = 100
    follow_links: bool = True
    same_host: bool = True  # links lead no further than the host of the page they stand on
    delay: int = 0  # microseconds between two requests to one host
    respect_robots: bool = True
    user_agent: str = DEFAULT_AGENT
    timeout: int = DEFAULT_TIMEOUT  # microseconds for one page, redirects and robots.txt included
    max_body: int = DEFAULT_MAX_BODY  # bytes on the wire; four times as many once decoded

    def refusal(self, link: str, source: str, depth: int) -> str | None:
        """Why a canonical link that stands on `source` is not to be fetched at `depth`; None if it is.

        Start URLs (and what they redirect to, depth 0) need not match `include`: they are where a crawl enters.
        """
        if depth > self.max_depth:
            return f"deeper than max_depth {self.max_depth}"
        if self.same_host and host_group(link) != host_group(source):
            return "on another host"
        if any(pattern.search(link) for pattern in compiled(self.exclude)):
            return "matches exclude_patterns"
        if depth and self.include and not any(pattern.search(link) for pattern in compiled(self.include)):
            return "matches none of include_patterns"
        return None

    def to_payload(self) -> dict[str, Any]:
        """As a page's payload carries them."""
        fields = msgspec.structs.asdict(self)
        return {name: value for name, value in fields.items() if value != getattr(_DEFAULT, name)}

    @classmethod
    def from_payload(cls, fields: Mapping[str, Any]) -> "Rules":
        """What `to_payload` wrote. Raises ValueError (msgspec.ValidationError) for anything else."""
        return msgspec.convert(dict(fields), cls)


_DEFAULT = Rules()


def make_rules(
    *,
    delay: str | float,
    timeout: str | float,
    max_body: str | int,
    include_patterns: Sequence[str],
    exclude_patterns: Sequence[str],
    **plain: Any,
) -> Rules:
    """Rules from a step's settings as people write them. Raises ValueError naming the setting and the remedy."""
    rules = Rules(
        delay=_micros("delay", delay),
        timeout=_micros("timeout", timeout),
        max_body=max_body if isinstance(max_body, int) else _named("max_body", parse_size, max_body),
        include=_patterns("include_patterns", include_patterns),
        exclude=_patterns("exclude_patterns", exclude_patterns),
        **plain,
    )
    _check("delay", rules.delay, 0, 3_600_000_000, "between 0s and 1h")
    _check("timeout", rules.timeout, 1_000_000, 600_000_000, "between 1s and 10m")
    _check("max_body", rules.max_body, 1_024, 64 << 20, "between 1KiB and 64MiB")
    _check("max_depth", rules.max_depth, 0, 1_000, "between 0 and 1000")
    _check("max_pages", rules.max_pages, 0, 10_000_000, "between 0 (any number) and 10000000")
    if not (rules.user_agent.isascii() and rules.user_agent.isprintable() and 0 < len(rules.user_agent) <= MAX_PATTERN):
        raise ValueError("user_agent must be 1 to 256 printable ASCII characters")
    return rules


def host_group(url: str) -> str:
    """What counts as one host: host and port, a leading `www.` set aside (sites redirect between the two)."""
    return authority_of(url).removeprefix("www.")


@lru_cache(maxsize=256)
def compiled(patterns: tuple[str, ...]) -> tuple[Pattern, ...]:
    """RE2 matchers, linear in time and bounded in memory whatever the pattern. Raises ValueError for a bad one."""
    options = re2.Options()
    options.max_mem = _MATCHER_MEMORY
    options.log_errors = False
    try:
        return tuple(re2.compile(pattern, options) for pattern in patterns)
    except re2.error as error:
        words = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"not a pattern RE2 understands: {words}") from None


def _patterns(name: str, patterns: Sequence[str]) -> tuple[str, ...]:
    if len(patterns) > MAX_PATTERNS or any(len(pattern) > MAX_PATTERN for pattern in patterns):
        raise ValueError(f"{name}: at most {MAX_PATTERNS} patterns of at most {MAX_PATTERN} characters")
    _named(name, compiled, tuple(patterns))
    return tuple(patterns)


def _micros(name: str, duration: str | float) -> int:
    if not isinstance(duration, str):
        return round(duration * 1_000_000)
    return _named(name, parse_duration, duration)


def _named(name: str, read: Callable[[V], T], value: V) -> T:
    """What `read` makes of a setting's value; its ValueError then names the setting."""
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _check(name: str, number: int, low: int, high: int, words: str) -> None:
    if not low <= number <= high:
        raise ValueError(f"{name} must be {words}")
