"""Who am I, who else may come in, who did what, and what is this server set to: `/api/session`, `/api/tokens`,
`/api/audit`, `/api/settings`."""

import msgspec

from quaero.domain.access import SCOPES, Access, new_key
from quaero.domain.durations import parse_duration
from quaero.domain.errors import InvalidInput
from quaero.domain.printable import without_password
from quaero.domain.wire import parse_id, rfc3339
from quaero.gateway.answers import Answer, json_answer
from quaero.gateway.auth.audit import AuditRow, list_deeds
from quaero.gateway.auth.principal import Principal
from quaero.gateway.auth.tokens import TokenRow, add_token, list_tokens, revoke_token
from quaero.gateway.listing import bounded
from quaero.gateway.routing import Routes
from quaero.gateway.state import Gateway
from quaero.settings import describe

routes = Routes()
MAX_AUDIT = 1_000


class Session(msgspec.Struct, frozen=True):
    """Who is asking, and what that allows."""

    name: str
    scope: str
    scopes: list[str]
    expires_at: str | None


class WireToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token without its secret. `last_used_at` is coarse: right to a minute or two."""

    id: str
    name: str
    scope: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class NewToken(msgspec.Struct, frozen=True):
    """A token that was just made. Its text is shown this once and kept nowhere."""

    token: str
    about: WireToken


class TokenList(msgspec.Struct, frozen=True):
    """Every token there ever was, newest first."""

    tokens: list[WireToken]


class TokenRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A token somebody wants: its name, what it may, and for how long (`"90d"`; unless given, for ever)."""

    name: str
    scope: str = "viewer"
    expires_in: str | None = None


class AuditQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which entries: the newest, or those before a cursor."""

    limit: int = 100
    cursor: str | None = None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did: `action` is the route, `target` what it was done to, `status` how it was answered."""

    id: str
    at: str
    who: str
    address: str
    action: str
    target: str
    status: int


class AuditList(msgspec.Struct, frozen=True):
    """A page of the audit, newest first."""

    entries: list[AuditEntry]
    limit: int
    next_cursor: str | None


class WireSetting(msgspec.Struct, frozen=True, kw_only=True):
    """A setting as this process has it; `source` is `default` or where the value was written."""

    key: str
    value: str
    default: str
    source: str
    variable: str
    meaning: str


class SettingList(msgspec.Struct, frozen=True):
    """Every setting, in the order of the reference."""

    settings: list[WireSetting]


def parse_scope(word: str) -> Access:
    """The scope of a word. Raises InvalidInput with the words there are."""
    access = SCOPES.get(word)
    if access is None:
        raise InvalidInput(f"scope {word[:40]!r} is unknown: use {', '.join(SCOPES)}")
    return access


def parse_lifetime(text: str | None) -> int:
    """A lifetime in microseconds, 0 for none given. Raises InvalidInput."""
    if text is None:
        return 0
    try:
        lifetime = parse_duration(text)
    except ValueError as error:
        raise InvalidInput(f"expires_in: {error}") from None
    if lifetime <= 0:
        raise InvalidInput("expires_in must be more than nothing")
    return lifetime


def wire_token(row: TokenRow) -> WireToken:
    """A token as people see it."""
    return WireToken(
        id=row.id,
        name=row.name,
        scope=row.access.word,
        created_at=rfc3339(row.created_at),
        expires_at=_time(row.expires_at),
        revoked_at=_time(row.revoked_at),
        last_used_at=_time(row.used_at),
    )


def _time(micros: int) -> str | None:
    return rfc3339(micros) if micros else None


@routes.get("/api/session")
async def get_session(principal: Principal) -> Session:
    """Who am I, and what may I do."""
    scopes = [word for word, access in SCOPES.items() if access <= principal.access]
    return Session(principal.name, principal.access.word, scopes, _time(principal.expires_at))


@routes.get("/api/tokens", needs=Access.ADMIN)
async def get_tokens(gateway: Gateway) -> TokenList:
    """Who may come in: every token, without its secret."""
    return TokenList([wire_token(row) for row in await list_tokens(gateway.store)])


@routes.post("/api/tokens", needs=Access.ADMIN, answers={201: NewToken})
async def post_token(gateway: Gateway, body: TokenRequest) -> Answer:
    """Make a token. The answer is the only place its text is ever shown."""
    key, access, lifetime = new_key("qk"), parse_scope(body.scope), parse_lifetime(body.expires_in)
    row = await gateway.store.write(add_token, key, body.name, access, lifetime)
    location = (b"location", f"/api/tokens/{row.id}".encode())
    return json_answer(NewToken(key.text, wire_token(row)), 201, location)


@routes.delete("/api/tokens/{id}", needs=Access.ADMIN)
async def delete_token(gateway: Gateway, id: str) -> WireToken:
    """Revoke a token: its sessions end with it, and what it has open closes within two seconds, everywhere."""
    return wire_token(await gateway.store.write(revoke_token, id))


@routes.get("/api/audit", needs=Access.ADMIN)
async def get_audit(gateway: Gateway, query: AuditQuery) -> AuditList:
    """Who did what, newest first."""
    limit = bounded("limit", query.limit, 1, MAX_AUDIT)
    before = parse_id(query.cursor) if query.cursor else None
    if query.cursor and before is None:
        raise InvalidInput(f"cursor {query.cursor[:40]!r} is not one of the audit: take it from next_cursor")
    found = await list_deeds(gateway.store, before=before, limit=limit)
    return AuditList([_entry(row) for row in found], limit, str(found[-1].id) if len(found) == limit else None)


def _entry(row: AuditRow) -> AuditEntry:
    deed = row.deed
    return AuditEntry(
        id=str(row.id),
        at=rfc3339(deed.at),
        who=deed.who,
        address=deed.address,
        action=deed.action,
        target=deed.target,
        status=deed.status,
    )


@routes.get("/api/settings", needs=Access.ADMIN)
async def get_settings(gateway: Gateway) -> SettingList:
    """What this server is set to and where each value was written; passwords are masked."""
    return SettingList(
        [
            WireSetting(
                key=one.key,
                value=without_password(one.value),
                default=one.default,
                source=one.source,
                variable=one.variable,
                meaning=one.meaning,
            )
            for one in describe(gateway.settings)
        ]
    )
