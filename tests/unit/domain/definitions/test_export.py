"""A definition written down and read again is the same definition; changed for one execution, only that changed."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.domain.definitions import (
    Definition,
    ErrorTolerance,
    FailureAction,
    InvalidDefinition,
    OnError,
    StepDefinition,
    from_stored,
    parse,
    to_mapping,
    to_stored,
    to_toml,
    with_overrides,
)
from quaero.domain.definitions.reading import STEP_KEYS

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
SCALARS = (
    st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
PAYLOADS = st.dictionaries(TEXT.filter(lambda name: name not in STEP_KEYS), DATA, max_size=4)


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    """Any valid definition; steps depend only on earlier ones, so there is no circle."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    steps = tuple(
        StepDefinition(
            name=name,
            kind=draw(NAMES),
            description=draw(TEXT).strip(),
            on_error=draw(st.sampled_from(OnError)),
            depends=tuple(draw(st.lists(st.sampled_from(names[:index]), unique=True))) if index else (),
            limit=draw(st.integers(min_value=0, max_value=1000)),
            payload=draw(PAYLOADS),
        )
        for index, name in enumerate(names)
    )
    tolerances = st.builds(
        ErrorTolerance,
        max_child_failures=st.integers(min_value=0, max_value=10**6),
        failure_action=st.sampled_from(FailureAction),
    )
    return Definition(
        id=draw(NAMES),
        name=draw(TEXT.map(str.strip).filter(bool)),
        description=draw(TEXT).strip(),
        schedule=draw(st.sampled_from(["", "*/5 * * * *", "0 6 * * mon-fri"])),
        timeout=draw(st.integers(min_value=0, max_value=10**13)),
        enabled=draw(st.booleans()),
        auto_start=draw(st.booleans()),
        tags=tuple(draw(st.lists(NAMES, unique=True, max_size=3))),
        steps=steps,
        error_tolerance=draw(st.none() | tolerances),
    )


@pytest.fixture
def news() -> Definition:
    return parse(
        {
            "id": "news",
            "timeout": "30m",
            "step": {
                "crawl": {"type": "crawler", "limit": 5, "max_pages": 100, "headers": {"a": "1", "b": "2"}},
                "digest": {"type": "myapp.digest", "depends": "crawl"},
            },
        }
    )


@given(definitions())
def test_toml_text_reads_back_as_the_same_definition(definition: Definition) -> None:
    assert parse(to_toml(definition)) == definition


@given(definitions())
def test_what_the_store_keeps_reads_back_as_the_same_definition(definition: Definition) -> None:
    assert from_stored(to_stored(definition)) == definition
    assert msgspec.json.decode(to_stored(definition)) == to_mapping(definition)


def test_an_override_changes_what_it_names_and_nothing_else(news: Definition) -> None:
    changed = with_overrides(news, {"name": "Trial", "step": {"crawl": {"max_pages": 5, "headers": {"b": "3"}}}})

    assert changed.name == "Trial"
    assert changed.steps[0].payload == {"max_pages": 5, "headers": {"a": "1", "b": "3"}}
    assert changed.steps[0].limit == 5
    assert changed.steps[1] == news.steps[1]
    assert (changed.id, changed.timeout) == (news.id, news.timeout)


def test_no_override_changes_nothing(news: Definition) -> None:
    assert with_overrides(news, {}) == news


def test_an_override_of_concurrency_replaces_the_limit(news: Definition) -> None:
    assert with_overrides(news, {"step": {"crawl": {"concurrency": 9}}}).steps[0].limit == 9


@pytest.mark.parametrize(
    ("overrides", "word"),
    [
        ({"step": {"craw": {"max_pages": 5}}}, "did you mean 'crawl'?"),
        ({"id": "other"}, "cannot be overridden"),
        ({"step": []}, "not a table"),
        ({"step": {"crawl": 5}}, "[step.crawl]"),
        ({"step": {"digest": {"on_error": "stop"}}}, "step.digest.on_error"),
        ({"nmae": "x"}, "did you mean 'name'?"),
        ({"step": {"crawl": {"depends": "digest"}}}, "wait for each other"),
    ],
)
def test_a_wrong_override_is_refused_with_the_remedy(news: Definition, overrides: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        with_overrides(news, overrides)

    assert word in str(refused.value)
