"""A server that is not fit for a store is refused when it is connected to, in one line that says what would be."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from tests import postgres

from quaero.domain.errors import StoreUnsafe
from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.sqlstore import SqlStore


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">i", len(body) + 4) + body


@pytest.fixture
def pretender() -> Iterator[Callable[..., str]]:
    """Answers the start of one connection as a server with these parameters would; its DSN."""
    listener = socket.create_server(("127.0.0.1", 0))
    parameters: dict[str, str] = {}

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            told = [f"{name}\0{value}\0".encode() for name, value in parameters.items()]
            ready = [_message(b"K", struct.pack(">ii", 1, 2)), _message(b"Z", b"I")]
            connection.sendall(_message(b"R", struct.pack(">i", 0)) + b"".join(_message(b"S", s) for s in told))
            connection.sendall(b"".join(ready))
            connection.recv(65536)

    thread = threading.Thread(target=answer, daemon=True)

    def make(**given: str) -> str:
        parameters.update(given)
        thread.start()
        port = listener.getsockname()[1]
        return f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable&gssencmode=disable"

    yield make
    thread.join(10)
    listener.close()


@pytest.mark.parametrize("version", ["14.23", "9.6.24"])
def test_a_server_that_is_too_old_is_refused(pretender: Callable[..., str], version: str) -> None:
    url = pretender(server_version=version, server_encoding="UTF8", client_encoding="UTF8")

    with pytest.raises(StoreUnsafe, match=rf"PostgreSQL {version.split('.')[0]} is too old: Quaero needs 15 or newer"):
        SqlStore.open(url)


def test_a_database_that_cannot_keep_every_character_is_refused() -> None:
    with psycopg.connect(postgres.server(), autocommit=True) as db:
        db.execute("create database quaero_latin encoding 'LATIN1' locale 'C' template template0")
        try:
            with pytest.raises(StoreUnsafe, match="encoding is not UTF8"):
                SqlStore.open(postgres.database("quaero_latin"))
        finally:
            db.execute("drop database quaero_latin with (force)")


def test_letters_are_compared_without_their_case_whatever_the_locale() -> None:
    with psycopg.connect(postgres.server(), autocommit=True) as db:
        db.execute("create database quaero_plain encoding 'UTF8' locale 'C' template template0")
        try:
            plain = PostgresConnection(postgres.database("quaero_plain"))
            sql, params = plain.dialect.holds("?", "ärger")
            assert plain.rows(f"select {sql}", ("GROSSER ÄRGER", *params)) == [(True,)]
            plain.close()
        finally:
            db.execute("drop database quaero_plain with (force)")
