"""Who may do what (`scope` on the wire), and how a token is spelled.

    viewer      reads everything, follows every stream
    submitter   also enqueues
    operator    also cancels, retries, deletes, and changes definitions
    admin       also tokens, the audit and the settings

Each includes those before it. A token is `qk_<id>_<secret>`: the id names its row, the secret is 256 random bits
and is kept nowhere; what a store has is its SHA-256. Enough for a secret that long: there is nothing to guess faster.
"""

import hashlib
import re
import secrets
from enum import IntEnum
from typing import NamedTuple

_TOKEN = re.compile(r"qk_([a-z2-7]{8})_([A-Za-z0-9_-]{43})")
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


class Access(IntEnum):
    """What a caller may do. `NOBODY` may see what needs no credential."""

    NOBODY = 0
    VIEWER = 1
    SUBMITTER = 2
    OPERATOR = 3
    ADMIN = 4

    @property
    def word(self) -> str:
        """Its name on the wire."""
        return self.name.lower()


SCOPES = {access.word: access for access in Access if access is not Access.NOBODY}


class Token(NamedTuple):
    """A token taken apart."""

    id: str
    secret: str

    @property
    def text(self) -> str:
        """As its holder writes it."""
        return f"qk_{self.id}_{self.secret}"

    @property
    def digest(self) -> bytes:
        """What a store keeps of it."""
        return digest(self.secret)


def new_token() -> Token:
    """A token nobody else has."""
    return Token("".join(secrets.choice(_ID_LETTERS) for _ in range(8)), secrets.token_urlsafe(32))


def parse_token(text: str) -> Token | None:
    """The token a text spells, None if it is none."""
    match = _TOKEN.fullmatch(text)
    return Token(match[1], match[2]) if match else None


def digest(secret: str) -> bytes:
    """SHA-256 of a secret."""
    return hashlib.sha256(secret.encode()).digest()
