"""From what a caller shows to who he is, and the watch over those who are in.

A key is looked up in the store once, then known to this process for as long as it is used. Every `LOOK_SECONDS` all
known keys are looked up again: one that was revoked, logged out or has expired is closed, and with it every stream and
socket in its name. So revocation holds in every gateway of a store, whoever revoked, and costs one read a second while
somebody is logged in, nothing otherwise.
"""

import asyncio
import hmac
import logging
from contextlib import suppress
from dataclasses import dataclass

from quaero.clock import Clock
from quaero.domain.access import Key, new_key, parse_key
from quaero.domain.errors import QuaeroError
from quaero.gateway.auth.limits import Limits, Usage
from quaero.gateway.auth.principal import Principal
from quaero.gateway.auth.tokens import Found, add_session, end_session, find_keys, mark_used
from quaero.storage.port import Store

LOOK_SECONDS = 1.0
IDLE_SECONDS = 60.0  # a key unused for so long is forgotten, and looked up again when it comes back
STALE_SECONDS = 10.0  # a key that could not be looked at for so long is not believed any more
SECOND = 1_000_000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Known:
    """A key this process has seen; times in microseconds since the epoch."""

    found: Found
    principal: Principal
    looked_at: int
    used_at: int
    marked_at: int = 0


class Credentials:
    """Everyone who is logged in to this process."""

    def __init__(self, store: Store, clock: Clock, limits: Limits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._known: dict[tuple[str, str], Known] = {}
        self._watch: asyncio.Task[None] | None = None

    async def principal(self, text: str, prefix: str) -> Principal | None:
        """Who holds this token (`qk`) or session (`qs`); None if it is wrong, revoked or expired."""
        key = parse_key(text)
        if key is None or key.prefix != prefix:
            return None
        now = self._clock.now()
        known = self._known.get((key.prefix, key.id))
        if known is None or now - known.looked_at > STALE_SECONDS * SECOND:
            known = await self._meet(key, now)
        if known is None or not hmac.compare_digest(known.found.digest, key.digest):
            return None
        if known.principal.is_closed or _is_over(known.found, now):
            return None
        known.used_at = now
        return known.principal

    def knows(self, text: str) -> bool:
        """Whether this very key was right a moment ago."""
        key = parse_key(text)
        known = self._known.get((key.prefix, key.id)) if key is not None else None
        return known is not None and key is not None and hmac.compare_digest(known.found.digest, key.digest)

    async def log_in(self, token: str, lifetime: int) -> tuple[Key, int] | None:
        """A session for the holder of a token, and how many seconds it lasts; None if the token is no good."""
        key = parse_key(token)
        principal = await self.principal(token, "qk")
        if key is None or principal is None:
            return None
        session = new_key("qs")
        ends = self._clock.now() + lifetime
        ends = min(ends, principal.expires_at) if principal.expires_at else ends
        await self._store.write(add_session, session, key.id, ends)
        return session, (ends - self._clock.now()) // SECOND

    async def log_out(self, session: str) -> None:
        """End a session, with whatever it has open."""
        key = parse_key(session)
        if key is not None and await self.principal(session, "qs") is not None:
            await self._store.write(end_session, key.id)
            await self.look()

    async def look(self) -> None:
        """Look at every known key again: close those that no longer count, forget those nobody uses."""
        now = self._clock.now()
        known = tuple(self._known.items())
        found = {
            prefix: await find_keys(self._store, prefix, [key_id for (its, key_id), _ in known if its == prefix])
            for prefix in ("qk", "qs")
        }
        for (prefix, key_id), one in known:
            one.looked_at = now
            still = found[prefix].get(key_id)
            if still is None or _is_over(still, now):
                one.principal.close()
            elif now - one.used_at <= IDLE_SECONDS * SECOND or one.principal.is_busy:
                continue
            self._known.pop((prefix, key_id), None)
        await self._mark(now)

    async def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch

    async def _meet(self, key: Key, now: int) -> Known | None:
        found = (await find_keys(self._store, key.prefix, [key.id])).get(key.id)
        if found is None or not hmac.compare_digest(found.digest, key.digest):
            return None
        name = f"{'token' if key.prefix == 'qk' else 'session'} {found.name} ({key.id})"
        principal = Principal(name, found.access, found.expires_at, Usage(self._limits))
        known = self._known.setdefault((key.prefix, key.id), Known(found, principal, now, now))
        known.looked_at = now
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watching(), name="quaero-credentials")
        return known

    async def _watching(self) -> None:
        while self._known:
            await self._clock.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except QuaeroError as error:
                _log.warning("credentials cannot be looked at: %s", error)

    async def _mark(self, now: int) -> None:
        """Remember in the store, at most once a minute each, that a token is in use."""
        used = [known for known in self._known.values() if known.used_at - known.marked_at > 60 * SECOND]
        if used:
            await self._store.write(mark_used, sorted({known.found.token_id for known in used}))
        for known in used:
            known.marked_at = now


def _is_over(found: Found, now: int) -> bool:
    return 0 < found.expires_at <= now
