"""The header `Idempotency-Key`: a request may be sent again, and is done once."""

from quaero.domain.errors import InvalidInput
from quaero.gateway.routing import Headers

MAX_KEY = 255


def idempotency_key(headers: Headers) -> str | None:
    """The key of a request, None without one. Raises InvalidInput."""
    raw = headers.get(b"idempotency-key")
    if raw is None:
        return None
    if not 0 < len(raw) <= MAX_KEY or not raw.isascii():
        raise InvalidInput(f"Idempotency-Key must have 1 to {MAX_KEY} ASCII characters")
    return raw.decode()
