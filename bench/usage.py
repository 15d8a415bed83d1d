"""What processes use, from /proc: processor time to the nanosecond, memory with shared pages divided up."""

from contextlib import suppress
from pathlib import Path

_SIGNS = {
    "quaero.app worker": "worker",
    "quaero.app gateway": "gateway",
    "quaero.engine.executor": "executor",
    "warden": "warden",
    " up ": "supervisor",
}


def tree(pid: int) -> list[int]:
    """A process and everything below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, unseen = [], [pid]
    while unseen:
        found.append(unseen.pop())
        unseen += children.get(found[-1], [])
    return found


def cpu(pid: int) -> float:
    """Processor seconds one process has used; threads that ended are not in it."""
    total = 0
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory(pid: int) -> tuple[float, float]:
    """Resident and proportional set size in MB."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return tuple(int(fields[name].split()[0]) / 1024 for name in ("Rss", "Pss"))  # type: ignore[return-value]


def name(pid: int) -> str:
    """What a process is, in a word or two."""
    text = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return next((role for sign, role in _SIGNS.items() if sign in text), text[:40])
