"""Every type a problem document can have, with its status and meaning: the list programs may rely on.

A type never changes its meaning. A test compares this list with what the code raises, refuses and answers, and the
reference is made from it.
"""

from typing import NamedTuple

PREFIX = "urn:quaero:"


class ProblemType(NamedTuple):
    """One sort of trouble. `remedy` is what the caller can do."""

    name: str
    status: int
    meaning: str
    remedy: str


PROBLEMS = (
    ProblemType("repeated-header", 400, "A header that must stand alone came twice", "Send it once"),
    ProblemType("credential", 401, "No credential, or one that is wrong, revoked or expired", "Send a valid token"),
    ProblemType("scope", 403, "The credential's scope does not reach this far", "Use one with the scope it names"),
    ProblemType("foreign-origin", 403, "A page of another site asked", "List its origin in `server.allowed_origins`"),
    ProblemType("foreign-site", 403, "Another site caused the request", "Ask from a page of ours, or from a program"),
    ProblemType("forged", 403, "A session came without the origin of our own page", "Use a token in programs"),
    ProblemType("proxied", 403, "A proxy stands between, and no credential was sent", "Send a token"),
    ProblemType("not-found", 404, "The path or id names nothing", "Look at the id"),
    ProblemType("method", 405, "The path does not take this method", "Use one of the header `Allow`"),
    ProblemType("conflict", 409, "Not in this status; `job_status` is the one it is in", "Reload and decide again"),
    ProblemType("body-too-large", 413, "The body is over 32 MiB", "Send less at once"),
    ProblemType("content-type", 415, "A body that is not JSON", "Send `content-type: application/json`"),
    ProblemType("wrong-host", 421, "The header Host names another server", "Use the address it was started with"),
    ProblemType("invalid", 422, "A field, parameter or definition is wrong", "Correct what `detail` names"),
    ProblemType(
        "unknown-kind", 422, "No worker ever announced this kind", "Start one that has it, or correct the name"
    ),
    ProblemType("too-large", 422, "A payload or an array is over its limit", "Send less"),
    ProblemType("busy", 429, "Too many requests of this identity are under way", "Wait for `Retry-After`"),
    ProblemType("too-fast", 429, "Too many requests of this identity in a short time", "Wait for `Retry-After`"),
    ProblemType("guessing", 429, "Too many wrong credentials came from this address", "Wait for `Retry-After`"),
    ProblemType(
        "overflow", 429, "More changed than a WebSocket client read", "Read the lists again, subscribe to what you show"
    ),
    ProblemType("internal", 500, "A fault of ours", "Look into the server's log"),
    ProblemType("draining", 503, "This server is stopping", "Come again in `Retry-After` seconds"),
    ProblemType("store-unavailable", 503, "The store cannot be reached or written now", "Come again"),
    ProblemType("store-locked", 503, "Another program holds the store", "Come again"),
    ProblemType("store-unsafe", 503, "The store cannot be trusted", "Look into the server's log"),
    ProblemType("store-full", 507, "The disk is full; nothing accepted was lost", "Free some space"),
)
