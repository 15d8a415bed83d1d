"""The same application with a subscriber that writes down which failures it was told of."""

import os

from tests.chaos.harness import jobs

import quaero

VARIABLE = "CHAOS_TOLD"

app = quaero.App()
app.include(jobs.app)


@app.on(quaero.JobFailed)
async def failed(event: quaero.JobFailed) -> None:
    """Write one line: job and round."""
    descriptor = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{event.job_id} {event.round}\n".encode())
    finally:
        os.close(descriptor)
