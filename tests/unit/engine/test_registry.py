"""The kinds an application knows."""

from typing import Any

import pytest

from quaero.domain.errors import InvalidInput
from quaero.engine.protocol import Sort
from quaero.engine.registry import App


def test_a_kind_is_named_after_its_function_unless_it_has_a_name() -> None:
    app = App()

    @app.job
    async def fetch(job: Any) -> None: ...

    @app.job(kind="crunch", max_attempts=1, timeout="2m")
    def compute(job: Any) -> None: ...

    assert (
        app.kind_of(fetch) == f"{__name__}.test_a_kind_is_named_after_its_function_unless_it_has_a_name.<locals>.fetch"
    )
    assert app.kind_of(compute) == "crunch"
    assert (app.kinds["crunch"].max_attempts, app.kinds["crunch"].timeout) == (1, 120_000_000)


def test_only_a_coroutine_function_shares_a_loop() -> None:
    class Waits:
        async def __call__(self, job: Any) -> None: ...

    class Computes:
        def __call__(self, job: Any) -> None: ...

    app = App()
    app.job(kind="waits")(Waits())
    app.job(kind="computes")(Computes())

    assert app.kinds["waits"].sort == Sort.ASYNC
    assert app.kinds["computes"].sort == Sort.PLAIN


def test_a_name_is_given_once() -> None:
    app, other = App(), App()
    app.job(kind="one")(lambda job: 1)
    other.job(kind="one")(lambda job: 2)

    with pytest.raises(InvalidInput, match="kind 'one' is registered twice"):
        app.job(kind="one")(lambda job: 3)
    with pytest.raises(InvalidInput, match="kind 'one' is registered twice"):
        app.include(other)
    app.include(app)


def test_a_bad_bound_and_a_stranger_are_refused() -> None:
    app = App()

    with pytest.raises(InvalidInput, match="it must be at least 1"):
        app.job(kind="x", max_attempts=0)(lambda job: 1)
    with pytest.raises(InvalidInput, match="is not registered"):
        app.kind_of(print)
    assert app.kind_of("anything") == "anything"
