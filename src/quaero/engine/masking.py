"""Secrets in what is logged, replaced by `***` before they leave the process.

A secret is known by its value (of an environment variable or setting whose name says so, a password in a URL) or by
its place: after `password=` and the like, in an `Authorization` header, before the `@` of a URL; some tokens also by
their looks. One search by RE2 over a whole batch of encoded lines says whether anything in it may be one (measured:
0.13 µs a line, a line costs 2.6 µs in an executor alone); only such a batch is looked at line by line (20 µs each that
has one). Masked is what people read (lines, errors,
progress), never data: payloads, results and documents are kept as they are.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import re2

MASK = "***"
SHORTEST_VALUE = 6
SHORTEST_KEY = 16  # of a variable called SOMETHING_KEY: shorter ones are rarely secrets

_NAMES = (
    "passw(?:or)?d", "passphrase", "pwd", "secret", "token", "credentials?", "(?:api|access|private|secret)[_-]?key",
    "authorization",
)  # fmt: skip
_LOOKS = (
    r"\bqk_[A-Za-z0-9]+_[A-Za-z0-9_-]{8,}",  # our own
    r"\bgh[pousr]_[A-Za-z0-9]{20,}", r"\bgithub_pat_[A-Za-z0-9_]{20,}", r"\bAKIA[A-Z0-9]{16}\b",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,}", r"\bsk-[A-Za-z0-9_-]{20,}", r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]*PRIVATE KEY-----",
)  # fmt: skip
_MARKS = "qk_|gh[pousr]_|github_pat_|AKIA|xox[abprs]-|sk-|eyJ|PRIVATE KEY"
# what may follow a name: a sign, a blank (`--token abc`), or in an encoded field the first byte of its value
_FOLLOWS = r"(?:[\"']?\s*[=:]|[\x80-\xff])"
_VALUE = (
    r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?:bearer|basic|digest|token)\s+[^\s"',;]+|[^\s"',;&<>(){}\[\]|]+)"""
)
_TELLING = re2.compile(
    r"(?i)(?:^|_)(?:[a-z]*(?:password|passwd|passphrase|secret|token|apikey)|pass|(?:mysql_|db_)pwd|auth|credentials?"
    r"|(?:api|access|private|secret|encryption)_key)(?:_|$)"
)
_KEY, _DIGIT = re2.compile(r"(?i)_key$"), re2.compile("[0-9]")


class Mask:
    """Finds and replaces secrets. `names`: further names whose values are secret; `values`: secrets known by value."""

    def __init__(
        self, names: Iterable[str] = (), values: Iterable[str] = (), environ: Mapping[str, str] | None = None
    ) -> None:
        self._names = [re2.escape(name) for name in names if name]
        self._values = set(filter(_is_worth_hiding, values))
        self.learn(os.environ if environ is None else environ)

    def learn(self, environ: Mapping[str, str]) -> None:
        """Take in the secrets of an environment; what was known stays so."""
        own = re2.compile(f"(?i)(?:{'|'.join(self._names)})") if self._names else None
        for name, value in environ.items():
            is_named = own is not None and own.search(name) is not None
            self._values.update(filter(_is_worth_hiding, _secrets_of(name, value, is_named)))
        self._compile()

    def _compile(self) -> None:
        values = [re2.escape(value) for value in sorted(self._values, key=len, reverse=True)]
        names = "|".join([*_NAMES, *self._names])
        hint = rf"(?i:(?:{names}){_FOLLOWS}|--[a-z0-9-]*(?:{names})\s|bearer\s)|://[^/\s]*@"
        self._hint = re2.compile("|".join([hint, _MARKS, *values]).encode(), _bytes_options())
        self._is_name = re2.compile(f"(?i)(?:{names})$")
        places = (
            rf"""(--[a-z0-9-]*(?:{names})(?:=|\s+)|(?:{names})["']?\s*(?:=>?|:)\s*)({_VALUE})"""
            r"|(\bbearer\s+)([\w.~+/=-]*[0-9][\w.~+/=-]{7,})"
            r"|(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)([^\s/@]+)(@)"
        )
        self._secret = re2.compile("|".join([*values, *_LOOKS, f"(?i:{places})"]))

    def may_hold(self, data: bytes) -> bool:
        """Whether any secret may be in these bytes: a quick look, mostly for no."""
        return self._hint.search(data) is not None

    def text(self, text: str) -> str:
        """A text without its secrets."""
        return self._masked(text) if self.may_hold(text.encode("utf-8", "replace")) else text

    def value(self, value: Any, name: str = "") -> Any:
        """A value of a line's fields without its secrets: all of it, if its name says so."""
        match value:
            case str() if name and self._is_name.search(name):
                return MASK
            case str():
                return self._masked(value)
            case dict():
                return {key: self.value(inner, str(key)) for key, inner in value.items()}
            case list() | tuple():
                return [self.value(inner, name) for inner in value]
        return value

    def _masked(self, text: str) -> str:
        return str(self._secret.sub(_hidden, text))


def _hidden(match: Any) -> str:
    """What stands around a secret, and the mask in its place; quotes stay."""
    for n in (1, 3, 5):
        if match[n] is not None:
            quote = match[n + 1][0] if match[n + 1][0] in "\"'" else ""
            return f"{match[n]}{quote}{MASK}{quote}{match[7] or ''}"
    return MASK


def _secrets_of(name: str, value: str, is_named: bool) -> Iterable[str]:
    """What of a variable's value is secret."""
    if "://" in value:
        yield from url_secrets(value)
    elif (is_named or _is_telling(name, value)) and not os.path.exists(value):  # the place of a secret is none
        yield value


def _is_telling(name: str, value: str) -> bool:
    return bool(_TELLING.search(name) or (_KEY.search(name) and len(value) >= SHORTEST_KEY and _DIGIT.search(value)))


def url_secrets(url: str) -> Iterable[str]:
    """The password in a URL, as written and as meant."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)


def _is_worth_hiding(value: str) -> bool:
    """Short values and small numbers would hide half of every log."""
    return len(value) >= SHORTEST_VALUE and not (value.isdigit() and len(value) < 2 * SHORTEST_VALUE)


def _bytes_options() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return options
