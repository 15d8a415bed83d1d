"""Credentials from the command line, and the server that does not start without one."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from quaero.domain.access import parse_key

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Quaero


def test_a_token_is_made_listed_without_its_secret_and_revoked(quaero: Quaero) -> None:
    made = quaero("token", "create", "ci", "--scope", "submitter", "--expires-in", "90d")
    key = parse_key(made.out.strip())
    assert key is not None
    listed = quaero("token", "list")
    revoked = quaero("token", "revoke", key.id)
    after = json.loads(quaero("token", "list", "--json").out)["tokens"][0]

    assert made.code == listed.code == revoked.code == 0
    assert all(word in listed.out for word in (key.id, "ci", "submitter", "never"))
    assert key.secret not in listed.out + revoked.out + made.err
    assert after["revoked_at"]
    assert after["expires_at"]


def test_a_token_that_is_not_there_is_told(quaero: Quaero) -> None:
    quaero("token", "create", "ann")

    said = quaero("token", "revoke", "nothing1")

    assert said.code == 2
    assert "there is no token" in said.err


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        (("x", "--scope", "root"), "'viewer', 'submitter', 'operator', 'admin'"),
        (("x", "--expires-in", "soon"), "expires_in"),
        (("", "--scope", "viewer"), "printable"),
        (("a\x1b[31m",), "printable"),
    ],
)
def test_a_token_that_cannot_be_is_refused_in_one_line(quaero: Quaero, arguments: tuple[str, ...], right: str) -> None:
    said = quaero("token", "create", *arguments)

    assert said.code == 2
    assert right in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_open_server_is_refused_with_the_command_that_makes_a_token(quaero: Quaero, host: str) -> None:
    if host == "::" and not socket.has_ipv6:
        return

    said = quaero("up", "--host", host, "--port", "0")

    assert said.code == 78
    assert "quaero token create admin --scope admin --store sqlite:///q.db" in said.err
    assert said.err.count("\n") == 1


def test_a_revoked_token_does_not_open_the_door(quaero: Quaero) -> None:
    key = parse_key(quaero("token", "create", "ann").out.strip())
    assert key is not None
    quaero("token", "revoke", key.id)

    assert quaero("up", "--host", "0.0.0.0", "--port", "0").code == 78


def test_a_server_that_wants_a_credential_nobody_has_is_refused(
    quaero: Quaero, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUAERO_AUTH_REQUIRED", "true")

    said = quaero("up", "--port", "0")

    assert said.code == 78
    assert "nobody has one" in said.err
