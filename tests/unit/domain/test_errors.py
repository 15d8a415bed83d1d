"""Errors: one tree, and everything an edge needs to answer."""

from collections.abc import Iterator

import pytest

from quaero.domain import errors
from quaero.domain.errors import QuaeroError


def family(of: type[QuaeroError]) -> Iterator[type[QuaeroError]]:
    yield of
    for child in of.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from family(child)


ALL = list(family(QuaeroError))


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_has_a_status_an_exit_code_and_a_name(error: type[QuaeroError]) -> None:
    assert 400 <= error.http_status < 600
    assert error.exit_code in (1, 2, 3, 4, 78)
    assert error.problem.replace("-", "").isalpha()
    assert error.__name__ in (errors.__doc__ or "") or error is QuaeroError


def test_every_kind_of_problem_has_a_name_of_its_own() -> None:
    assert len({error.problem for error in ALL}) == len(ALL)


@pytest.mark.parametrize(
    ("name", "status"),
    [("NotFound", 404), ("Conflict", 409), ("InvalidInput", 422), ("StoreUnavailable", 503), ("StoreFull", 507)],
)
def test_the_public_statuses_are_the_promised_ones(name: str, status: int) -> None:
    assert getattr(errors, name).http_status == status
