"""More of the application under test: handlers that tell, shout, and take their process down."""

import ctypes
import logging
import logging.config
import os
import subprocess
import sys
import warnings

import quaero

app = quaero.App()

# --- what it tells


@app.job(kind="tells")
async def tells(job: quaero.JobContext) -> None:
    job.progress(1, 2, "half")
    job.count("pages", 2)
    job.count("pages")
    job.count("bytes", 100)
    job.document("https://example.org/a", "A page", "The quick brown fox", {"lang": "en"})
    job.set_result({"told": True})


@app.job(kind="talks")
def talks(job: quaero.JobContext) -> None:
    print("printed")
    sys.stderr.write("to stderr\n")
    job.log.info("logged", extra={"page": 7})
    logging.getLogger("library").warning("from a library")
    warnings.warn("careful", stacklevel=1)
    subprocess.run(["sh", "-c", "echo from a program; echo complaint >&2"], check=True)
    os.write(1, b"raw bytes\n")
    raise ValueError("with a traceback")


@app.job(kind="talks_async", max_attempts=1)
async def talks_async(job: quaero.JobContext) -> None:
    print("printed by", job.id)
    job.log.debug("debugging")
    try:
        raise KeyError("inner")
    except KeyError:
        job.log.exception("caught")


@app.job(kind="configures_logging")
def configures_logging(job: quaero.JobContext) -> None:
    """As frameworks do when they are set up: all handlers of the root logger are replaced."""
    stream = {"class": "logging.StreamHandler"}
    logging.config.dictConfig({"version": 1, "handlers": {"it": stream}, "root": {"handlers": ["it"], "level": "INFO"}})
    job.log.info("by its own logger")
    logging.info("by the root logger")


@app.job(kind="leaves_a_talker")
def leaves_a_talker(job: quaero.JobContext) -> None:
    subprocess.Popen(["sh", "-c", "sleep 0.5; echo too late"])


@app.job(kind="floods")
def floods(job: quaero.JobContext, mib: int) -> int:
    """One endless line from a program; the most memory this process ever took, in KiB."""
    import resource

    subprocess.run(["sh", "-c", f"head -c {mib * 1024 * 1024} /dev/zero | tr '\\0' x"], check=True)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@app.job(kind="chatters")
def chatters(job: quaero.JobContext, lines: int) -> None:
    for n in range(lines):
        job.log.info("line %d", n)


# --- deaths


@app.job(kind="dies", max_attempts=2)
def dies(job: quaero.JobContext, how: str) -> None:
    _die(how)


@app.job(kind="dies_among_others", max_attempts=2)
async def dies_among_others(job: quaero.JobContext, how: str) -> None:
    _die(how)


def _die(how: str) -> None:
    if how == "segfault":
        ctypes.string_at(0)
    elif how == "exit":
        os._exit(7)
    else:
        os.abort()
