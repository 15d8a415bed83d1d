"""`quaero cancel`, `retry`, `rerun` and `delete`: one thing done to a job and what is below it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from quaero.cli import output
from quaero.cli.options import JOB_ID, Where, examples, json_option, where_options

if TYPE_CHECKING:
    from quaero.engine.lifecycle.cancel import Acted
    from quaero.storage.port import Store


def _act(where: Where, as_json: bool, script: Callable[..., "Acted"], *args: Any) -> "Acted":
    """Run a script and print what the API would answer, or a sentence."""
    from quaero.domain.status import WORDS
    from quaero.domain.wire import wire_job
    from quaero.gateway.listing import step_names

    async def write(store: "Store") -> tuple["Acted", Any]:
        acted = await store.write(script, *args)
        return acted, wire_job(acted.job, await step_names(store, [acted.job]))

    acted, job = where.with_store(write)
    if as_json:
        output.json({"affected": acted.affected, "job": job})
    else:
        output.result(f"job {job.id} is {WORDS[acted.job.status]}; jobs affected: {acted.affected}")
    return acted


@click.command(epilog=examples("quaero cancel 42"))
@click.argument("job_id", metavar="ID", type=JOB_ID)
@json_option
@where_options
def cancel(where: Where, as_json: bool, job_id: int) -> None:
    """Cancel a job and everything below it."""
    from quaero.engine.lifecycle.cancel import cancel as script

    _act(where, as_json, script, job_id)


@click.command(
    epilog=examples(
        "quaero retry 42", "quaero retry 42 --failed", "quaero retry 42 --failed --fingerprint 9f86d081884c7d65"
    )
)
@click.argument("job_id", metavar="ID", type=JOB_ID)
@click.option("--failed", is_flag=True, help="Only what failed below the job, one new round each.")
@click.option("--fingerprint", help="With --failed: only failures of this fingerprint, as `/errors` shows them.")
@json_option
@where_options
def retry(where: Where, as_json: bool, job_id: int, failed: bool, fingerprint: str | None) -> None:
    """Open a new round of a failed or cancelled job."""
    from quaero.engine.lifecycle.retry import retry as script

    _act(where, as_json, script, job_id, failed, fingerprint)


@click.command(epilog=examples("quaero rerun 42"))
@click.argument("job_id", metavar="ID", type=JOB_ID)
@json_option
@where_options
def rerun(where: Where, as_json: bool, job_id: int) -> None:
    """Run a root again, as a new tree."""
    from quaero.engine.lifecycle.retry import rerun as script

    _act(where, as_json, script, job_id)


@click.command(epilog=examples("quaero delete 42"))
@click.argument("job_id", metavar="ID", type=JOB_ID)
@json_option
@where_options
def delete(where: Where, as_json: bool, job_id: int) -> None:
    """Remove a finished tree with its log."""
    from quaero.engine.lifecycle.retry import delete as script

    _act(where, as_json, script, job_id)
