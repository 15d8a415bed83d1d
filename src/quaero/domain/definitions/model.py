"""What a definition is once it was read: frozen values, complete and valid. Running one makes a tree."""

from enum import StrEnum
from typing import Any

import msgspec


class OnError(StrEnum):
    """What a failed step means for its root and for the steps that wait for it."""

    FAIL = "fail"  # the root fails, dependents are skipped
    CONTINUE = "continue"  # counts as completed
    RETRY = "retry"  # one more round of the failed work, then as FAIL


class FailureAction(StrEnum):
    """What happens when more children failed than are tolerated."""

    CONTINUE = "continue"  # the rest runs; the outcome is still failure
    STOP_ALL = "stop_all"  # the rest of the tree is cancelled
    MARK_WARNING = "mark_warning"  # completed, with warnings


class ErrorTolerance(msgspec.Struct, frozen=True, kw_only=True):
    """How many failed children a step bears (0: any number), and what happens beyond that."""

    max_child_failures: int = 0
    failure_action: FailureAction = FailureAction.CONTINUE


class StepDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One `[step.NAME]`: a job of `kind` with `payload`, begun when all of `depends` have ended well.

    `limit` is how many jobs of the step run at once; 0 for no limit of its own. `payload` is plain JSON data.
    """

    name: str
    kind: str
    description: str = ""
    on_error: OnError = OnError.FAIL
    depends: tuple[str, ...] = ()
    limit: int = 0
    payload: dict[str, Any] = {}


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """Named steps with their dependencies and settings. `timeout` is microseconds for the whole tree, 0 for none.

    `steps` stand in the order of the file. `error_tolerance` is None when the definition has no such section: then
    a step bears no failed child at all.
    """

    id: str
    name: str
    description: str = ""
    schedule: str = ""
    timeout: int = 0
    enabled: bool = True
    auto_start: bool = False
    tags: tuple[str, ...] = ()
    steps: tuple[StepDefinition, ...]
    error_tolerance: ErrorTolerance | None = None

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds its steps need; it is unrunnable while one of them was never announced."""
        return frozenset(step.kind for step in self.steps)
