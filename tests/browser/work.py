"""The application of the browser tests: jobs that stand still on demand, fail in groups, and say hostile things."""

import asyncio
from pathlib import Path

import quaero

app = quaero.App()


async def _a_moment(seconds: float = 0.05) -> None:
    """Let others run before looking again."""
    never = asyncio.ensure_future(asyncio.Event().wait())
    await asyncio.wait({never}, timeout=seconds)
    never.cancel()


class Refused(Exception):
    """A failure with a message of its own."""


@app.job(kind="family", max_attempts=1)
async def family(job: quaero.JobContext, size: int = 100, fail_every: int = 0, gate: str = "") -> None:
    """Spawn `size` children; every so many fail; all wait for a file, if one is named."""
    job.spawn_many(
        "child", ({"number": n, "fails": bool(fail_every) and n % fail_every == 0, "gate": gate} for n in range(size))
    )


@app.job(kind="child", max_attempts=1)
async def child(job: quaero.JobContext, number: int, fails: bool = False, gate: str = "") -> dict[str, int]:
    """Say a line, wait for the gate, end."""
    job.log.info("child %d begins", number)
    while gate and not Path(gate).exists():
        await _a_moment()
    if fails:
        raise Refused("the harbour is closed" if number % 2 else "the bridge is up")
    return {"number": number}


@app.job(kind="hostile", max_attempts=1)
async def hostile(job: quaero.JobContext, probes: list[str]) -> None:
    """A child for each probe."""
    job.spawn_many("hostile.child", ({"url": probe, "fails": n % 2 == 0} for n, probe in enumerate(probes)))


@app.job(kind="hostile.child", max_attempts=1)
async def hostile_child(job: quaero.JobContext, url: str, fails: bool) -> dict[str, str]:
    """Put the probe wherever a job can put text."""
    for level in (job.log.debug, job.log.info, job.log.warning, job.log.error):
        level("%s", url)
    job.progress(1, 2, url)
    job.count(url[:60])
    job.document(url, url, f"{url} and its text", {url[:60]: url})
    if fails:
        raise Refused(url)
    return {"title": url, url[:60]: url}


@app.job(kind="talker", max_attempts=1)
async def talker(job: quaero.JobContext, lines: int = 1_000, gate: str = "") -> None:
    """Say many lines; with a gate, the second half of them only once it is open."""
    for n in range(lines):
        while gate and n == lines // 2 + 100 and not Path(gate).exists():
            await _a_moment()
        job.log.info("line %d of %d", n + 1, lines)
        if n % 500 == 0:
            await asyncio.sleep(0)


@app.job(kind="colours", max_attempts=1)
async def colours(job: quaero.JobContext) -> None:
    """What a program writes for a terminal, and what it should not."""
    job.log.info("before \x1b[31mred\x1b[0m \x1b]0;title\x07after\x1b[2J <img src=x onerror=__ran()>")
    job.log.info("see https://example.org/a?b=c.")


@app.job(kind="tide", max_attempts=1)
async def tide(job: quaero.JobContext, gate: str) -> None:
    """Log and spawn until a file is there: something always is on its way, the less the longer a slow machine takes."""
    n = 0
    while not Path(gate).exists():
        for part in "abc":
            job.log.info("wave %d%s", n, part)
        job.spawn("child", {"number": n})
        n += 1
        await _a_moment(0.05 if n < 300 else 0.25)
