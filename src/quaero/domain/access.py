"""Who may do what (`scope` on the wire), and how a token is spelled.

    viewer      reads everything, follows every stream
    submitter   also enqueues
    operator    also cancels, retries, deletes, and changes definitions
    admin       also tokens, the audit and the settings

Each includes those before it. A token is `qk_<id>_<secret>`: the id names its row, the secret is 256 random bits and is
kept nowhere; a store has its SHA-256. For a secret that long a slow hash adds nothing: nobody can try enough of them.
"""

import hashlib
import re
import secrets
from enum import IntEnum
from typing import NamedTuple

_SECRET = re.compile(r"(qk|qs)_([a-z2-7]{8})_([A-Za-z0-9_-]{43})")
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


class Key(NamedTuple):
    """What its holder shows: a token of a program (`qk`), or the session (`qs`) a browser got for one."""

    prefix: str
    id: str
    secret: str

    @property
    def text(self) -> str:
        """As its holder writes it. Never to be logged, shown again or put into an address."""
        return f"{self.prefix}_{self.id}_{self.secret}"

    @property
    def digest(self) -> bytes:
        """What a store keeps of it."""
        return hashlib.sha256(self.secret.encode()).digest()


def new_key(prefix: str) -> Key:
    """A key nobody else has."""
    return Key(prefix, "".join(secrets.choice(_ID_LETTERS) for _ in range(8)), secrets.token_urlsafe(32))


def parse_key(text: str) -> Key | None:
    """The key a text spells, None if it is none."""
    match = _SECRET.fullmatch(text)
    return Key(*match.groups()) if match else None
