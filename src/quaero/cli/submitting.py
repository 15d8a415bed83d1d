"""`quaero submit`: put jobs into the queue and leave."""

import sys
from typing import Any

import click

from quaero.cli import output
from quaero.cli.options import Where, client_options, examples, json_option
from quaero.domain.errors import InvalidInput


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
@client_options
def submit(where: Where, as_json: bool, bulk: bool, idempotency_key: str | None, **one: Any) -> None:
    """Submit a job of a KIND and print its id."""
    from quaero.client.transport import address

    if bulk and any(value not in (None, ()) for value in one.values()):
        raise click.UsageError("--bulk reads whole jobs from stdin: say there what KIND and options would say of one")
    body: Any = _from_stdin() if bulk else _from_options(one)
    headers = {"idempotency-key": idempotency_key} if idempotency_key else None
    reply = where.with_client(lambda client: client.reply("POST", address("jobs"), body, headers), make=True)
    if as_json:
        output.raw_json(reply.body)
        return
    for job_id in _ids(reply.body, bulk):
        output.result(job_id)
    if reply.status == 200 and not bulk:
        output.message("it was there already")


def _ids(answer: bytes, bulk: bool) -> list[str]:
    import msgspec

    from quaero.client.models import Ids, Job

    if bulk:
        return msgspec.json.decode(answer, type=Ids).ids
    return [msgspec.json.decode(answer, type=Job).id]


def _from_options(one: dict[str, Any]) -> dict[str, Any]:
    import msgspec

    if one["kind"] is None:
        raise InvalidInput("name a KIND, or give --bulk and jobs on stdin")
    payload = one.pop("payload")
    given = {name: value for name, value in one.items() if value not in (None, ())}
    if payload is None:
        return given
    try:
        decoded = msgspec.json.decode(payload)
        if not isinstance(decoded, dict):
            raise InvalidInput(f"--payload is {payload[:40]}: give an object, like '{{\"n\": 1}}'")
        return {**given, "payload": decoded}
    except msgspec.DecodeError as error:
        raise InvalidInput(f"--payload is not JSON: {error}") from None


def _from_stdin() -> list[Any]:
    import msgspec

    try:
        return msgspec.json.decode(sys.stdin.buffer.read(), type=list[msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"stdin is not an array of jobs: {error}") from None
