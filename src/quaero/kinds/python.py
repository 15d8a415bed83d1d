"""`python`: a step of a definition that runs a registered function, named in its payload, as its child."""

from typing import Any

from quaero.engine.context import JobContext
from quaero.engine.registry import App

KIND = "python"


def register(app: App) -> None:
    """Add the kind to an application."""
    app.job(kind=KIND)(run)


async def run(job: JobContext, function: str, **arguments: Any) -> dict[str, Any]:
    """Spawn a job of the kind `function` with the other fields as its payload. It ends as that job does."""
    return {"job_id": await job.spawn(function, arguments)}
