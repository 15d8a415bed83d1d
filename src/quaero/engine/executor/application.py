"""What this executor can run: the application's kinds and the built-in ones, ready to be called."""

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from quaero.domain.errors import InvalidInput
from quaero.engine.protocol import Broken, KindInfo, Setup, Sort
from quaero.engine.registry import App
from quaero.engine.signature import Signature

BUILTIN = "quaero.kinds"  # named, not imported: kinds stand above the engine, and only this process joins them


@dataclass(frozen=True, slots=True)
class Runnable:
    """One kind's function. `arguments` makes its keyword arguments from a payload; None: it takes only the job."""

    function: Callable[..., Any]
    is_plain: bool
    names: frozenset[str]
    arguments: Callable[[bytes], dict[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Application:
    """Everything loaded."""

    app: App
    runnable: Mapping[str, Runnable]
    announcements: list[KindInfo]


def load(setup: Setup) -> Application | Broken:
    """Import everything named in the setup. A failure is an answer: one line for people, and the traceback."""
    try:
        app = App()
        app.include(importlib.import_module(BUILTIN).builtin(msgspec.json.decode(setup.settings)))
        if setup.app is not None:
            app.include(_imported(setup.app))
        return ready_to_run(app)
    except InvalidInput as error:
        return Broken(str(error), "")
    except BaseException as error:
        return Broken(_one_line(setup.app, error), traceback.format_exc())


def ready_to_run(app: App) -> Application:
    """The kinds of an app with their payloads' readers. Raises InvalidInput for a signature that cannot be filled."""
    signatures = {kind: Signature.of(one.function) for kind, one in app.kinds.items()}
    announcements = [one.announcement() for one in app.kinds.values()]
    runnable = {
        kind: Runnable(one.function, one.sort == Sort.PLAIN, signatures[kind].names, signatures[kind].reader)
        for kind, one in app.kinds.items()
    }
    return Application(app, runnable, announcements)


def _imported(reference: str) -> App:
    """The App that MODULE[:ATTR] names; without ATTR `app`, or the only one in the module."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    name, _, attribute = reference.partition(":")
    module = importlib.import_module(name)
    if attribute:
        found = getattr(module, attribute, None)
        if isinstance(found, App):
            return found
        raise InvalidInput(f"{reference!r} is no quaero.App: {name} {_apps_of(module)}")
    if isinstance(getattr(module, "app", None), App):
        return module.app  # type: ignore[no-any-return]
    apps = [value for value in vars(module).values() if isinstance(value, App)]
    if len(apps) == 1:
        return apps[0]
    raise InvalidInput(f"name the quaero.App of {name!r} as {name}:NAME: it {_apps_of(module)}")


def _apps_of(module: Any) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, App)]
    return f"has {', '.join(names)}" if names else "has none"


def _one_line(reference: str | None, error: BaseException) -> str:
    """`cannot import "shop.jobs": ModuleNotFoundError: No module named 'shop'`, with the place where it happened."""
    frames = traceback.extract_tb(error.__traceback__)
    place = next((f" ({one.filename}:{one.lineno})" for one in reversed(frames) if not _is_ours(one.filename)), "")
    words = " ".join(str(error).split())
    return f"cannot import {reference!r}: {type(error).__name__}: {words}{place}"


def _is_ours(filename: str) -> bool:
    return filename.startswith("<") or filename in (__file__, importlib.__file__)
