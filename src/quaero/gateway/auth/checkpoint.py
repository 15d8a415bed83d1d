"""Who is asking, and is it too much? What the gate asks about every request that came from where it may.

Bearer tokens are for programs, the session cookie is for browsers. A cookie is sent by the browser whoever made it ask,
so for anything but reading it counts only where a page of ours is proved to ask. Keys are never taken from an address.
"""

from starlette.types import Scope

from quaero.clock import Clock
from quaero.domain.access import Key
from quaero.gateway.auth.audit import Audit, Deed
from quaero.gateway.auth.credentials import Credentials
from quaero.gateway.auth.limits import Guesses, Limits
from quaero.gateway.auth.place import Headers, Place, Refusal
from quaero.gateway.auth.principal import Principal, loopback, nobody
from quaero.settings import Auth
from quaero.storage.port import Store

PUBLIC = frozenset({"/login", "/api/health", "/api/ready"})
PUBLIC_FOLDER = "/static/"
NO_CREDENTIAL = Refusal(401, "credential", "this server wants a credential: send `Authorization: Bearer qk_…`")
WRONG = Refusal(401, "credential", "this credential is wrong, revoked or expired")
FORGED = Refusal(403, "forged", "a session counts only for requests of our own pages: use a token in programs")


def is_public(path: str) -> bool:
    """Whether a path answers without a credential."""
    return path in PUBLIC or path.startswith(PUBLIC_FOLDER)


class Checkpoint:
    """Everyone who uses one gateway process."""

    def __init__(self, place: Place, store: Store, clock: Clock, auth: Auth) -> None:
        limits = Limits(auth.max_requests, auth.max_streams, auth.max_sockets, auth.mutations_per_second)
        self._credentials = Credentials(store, clock, limits)
        self._session_lifetime = auth.session
        self.log_out = self._credentials.log_out
        self._place = place
        self._clock = clock
        self._audit = Audit(store, auth.audit_retention)
        self._guesses = Guesses()
        self._nobody = nobody()
        self._loopback = loopback()

    async def who(self, scope: Scope, headers: Headers) -> Principal | Refusal:
        """Who asks; or why nobody may ask this."""
        bearer = headers.get(b"authorization")
        if bearer is not None:
            word, _, token = bearer.partition(b" ")
            holder = await self.check(token.decode("latin-1"), scope, headers) if word.lower() == b"bearer" else None
            return WRONG if holder is None else holder
        if self._place.is_open:
            return self._loopback
        session = self.session(scope, headers)
        principal = await self._credentials.principal(session, "qs") if session else None
        if principal is not None:
            is_proved = not _wants_proof(scope) or self._place.is_own_page(scope, headers)
            return principal if is_proved else FORGED
        return self._nobody if scope["type"] == "http" and is_public(scope["path"]) else NO_CREDENTIAL

    async def check(self, token: str, scope: Scope, headers: Headers) -> Principal | Refusal | None:
        """Who holds a token; None if it is no good, a refusal if too many from this address were not."""
        now, address = self._clock.monotonic(), self._place.client(scope, headers)
        refusal = self._guesses.judge(address, now)
        if refusal is not None and not self._credentials.knows(token):
            return refusal
        principal = await self._credentials.principal(token, "qk")
        if principal is None:
            self._guesses.wrong(address, now)
        return principal

    async def log_in(self, token: str) -> tuple[Key, int] | None:
        """A session for the holder of a token, and how many seconds it lasts."""
        return await self._credentials.log_in(token, self._session_lifetime)

    def session(self, scope: Scope, headers: Headers) -> str | None:
        """The key in the session's cookie."""
        name = self.cookie_name(scope, headers)
        for pair in headers.get(b"cookie", b"").split(b";"):
            key, _, value = pair.strip().partition(b"=")
            if key == name:
                return value.decode("latin-1")
        return None

    def cookie_name(self, scope: Scope, headers: Headers) -> bytes:
        """Cookies know no ports, so the name does; over HTTPS no other host may set it."""
        prefix = b"__Host-" if self._place.is_https(scope, headers) else b""
        return b"%squaero_%d" % (prefix, self._place.port)

    def begin(self, principal: Principal, sort: str, *, is_mutation: bool) -> Refusal | None:
        """Count one more request of an identity, or say why it must wait."""
        return principal.usage.begin(sort, is_mutation, self._clock.monotonic())

    def is_nobody(self, principal: Principal) -> bool:
        """Whether this is who showed no credential."""
        return principal is self._nobody

    def note(self, who: str, scope: Scope, headers: Headers, status: int, target: str = "") -> None:
        """Put into the audit what was done now."""
        route = scope.get("route")
        action = f"{scope['method']} {route.path if route is not None else scope['path']}"
        address = self._place.client(scope, headers)
        self._audit.note(Deed(self._clock.now(), who, address, action[:200], target[:200], status))

    async def close(self) -> None:
        """Write what the audit still holds, and stop watching."""
        await self._audit.written()
        await self._credentials.close()


def _wants_proof(scope: Scope) -> bool:
    return scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD", "OPTIONS")
