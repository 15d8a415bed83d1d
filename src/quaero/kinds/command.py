"""`command`: run a program as a job. Its output is the job's log, its exit code decides.

The program is the head of a process group of its own, which is ended as a whole: asked first, killed five seconds
later, and killed by the kernel should this process die. It gets a small environment: what the payload names, and where
programs and home are; nothing of what the server knows. A line `::quaero progress 3/10` moves the job's progress.
"""

import asyncio
import ctypes
import os
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from typing import Any

from quaero.engine.context import JobContext
from quaero.engine.registry import App

KIND = "command"
KEPT = ("PATH", "HOME", "LANG")
SHELL = "/bin/sh"
READ_BYTES = 64 * 1024
GRACE_SECONDS = 5.0
DRAIN_SECONDS = 2.0
PROGRESS = re.compile(r"::quaero progress (\d+(?:\.\d+)?)(?:/(\d+(?:\.\d+)?))?(?: (.*))?$")
PR_SET_PDEATHSIG = 1

_prctl = ctypes.CDLL(None).prctl  # found before the fork: between fork and exec nothing may be looked up


class CommandFailed(Exception):
    """The program could not be started, or ended with an exit code other than 0."""


def register(app: App) -> None:
    """Add the kind to an application."""
    app.job(kind=KIND, max_attempts=1)(run)


async def run(
    job: JobContext,
    command: list[str] | str,
    cwd: str | None = None,
    env: dict[str, str] | None = None,
    stdin: str | None = None,
) -> dict[str, Any]:
    """Run `command`: a list is a program with its arguments, a text is given to the shell."""
    arguments = [SHELL, "-c", command] if isinstance(command, str) else command
    if not arguments:
        raise CommandFailed("command is empty: give a program and its arguments")
    process = await _start(arguments, cwd, env or {}, stdin is not None)
    words: list[str] = []
    outputs = _follow(job, process, stdin, words)
    try:
        await process.wait()
    except BaseException:
        await _end(process)
        raise
    finally:
        await _drain(job, outputs)
    code = process.returncode or 0
    if code:
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        raise CommandFailed(": ".join([how, *words]))
    return {"exit_code": code}


async def _start(arguments: list[str], cwd: str | None, env: dict[str, str], has_input: bool) -> Process:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    try:
        return await asyncio.create_subprocess_exec(
            *arguments,
            cwd=cwd,
            env={**kept, **env},
            stdin=PIPE if has_input else DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            preexec_fn=_in_a_group_of_its_own,
        )
    except (OSError, ValueError) as error:
        raise CommandFailed(f"cannot start {arguments[0]!r}: {error}") from None


def _in_a_group_of_its_own() -> None:
    """Between fork and exec. The session stays this process's, so that whoever ends the session ends the group too."""
    os.setpgid(0, 0)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _follow(job: JobContext, process: Process, stdin: str | None, words: list[str]) -> list[asyncio.Task[None]]:
    """Take its output while it runs, and feed it. `words` will hold its last line on standard error."""

    def is_directive(line: str) -> bool:
        found = PROGRESS.match(line)
        if found:
            current, total, message = found.groups()
            job.progress(float(current), float(total) if total else None, message)
        return found is not None

    def remember(line: str) -> bool:
        if line.strip():
            words[:] = [line.strip()]
        return False

    assert process.stdout is not None
    assert process.stderr is not None
    return [
        asyncio.create_task(_read(process.stdout, job.output(watch=is_directive))),
        asyncio.create_task(_read(process.stderr, job.output(is_error=True, watch=remember))),
        asyncio.create_task(_write(process, stdin)),
    ]


async def _drain(job: JobContext, outputs: list[asyncio.Task[None]]) -> None:
    """Take what is left of its output; what another process still holds after a while is let go."""
    _, late = await asyncio.wait(outputs, timeout=DRAIN_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(*outputs, return_exceptions=True)
    if late:
        job.log.warning("something the program started still holds its output: no longer listening")


async def _read(stream: asyncio.StreamReader, output: Any) -> None:
    try:
        while data := await stream.read(READ_BYTES):
            output.feed_bytes(data)
    finally:
        output.finish()


async def _write(process: Process, text: str | None) -> None:
    if process.stdin is not None and text is not None:
        with suppress(ConnectionError):  # it need not read what it is given
            process.stdin.write(text.encode("utf-8", "surrogateescape"))
            await process.stdin.drain()
        process.stdin.close()


async def _end(process: Process) -> None:
    """End the whole group: ask, wait, kill."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        if process.returncode is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), GRACE_SECONDS)
