"""The warden: a small process that ends a worker's executors, with all they started, when the worker cannot.

Started by a worker (`wardship.py`) and told over a pipe which sessions are its executors' and until when its lease
runs. It acts when the pipe closes, for then the worker is gone, however it went; and when the lease ends unrenewed,
for then another worker may begin what still runs here (a worker that was stopped or hangs). It runs as a plain script
with the standard library alone: it must start at once, cost little, and depend on nothing that can break.

    +SESSION   watch this session        -SESSION   forget it        =MOMENT   the lease runs until then (monotonic)
"""

import os
import select
import signal
import sys
import time
from collections.abc import Iterable

PASSES = 100  # a process may fork while it is being ended
PAUSE_SECONDS = 0.01


def members(sessions: set[int]) -> list[int]:
    """The living processes of these sessions."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, _, _, session = file.read().rpartition(b") ")[2].split(maxsplit=4)[:4]
            except (OSError, ValueError):
                continue  # gone meanwhile
            if int(session) in sessions and state not in b"ZX":
                found.append(int(name))
    return found


def end_sessions(sessions: Iterable[int]) -> None:
    """Kill every process of these sessions, and what they start meanwhile."""
    doomed = set(sessions)
    for _ in range(PASSES):
        living = members(doomed) if doomed else []
        if not living:
            return
        for pid in living:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(PAUSE_SECONDS)


def watch(pipe: int) -> None:
    """Follow what the worker says until it is gone."""
    sessions: set[int] = set()
    ends, text = float("inf"), b""
    while True:
        left = min(max(0.0, ends - time.monotonic()), 3600.0)
        if not select.select([pipe], [], [], left)[0]:
            if time.monotonic() >= ends:
                end_sessions(sessions)
                ends = float("inf")
            continue
        data = os.read(pipe, 65536)
        if not data:
            end_sessions(sessions)
            return
        *lines, text = (text + data).split(b"\n")
        for line in lines:
            if line[:1] == b"+":
                sessions.add(int(line[1:]))
            elif line[:1] == b"-":
                sessions.discard(int(line[1:]))
            else:
                ends = float(line[1:])


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it leaves after its worker, never before
    watch(sys.stdin.fileno())
