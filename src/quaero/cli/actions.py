"""`quaero cancel`, `retry`, `rerun` and `delete`: one thing done to a job and what is below it."""

from typing import Any

import click

from quaero.cli import output
from quaero.cli.options import JOB_ID, Where, client_options, examples, json_option


def _act(
    where: Where, as_json: bool, method: str, parts: tuple[object, ...], body: Any = None, *, became: str = ""
) -> None:
    """Ask for it and print what the API answers, or a sentence. `became`: what the job is now, if not in its status."""
    import msgspec

    from quaero.client.models import Outcome
    from quaero.client.transport import address

    answer = where.with_client(lambda client: client.ask(method, address("jobs", *parts), body))
    if as_json:
        output.raw_json(answer)
    else:
        done = msgspec.json.decode(answer, type=Outcome)
        output.result(f"job {done.job.id} is {became or done.job.status}; jobs affected: {done.affected}")


@click.command(epilog=examples("quaero cancel 42"))
@click.argument("job_id", metavar="ID", type=JOB_ID)
@json_option
@client_options
def cancel(where: Where, as_json: bool, job_id: int) -> None:
    """Cancel a job and everything below it."""
    _act(where, as_json, "POST", (job_id, "cancel"), {})


@click.command(
    epilog=examples(
        "quaero retry 42", "quaero retry 42 --failed", "quaero retry 42 --failed --fingerprint 9f86d081884c7d65"
    )
)
@click.argument("job_id", metavar="ID", type=JOB_ID)
@click.option("--failed", is_flag=True, help="Only what failed below the job, one new round each.")
@click.option("--fingerprint", help="With --failed: only failures of this fingerprint, as `quaero show` lists them.")
@json_option
@client_options
def retry(where: Where, as_json: bool, job_id: int, failed: bool, fingerprint: str | None) -> None:
    """Open a new round of a failed or cancelled job."""
    if fingerprint is not None and not failed:
        raise click.UsageError("--fingerprint selects among what failed below the job: give --failed with it")
    _act(where, as_json, "POST", (job_id, "retry"), {"failed_children": failed, "fingerprint": fingerprint})


@click.command(epilog=examples("quaero rerun 42"))
@click.argument("job_id", metavar="ID", type=JOB_ID)
@json_option
@client_options
def rerun(where: Where, as_json: bool, job_id: int) -> None:
    """Run a root again, as a new tree."""
    _act(where, as_json, "POST", (job_id, "rerun"), {})


@click.command(epilog=examples("quaero delete 42"))
@click.argument("job_id", metavar="ID", type=JOB_ID)
@json_option
@client_options
def delete(where: Where, as_json: bool, job_id: int) -> None:
    """Remove a finished tree with its log."""
    _act(where, as_json, "DELETE", (job_id,), became="deleted")
