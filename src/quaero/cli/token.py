"""`quaero token create`, `list` and `revoke`: who may use a server of this store from elsewhere."""

from typing import TYPE_CHECKING

import click

from quaero.cli import output
from quaero.cli.options import Where, examples, json_option, where_options

if TYPE_CHECKING:
    from quaero.gateway.auth.access import WireToken


@click.group()
def token() -> None:
    """Credentials: who may use a server of this store, and what for."""


@token.command(
    epilog=examples(
        "quaero token create ann",
        "quaero token create ci --scope submitter --expires-in 90d",
        "quaero token create ops",
    )
)
@click.argument("name")
@click.option(
    "--scope",
    default="viewer",
    show_default=True,
    type=click.Choice(("viewer", "submitter", "operator", "admin")),
    help="What it may; each includes those before it.",
)
@click.option("--expires-in", metavar="DURATION", help='E.g. "90d"; unless given, it never expires.')
@json_option
@where_options
def create(where: Where, as_json: bool, name: str, scope: str, expires_in: str | None) -> None:
    """Make a token for NAME and print it. It is shown this once and kept nowhere."""
    from quaero.domain.access import new_key
    from quaero.gateway.auth.access import NewToken, parse_lifetime, parse_scope, wire_token
    from quaero.gateway.auth.tokens import add_token

    key, access, lifetime = new_key("qk"), parse_scope(scope), parse_lifetime(expires_in)
    row = where.with_store(lambda store: store.write(add_token, key, name, access, lifetime), make=True)
    if as_json:
        output.json(NewToken(key.text, wire_token(row)))
    else:
        output.result(key.text)
        output.message(f"{scope} token {row.id} of {name}: keep it safe, it is not shown again")


@token.command("list", epilog=examples("quaero token list"))
@json_option
@where_options
def list_(where: Where, as_json: bool) -> None:
    """List every token, newest first, without its secret."""
    from quaero.gateway.auth.access import TokenList, wire_token
    from quaero.gateway.auth.tokens import list_tokens

    tokens = [wire_token(row) for row in where.with_store(list_tokens)]
    if as_json:
        output.json(TokenList(tokens))
        return
    headings = ("ID", "NAME", "SCOPE", "CREATED", "EXPIRES", "LAST USED", "STATE")
    output.table(headings, [_row(one) for one in tokens])


def _row(one: "WireToken") -> tuple[str, ...]:
    state = f"revoked {one.revoked_at}" if one.revoked_at else ""
    return one.id, one.name, one.scope, one.created_at, one.expires_at or "never", one.last_used_at or "never", state


@token.command(epilog=examples("quaero token revoke k3vq7abc"))
@click.argument("token_id", metavar="ID")
@json_option
@where_options
def revoke(where: Where, as_json: bool, token_id: str) -> None:
    """End a token: what it has open closes within two seconds, on every server of the store."""
    from quaero.gateway.auth.access import wire_token
    from quaero.gateway.auth.tokens import revoke_token

    row = where.with_store(lambda store: store.write(revoke_token, token_id))
    if as_json:
        output.json(wire_token(row))
    else:
        output.result(f"token {row.id} of {row.name} is revoked")
