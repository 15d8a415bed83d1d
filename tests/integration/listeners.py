"""The same application with subscribers, who write down what they are told: one line of JSON per call.

`NOTES` in the environment is the file. A file `NOTES.refuse` makes a subscriber raise after it has written.
"""

import json
import os
from pathlib import Path

from tests.integration import apps

import quaero
from quaero.domain.events import Event

app = quaero.App()
app.include(apps.app)


@app.on(quaero.JobCreated)
@app.on(quaero.JobCompleted)
@app.on(quaero.JobFailed)
@app.on(quaero.JobCancelled)
async def everything(event: Event) -> None:
    _note("everything", event)


@app.on(quaero.JobFailed)
def failures(event: quaero.JobFailed) -> None:
    _note("failures", event)


@app.on(quaero.StepFinished)
async def steps(event: quaero.StepFinished) -> None:
    _note("steps", event, event.status)


@app.on(quaero.JobsSpawned)
async def spawns(event: quaero.JobsSpawned) -> None:
    _note("spawns", event, str(event.count))


@app.on(quaero.JobStarted)
async def starts(event: quaero.JobStarted) -> None:
    refuse = Path(os.environ["NOTES"] + ".refuse").exists()
    _note("starts", event, str(event.attempt))
    if refuse:
        raise RuntimeError("not now")


def _note(who: str, event: Event, more: str = "") -> None:
    line = {"who": who, "what": type(event).__name__, "job": event.job_id, "root": event.root_id, "more": more}
    with open(os.environ["NOTES"], "a") as file:
        file.write(json.dumps(line) + "\n")
