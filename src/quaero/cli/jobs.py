"""`quaero list` and `quaero show`."""

from typing import TYPE_CHECKING, Any

import click

from quaero.cli import output
from quaero.cli.options import JOB_ID, Where, examples, json_option, where_options

if TYPE_CHECKING:
    from quaero.domain.wire import WireJob
    from quaero.domain.wiretree import WireJobDetail
    from quaero.storage.port import Store

STATUSES = ("pending", "running", "waiting", "completed", "failed", "cancelled")


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
@where_options
def list_(where: Where, as_json: bool, parent: int | None, oldest_first: bool, **query: Any) -> None:
    """List jobs: roots, or the children of one job."""
    from quaero.gateway.listing import JobsQuery, jobs_filter, list_jobs
    from quaero.gateway.state import Gateway

    wanted = JobsQuery(
        **query,
        parent_id="root" if parent is None else str(parent),
        order="created_at" if oldest_first else "-created_at",
    )

    async def read(store: "Store") -> Any:
        return await list_jobs(Gateway(store, version=""), wanted, jobs_filter(wanted))

    page = where.with_store(read)
    if as_json:
        output.json(page)
        return
    output.table(("ID", "STATUS", "KIND", "NAME", "PROGRESS", "CREATED"), [_row(job) for job in page.jobs])
    least = "at least " if page.total_is_lower_bound else ""
    more = f"; go on with --cursor {page.next_cursor}" if page.next_cursor else ""
    output.message(f"{len(page.jobs)} of {least}{page.total_count} jobs{more}")


def _row(job: "WireJob") -> tuple[str, ...]:
    progress = job.progress_text if job.tally.total else ""
    return job.id, job.status, job.kind, job.name or "", progress, job.created_at


@click.command(epilog=examples("quaero show 42", "quaero show 42 --json"))
@click.argument("job_id", metavar="ID", type=JOB_ID)
@json_option
@where_options
def show(where: Where, as_json: bool, job_id: int) -> None:
    """Show one job, with its steps and how much longer it may take."""
    from quaero.clock import SystemClock
    from quaero.domain.wiretree import wire_job_detail
    from quaero.gateway.finding import find_job
    from quaero.gateway.listing import step_names

    async def read(store: "Store") -> "WireJobDetail":
        job = await find_job(store, job_id)
        steps = await store.steps(job.id) if job.definition is not None else []
        return wire_job_detail(job, steps, await step_names(store, [job]), now=SystemClock().now())

    detail = where.with_store(read)
    if as_json:
        output.json(detail)
    else:
        _print(detail)


def _print(job: "WireJobDetail") -> None:
    import msgspec

    error = msgspec.json.decode(job.error) or {}
    output.fields(
        [
            ("id", job.id),
            ("kind", job.kind),
            ("name", job.name),
            ("status", job.status + (", cancel requested" if job.cancel_requested else "")),
            ("root", job.root_id if job.root_id != job.id else None),
            ("parent", job.parent_id),
            ("step", job.step),
            ("progress", job.progress_text if job.tally.total else None),
            ("warnings", str(job.warnings) if job.warnings else None),
            ("attempt", f"{job.attempt} of {job.max_attempts}, round {job.round}"),
            ("created", job.created_at),
            ("started", job.started_at),
            ("finished", job.finished_at),
            ("eta", _eta(job)),
            ("payload", bytes(job.payload).decode()),
            ("result", _unless_null(bytes(job.result).decode())),
            ("counts", _unless_null(bytes(job.counts).decode())),
            ("error", f"{error['type']}: {error['message']}\n{error['traceback']}".rstrip() if error else None),
        ]
    )
    if job.steps:
        output.result("")
        output.table(
            ("STEP", "STATUS", "PROGRESS"), [(step.name, step.status, step.progress_text) for step in job.steps]
        )


def _unless_null(text: str) -> str | None:
    return None if text in ("null", "{}") else text


def _eta(job: "WireJobDetail") -> str | None:
    from quaero.domain.eta import Eta

    if not job.eta:
        return None
    eta = Eta(job.eta.low_ms * 1_000, job.eta.high_ms * 1_000)
    return eta.text + (", if no more children come" if job.eta.growing else "")
