"""Quaero runs large fan-out work and lets people watch every part of it live, at no cost to the work.

What users import. Names are loaded when they are asked for: importing `quaero` in a module of handlers costs next to
nothing in every executor.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quaero.client import AsyncClient, Client
    from quaero.client.transport import NotAllowed, Unreachable
    from quaero.domain.errors import (
        Conflict,
        InvalidInput,
        NotFound,
        QuaeroError,
        StoreUnavailable,
        TooLarge,
        UnknownKind,
    )
    from quaero.domain.events import (
        JobCancelled,
        JobCompleted,
        JobCreated,
        JobFailed,
        JobsSpawned,
        JobStarted,
        JobStatusChanged,
        ParentProgress,
        StepFinished,
    )
    from quaero.engine.context import JobContext
    from quaero.engine.limits import Limit
    from quaero.engine.outcomes import Fatal, Retry
    from quaero.engine.registry import App

__version__ = "0.1.0"

_HOMES = {
    "App": "quaero.engine.registry",
    "AsyncClient": "quaero.client",
    "Client": "quaero.client",
    "Conflict": "quaero.domain.errors",
    "Fatal": "quaero.engine.outcomes",
    "InvalidInput": "quaero.domain.errors",
    "JobCancelled": "quaero.domain.events",
    "JobCompleted": "quaero.domain.events",
    "JobContext": "quaero.engine.context",
    "JobCreated": "quaero.domain.events",
    "JobFailed": "quaero.domain.events",
    "JobStarted": "quaero.domain.events",
    "JobStatusChanged": "quaero.domain.events",
    "JobsSpawned": "quaero.domain.events",
    "Limit": "quaero.engine.limits",
    "NotAllowed": "quaero.client.transport",
    "NotFound": "quaero.domain.errors",
    "ParentProgress": "quaero.domain.events",
    "QuaeroError": "quaero.domain.errors",
    "Retry": "quaero.engine.outcomes",
    "StepFinished": "quaero.domain.events",
    "StoreUnavailable": "quaero.domain.errors",
    "TooLarge": "quaero.domain.errors",
    "UnknownKind": "quaero.domain.errors",
    "Unreachable": "quaero.client.transport",
}

__all__ = [
    "App",
    "AsyncClient",
    "Client",
    "Conflict",
    "Fatal",
    "InvalidInput",
    "JobCancelled",
    "JobCompleted",
    "JobContext",
    "JobCreated",
    "JobFailed",
    "JobStarted",
    "JobStatusChanged",
    "JobsSpawned",
    "Limit",
    "NotAllowed",
    "NotFound",
    "ParentProgress",
    "QuaeroError",
    "Retry",
    "StepFinished",
    "StoreUnavailable",
    "TooLarge",
    "UnknownKind",
    "Unreachable",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'quaero' has no attribute {name!r}")
    return getattr(import_module(home), name)
