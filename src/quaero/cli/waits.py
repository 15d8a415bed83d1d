"""Why a tree that was asked for has not begun: what `quaero run` says while it is pending."""

from typing import Any

from quaero.cli.hands import live_kinds
from quaero.cli.output import plural


def waits_for(stats: dict[str, Any], kinds: frozenset[str]) -> str:
    """What stands between these kinds and their start, by how the whole queue stands."""
    workers = sum(worker["state"] == "live" for worker in stats["workers"])
    if not workers:
        return "it waits: no worker runs; start one with `quaero work`"
    missing = sorted(kinds - live_kinds(stats))
    if missing:
        return f"it waits: no running worker knows {', '.join(missing)}; start one whose --app registers that"
    before = f"{stats['running']:,} running, {stats['pending']:,} pending"
    return f"it waits for its turn: {plural(workers, 'worker')}, {before}"
