"""What a handler's signature says about its payload."""

from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Annotated, Any

import msgspec
import pytest

from quaero.domain.errors import InvalidInput
from quaero.engine.signature import Signature, decode_object, payload_schema


@dataclass
class Rule:
    pattern: str
    weight: int = 1


class Opaque:
    """Has no JSON form."""


def fetch(
    job: Any,
    url: str,
    tries: Annotated[int, msgspec.Meta(ge=1)] = 3,
    tags: list[str] = [],  # noqa: B006
    rule: Rule | None = None,
    when: date = None,  # type: ignore[assignment] # noqa: RUF013
    opaque: Opaque | None = None,
    *,
    anything=None,  # type: ignore[no-untyped-def]
) -> None: ...


def given(function: Any, **payload: Any) -> dict[str, Any]:
    return Signature.of(function).arguments(msgspec.json.encode(payload))


def test_values_come_as_the_annotated_types() -> None:
    arguments = given(fetch, url="x", rule={"pattern": "a"}, when="2024-01-31", anything=[1])

    assert arguments == {"url": "x", "rule": Rule("a"), "when": date(2024, 1, 31), "anything": [1]}


def test_what_is_not_given_is_left_to_pythons_own_defaults() -> None:
    assert given(fetch, url="x") == {"url": "x"}


def test_null_may_stand_for_a_default_of_none() -> None:
    assert given(fetch, url="x", when=None) == {"url": "x", "when": None}


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"{}", "argument 'url' of fetch is missing"),
        (b'{"url":1}', "argument 'url' of fetch is wrong: expected str, got int"),
        (b'{"url":"x","tries":"3"}', "argument 'tries' of fetch is wrong: expected int, got str"),
        (b'{"url":"x","tries":0}', "argument 'tries' of fetch is wrong: expected int >= 1"),
        (b'{"url":"x","rule":{}}', "argument 'rule.pattern' of fetch is missing"),
        (b'{"url":"x","tags":[1]}', "argument 'tags[0]' of fetch is wrong: expected str, got int"),
        (b'{"url":"x","tires":3}', "argument 'tires' of fetch is not one it takes"),
        (b"[]", "the payload of fetch is wrong: expected object, got array"),
        (b'{"url', "the payload of fetch is not JSON: Input data was truncated"),
    ],
)
def test_what_does_not_fit_is_told_by_name(payload: bytes, words: str) -> None:
    with pytest.raises(InvalidInput) as error:
        Signature.of(fetch).arguments(payload)

    assert str(error.value) == words


def test_a_rest_takes_what_no_parameter_names() -> None:
    def open_ended(job: Any, a: int, **rest: Any) -> None: ...

    def all_open(job: Any, **rest: Any) -> None: ...

    assert given(open_ended, a=1, b=2) == {"a": 1, "b": 2}
    assert given(all_open, b=2) == {"b": 2}


def test_a_handler_with_only_a_context_reads_no_payload() -> None:
    def bare(job: Any) -> None: ...

    signature = Signature.of(bare)

    assert signature.reader is None
    assert signature.arguments(b"whatever") == {}


def test_annotations_that_cannot_be_resolved_leave_the_names_checked() -> None:
    def odd(job: "Nowhere", a: "Missing") -> None: ...  # type: ignore[name-defined] # noqa: F821

    assert given(odd, a=[1]) == {"a": [1]}
    with pytest.raises(InvalidInput, match="'b' of odd is not one it takes"):
        given(odd, a=1, b=2)


def test_a_callable_object_is_a_handler_too() -> None:
    class Fetcher:
        def __call__(self, job: Any, url: str) -> None: ...

    assert given(Fetcher(), url="x") == {"url": "x"}
    assert given(partial(fetch, tries=5), url="x") == {"url": "x"}


def no_parameter() -> None: ...


def by_position(job: Any, url: str, /) -> None: ...


def variable(job: Any, *urls: str) -> None: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (no_parameter, "no_parameter needs a first parameter for its JobContext"),
        (by_position, "by_position cannot take 'url' by position"),
        (variable, "variable cannot take 'urls' by position"),
    ],
)
def test_a_function_nothing_could_call_is_refused(function: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        Signature.of(function)


def test_the_schema_says_what_the_payload_may_be() -> None:
    schema = msgspec.json.decode(payload_schema(fetch))

    assert schema["title"] == "fetch"
    assert schema["required"] == ["url"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["tries"] == {"type": "integer", "minimum": 1, "default": 3}
    assert {"$ref": "#/$defs/Rule"} in schema["properties"]["rule"]["anyOf"]
    assert schema["$defs"]["Rule"]["required"] == ["pattern"]


def test_a_payload_that_is_no_object_is_refused() -> None:
    assert decode_object(b'{"a":1}') == {"a": 1}
    with pytest.raises(InvalidInput, match="the payload is not a JSON object"):
        decode_object(b"[1]")
