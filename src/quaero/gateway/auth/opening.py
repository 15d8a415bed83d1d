"""Refusing to serve where everybody could come in, or nobody."""

from quaero.clock import Clock
from quaero.domain.errors import InvalidInput
from quaero.domain.printable import without_password
from quaero.gateway.auth.place import is_loopback
from quaero.gateway.auth.tokens import has_token
from quaero.settings import Settings
from quaero.storage.port import Store


class OpenBind(InvalidInput):
    """Serving where a credential is needed was asked for, and there is none in the store."""

    exit_code = 78
    problem = "open-bind"


async def require_token(store: Store, settings: Settings, clock: Clock) -> None:
    """Raise OpenBind, with the command that makes a token, unless somebody holds one."""
    if await has_token(store, clock.now()):
        return
    command = f"quaero token create admin --scope admin --store {without_password(settings.store.url)}"
    if is_loopback(settings.server.host):
        raise OpenBind(f"refused to serve: a credential is required and nobody has one; make one with `{command}`")
    raise OpenBind(
        f"refused to serve on {settings.server.host} without a credential: everyone who can reach this machine could "
        f"run jobs; make one with `{command}`, or serve on 127.0.0.1 and reach it through an SSH tunnel"
    )
