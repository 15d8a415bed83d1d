"""The kinds an application knows: `App`, its `@app.job` and `@app.on`.

Light to import and free of I/O: executors import users' modules, and those import this.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar, overload

from quaero.domain.durations import parse_duration
from quaero.domain.errors import InvalidInput
from quaero.engine.protocol import KindInfo, Sort
from quaero.engine.signature import payload_schema

Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Registration:
    """One kind: its function and the defaults of its jobs. `timeout` is microseconds, 0 for none."""

    kind: str
    function: Callable[..., Any]
    max_attempts: int = 0  # 0: as the worker is configured (`queue.max_attempts`)
    timeout: int = 0

    @property
    def sort(self) -> Sort:
        """Coroutine functions share an event loop; any other function gets a process while it runs."""
        called = self.function if inspect.isroutine(self.function) else getattr(self.function, "__call__", None)  # noqa: B004
        is_async = inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(called)
        return Sort.ASYNC if is_async else Sort.PLAIN

    def announcement(self) -> KindInfo:
        """What the store is told about this kind."""
        return KindInfo(
            kind=self.kind,
            sort=self.sort,
            max_attempts=self.max_attempts,
            timeout=self.timeout,
            schema=payload_schema(self.function),
        )


@dataclass(slots=True)
class App:
    """A collection of kinds and event subscribers.

    app = quaero.App()

    @app.job(max_attempts=3, timeout="30s")
    async def fetch(job: quaero.JobContext, url: str) -> dict: ...
    """

    kinds: dict[str, Registration] = field(default_factory=dict)
    subscribers: dict[tuple[str, str], Callable[..., Any]] = field(default_factory=dict)

    @overload
    def job(self, function: Handler, /) -> Handler: ...
    @overload
    def job(
        self, /, *, kind: str | None = None, max_attempts: int | None = None, timeout: str | timedelta | None = None
    ) -> Callable[[Handler], Handler]: ...

    def job(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        kind: str | None = None,
        max_attempts: int | None = None,
        timeout: str | timedelta | None = None,
    ) -> Any:
        """Register a function as a kind (its name: `MODULE.FUNCTION` unless `kind` is given).

        `max_attempts` counts tries within a round (default: the setting `queue.max_attempts`); `timeout` (`"30s"`)
        bounds one run of the function.
        Raises InvalidInput for a name registered twice or a bad bound.
        """

        def register(function: Handler) -> Handler:
            name = kind or f"{function.__module__}.{function.__qualname__}"
            if name in self.kinds and self.kinds[name].function is not function:
                raise InvalidInput(f"kind {name!r} is registered twice: give one of them another `kind`")
            if max_attempts is not None and max_attempts < 1:
                raise InvalidInput(f"kind {name!r}: max_attempts is {max_attempts}, it must be at least 1")
            limit = parse_duration(timeout) if timeout is not None else 0
            self.kinds[name] = Registration(name, function, max_attempts or 0, limit)
            return function

        return register if function is None else register(function)

    def on(self, event: type) -> Callable[[Handler], Handler]:
        """Subscribe a function to a kind of event, e.g. `@app.on(quaero.JobFailed)`.

        Called after commit, at least once, in order per tree, retried when it raises. It can never change the job.
        """

        def register(function: Handler) -> Handler:
            self.subscribers[event.__name__, f"{function.__module__}.{function.__qualname__}"] = function
            return function

        return register

    def include(self, other: "App") -> None:
        """Take over the kinds and subscribers of another app. Raises InvalidInput for a name both have."""
        for name, registration in other.kinds.items():
            if name in self.kinds and self.kinds[name].function is not registration.function:
                raise InvalidInput(f"kind {name!r} is registered twice: give one of them another `kind`")
            self.kinds[name] = registration
        self.subscribers.update(other.subscribers)

    def kind_of(self, handler: "str | Callable[..., Any]") -> str:
        """The kind a name or a registered function stands for. Raises InvalidInput for a stranger."""
        if isinstance(handler, str):
            return handler
        for name, registration in self.kinds.items():
            if registration.function is handler:
                return name
        raise InvalidInput(f"{handler!r} is not registered: decorate it with @app.job")
