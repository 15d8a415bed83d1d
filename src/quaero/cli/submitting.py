"""`quaero submit`: put jobs into the queue and leave."""

import sys
from typing import TYPE_CHECKING, Any

import click

from quaero.cli import output
from quaero.cli.options import Where, examples, json_option, where_options
from quaero.domain.errors import InvalidInput

if TYPE_CHECKING:
    from quaero.engine.lifecycle.enqueue import Enqueued
    from quaero.gateway.enqueueing import JobRequest
    from quaero.storage.port import Store


@click.command(
    epilog=examples(
        'quaero submit myapp.fetch --payload \'{"url": "https://example.org/"}\'',
        "quaero submit myapp.report --key nightly --timeout 10m --tag reports",
        "quaero submit --bulk < jobs.json",
    )
)
@click.argument("kind", required=False)
@click.option("--payload", metavar="JSON", help="The payload, an object.")
@click.option("--name", help="What people call it.")
@click.option("--key", help="Unique among the open roots of its kind; submitting it again gives the job that is there.")
@click.option("--priority", type=int, help="Higher first.")
@click.option("--run-at", metavar="TIME", help="Not before, e.g. 2026-11-22T18:00:00Z.")
@click.option("--max-attempts", type=int, help="Tries within a round.")
@click.option("--timeout", metavar="DURATION", help='For one run of its function, e.g. "30s".')
@click.option("--tag", "tags", multiple=True, help="Repeat for more.")
@click.option("--idempotency-key", metavar="KEY", help="The same key gives the first answer again.")
@click.option("--bulk", is_flag=True, help="Read an array of jobs as JSON from stdin, all or nothing.")
@json_option
@where_options
def submit(where: Where, as_json: bool, bulk: bool, idempotency_key: str | None, **one: Any) -> None:
    """Submit a job of a KIND and print its id."""
    from quaero.engine.lifecycle.enqueue import check_bulk, enqueue
    from quaero.gateway.enqueueing import to_new_job

    requests = [to_new_job(request) for request in (_from_stdin() if bulk else [_from_options(one)])]
    check_bulk(len(requests))

    async def write(store: "Store") -> list["Enqueued"]:
        return await store.write(enqueue, requests, idempotency_key)

    answers = where.with_store(write, make=True)
    if as_json:
        output.json({"ids": [str(answer.id) for answer in answers]})
        return
    for answer in answers:
        output.result(str(answer.id))
    if not bulk and not answers[0].created:
        output.message(f"job {answers[0].id} was there already")


def _from_options(one: dict[str, Any]) -> "JobRequest":
    import msgspec

    from quaero.gateway.enqueueing import JobRequest

    if one["kind"] is None:
        raise InvalidInput("name a KIND, or give --bulk and jobs on stdin")
    payload = one.pop("payload")
    given = {name: value for name, value in one.items() if value not in (None, ())}
    try:
        if payload is not None:
            given["payload"] = msgspec.Raw(msgspec.json.encode(msgspec.json.decode(payload)))
        return msgspec.convert(given, JobRequest)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"the job is not valid: {error}") from None
    except msgspec.DecodeError as error:
        raise InvalidInput(f"--payload is not JSON: {error}") from None


def _from_stdin() -> list["JobRequest"]:
    import msgspec

    from quaero.gateway.enqueueing import JobRequest

    try:
        return msgspec.json.decode(sys.stdin.buffer.read(), type=list[JobRequest])
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"stdin is not an array of jobs: {error}") from None
