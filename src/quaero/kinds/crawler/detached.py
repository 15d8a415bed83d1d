"""Tasks that belong to no job: shared work (robots.txt, the parser) that one page starts and others wait for too."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_running: set[asyncio.Task[Any]] = set()  # the loop itself holds tasks only weakly


def detached(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Run it outside the caller's context: what it logs is nobody's line, and the caller's end does not stop it."""
    task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task
