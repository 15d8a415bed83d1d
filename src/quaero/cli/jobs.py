"""`quaero list` and `quaero show`."""

from typing import TYPE_CHECKING, Any

import click

from quaero.cli import output
from quaero.cli.options import JOB_ID, Where, client_options, examples, json_option

if TYPE_CHECKING:
    from quaero.client import AsyncClient, Job

STATUSES = ("pending", "running", "waiting", "completed", "failed", "cancelled")
SHOWN_ERRORS = 10


@click.command(
    "list",
    epilog=examples(
        "quaero list", "quaero list --status failed,cancelled --kind myapp.fetch", "quaero list --parent 42 --json"
    ),
)
@click.option("--status", default="", metavar="LIST", help=f"Comma list of {', '.join(STATUSES)}.")
@click.option("--kind", help="Only jobs of this kind.")
@click.option("--tag", help="Only jobs with this tag.")
@click.option("--parent", type=JOB_ID, help="The children of this job instead of roots.")
@click.option("--query", "-q", "q", help="Only jobs whose name, kind or key contains this.")
@click.option("--limit", "-n", default=50, show_default=True, type=click.IntRange(1, 1000), help="Jobs on a page.")
@click.option("--cursor", help="Where the page begins: `next_cursor` of the one before.")
@click.option("--oldest-first", is_flag=True, help="In order of creation, instead of newest first.")
@json_option
@client_options
def list_(where: Where, as_json: bool, parent: int | None, oldest_first: bool, **query: Any) -> None:
    """List jobs: roots, or the children of one job."""
    import msgspec

    from quaero.client.models import JobList
    from quaero.client.transport import address

    query["order"] = "created_at" if oldest_first else "-created_at"
    path = address("jobs", parent_id=parent, **{name: value for name, value in query.items() if value})
    answer = where.with_client(lambda client: client.ask("GET", path))
    if as_json:
        output.raw_json(answer)
        return
    page = msgspec.json.decode(answer, type=JobList)
    output.table(("ID", "STATUS", "KIND", "NAME", "PROGRESS", "CREATED"), [_row(job) for job in page.jobs])
    least = "at least " if page.total_is_lower_bound else ""
    more = f"; go on with --cursor {page.next_cursor}" if page.next_cursor else ""
    output.message(f"{len(page.jobs)} of {least}{output.plural(page.total_count, 'job')}{more}")


def _row(job: "Job") -> tuple[str, ...]:
    return job.id, job.status, job.kind, job.name or "", _progress(job) or "", job.created_at


def _progress(job: "Job") -> str | None:
    """The fixed sentence, and the cancelled, of which it says nothing."""
    if not job.tally.total:
        return None
    return job.progress_text + (f", {job.tally.cancelled} cancelled" if job.tally.cancelled else "")


@click.command(epilog=examples("quaero show 42", "quaero show 42 --json"))
@click.argument("job_id", metavar="ID", type=JOB_ID)
@json_option
@client_options
def show(where: Where, as_json: bool, job_id: int) -> None:
    """Show one job, with its steps, how much longer it may take, and why jobs of its tree failed."""
    import msgspec

    from quaero.client.models import Job
    from quaero.client.transport import address

    async def ask(client: "AsyncClient") -> tuple[bytes, list[dict[str, Any]]]:
        answer = await client.ask("GET", address("jobs", job_id))
        job = msgspec.json.decode(answer, type=Job)
        of_its_tree = job.tally.failed and job.id == job.root_id and not as_json
        return answer, await client.errors(job) if of_its_tree else []

    answer, errors = where.with_client(ask)
    if as_json:
        output.raw_json(answer)
        return
    _print(msgspec.json.decode(answer, type=Job))
    if errors:
        output.result("")
        output.table(
            ("FAILED", "FINGERPRINT", "EXAMPLE", "MESSAGE"), [_group(error) for error in errors[:SHOWN_ERRORS]]
        )
        if len(errors) > SHOWN_ERRORS:
            output.message(f"{SHOWN_ERRORS} of {len(errors)} causes")


def _group(error: dict[str, Any]) -> tuple[str, ...]:
    example = next(iter(error["example_job_ids"]), "")
    return str(error["count"]), error["fingerprint"], example, error["message"]


def _print(job: "Job") -> None:
    error = job.error
    output.fields(
        [
            ("id", job.id),
            ("kind", job.kind),
            ("name", job.name),
            ("status", job.status + (", cancel requested" if job.cancel_requested else "")),
            ("root", job.root_id if job.root_id != job.id else None),
            ("parent", job.parent_id),
            ("step", job.step),
            ("progress", _progress(job)),
            ("warnings", str(job.warnings) if job.warnings else None),
            ("attempt", f"{job.attempt} of {job.max_attempts}, round {job.round}"),
            ("created", job.created_at),
            ("started", job.started_at),
            ("finished", job.finished_at),
            ("eta", _eta(job)),
            ("payload", _spelled(job.payload)),
            ("result", _spelled(job.result)),
            ("counts", _spelled(job.counts)),
            ("error", f"{error['type']}: {error['message']}\n{error['traceback']}".rstrip() if error else None),
        ]
    )
    if job.steps:
        output.result("")
        output.table(
            ("STEP", "STATUS", "PROGRESS"), [(step.name, step.status, step.progress_text) for step in job.steps]
        )


def _spelled(value: Any) -> str | None:
    """A value as JSON; None where there is none."""
    import msgspec

    return msgspec.json.encode(value).decode() if value else None


def _eta(job: "Job") -> str | None:
    from quaero.domain.eta import Eta

    if not job.eta:
        return None
    eta = Eta(job.eta.low_ms * 1_000, job.eta.high_ms * 1_000)
    return eta.text + (", if no more children come" if job.eta.growing else "")
