"""Pages of the sites in `server.allowed_origins`: what a browser must hear before it lets them call us (CORS).

No cookie of ours is sent with such a call (it is `SameSite=Strict`): where a credential is needed, it is a token.
"""

from starlette.types import Scope

from quaero.gateway.answers import Answer, Header
from quaero.gateway.auth.place import Headers, Place

PREFLIGHT: tuple[Header, ...] = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, DELETE"),
    (b"access-control-allow-headers", b"authorization, content-type, idempotency-key, last-event-id"),
    (b"access-control-max-age", b"600"),
)
ANSWER: tuple[Header, ...] = ((b"access-control-expose-headers", b"location, retry-after"), (b"vary", b"origin"))


def granted(place: Place, headers: Headers) -> tuple[Header, ...]:
    """What an answer to a page of a listed site must carry; nothing for everyone else."""
    origin = headers.get(b"origin")
    if origin is None or origin not in place.allowed_origins:
        return ()
    return (b"access-control-allow-origin", origin), *ANSWER


def preflight(scope: Scope) -> Answer | None:
    """The answer to a browser that asks whether it may ask, None if this is no such question."""
    given = dict(scope["headers"])
    if scope["type"] != "http" or scope["method"] != "OPTIONS" or b"access-control-request-method" not in given:
        return None
    private = ((b"access-control-allow-private-network", b"true"),)
    asked = b"access-control-request-private-network" in given
    return Answer(b"", 204, b"text/plain", (*PREFLIGHT, *(private if asked else ())))
