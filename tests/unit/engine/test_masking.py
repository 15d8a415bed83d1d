"""Secrets are masked by value, by place and by their looks; what is no secret is left as it is."""

import msgspec
import pytest

from quaero.engine.masking import Mask

PLAIN: dict[str, str] = {}

SECRETS = {
    "password=hunter2 next": "password=*** next",
    "PASSWORD = 'hunter2 with spaces', next": "PASSWORD = '***', next",
    '{"db_password": "hun\\"ter2", "user": "me"}': '{"db_password": "***", "user": "me"}',
    "login(user='me', passwd='hunter2')": "login(user='me', passwd='***')",
    "GET /x?token=abc123&page=2": "GET /x?token=***&page=2",
    "api-key: abc-def": "api-key: ***",
    "x-api-key => abc": "x-api-key => ***",
    "Authorization: Bearer abc.def-123": "Authorization: ***",
    "Authorization: Basic bWU6aHVudGVyMg==": "Authorization: ***",
    "sent Bearer abc123.def456 to it": "sent Bearer *** to it",
    "curl --client-secret s3cret https://example.org": "curl --client-secret *** https://example.org",
    "postgresql://me:hunter2@db.example.org/x": "postgresql://me:***@db.example.org/x",
    "a token ghp_abcdefghijklmnopqrstuvwxyz0123 here": "a token *** here",
    "key qk_7_abcdefghijk made": "key *** made",
    "-----BEGIN RSA PRIVATE KEY-----\nabc\ndef\n-----END RSA PRIVATE KEY-----": "***",
    "motdepasse: é password=ü": "motdepasse: é password=***",
}

HARMLESS = [
    "fetched https://example.org/articles/1 in 7 ms (status 200, 1 bytes)",
    "mail to me@example.org",
    "https://example.org/@someone/1",
    "used 512 tokens, 3 secrets were rotated, the password was changed",
    "Bearer authentication is required",
    "a keyword=value and a passage: text",
    "task-123 and sk-1",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_masked_and_what_stands_around_it_stays(text: str) -> None:
    assert Mask(environ=PLAIN).text(text) == SECRETS[text]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_is_left_as_it_is(text: str) -> None:
    assert Mask(environ=PLAIN).text(text) == text


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("DB_PASSWORD", "correct horse", "correct horse"),
        ("PGPASSWORD", "a+b(c)*", "a+b(c)*"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI", "wJalrXUtnFEMI"),
        ("GITHUB_TOKEN", "not-its-looks", "not-its-looks"),
        ("STRIPE_KEY", "abcdefgh12345678", "abcdefgh12345678"),
        ("DATABASE_URL", "postgres://me:p%40ssw0rd@db/x", "p@ssw0rd"),
    ],
)
def test_the_value_of_a_variable_whose_name_says_so_is_masked_wherever_it_stands(
    name: str, value: str, secret: str
) -> None:
    assert Mask(environ={name: value}).text(f"<{secret}>") == "<***>"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "false-or-true"),
        ("MAX_TOKEN", "100000"),
        ("AUTH", "basic"),
        ("PARTITION_KEY", "customer"),
        ("SECRET_DIR_TOKEN", "/tmp"),
        ("TOKEN_ENDPOINT", "https://example.org/token/endpoint"),
        ("PWD", "/somewhere/else"),
    ],
)
def test_the_value_of_a_variable_that_holds_no_secret_stays(name: str, value: str) -> None:
    assert Mask(environ={name: value}).text(f"<{value}>") == f"<{value}>"


def test_what_is_set_later_is_learnt() -> None:
    mask = Mask(environ=PLAIN)
    mask.learn({"DB_PASSWORD": "correct horse"})

    assert mask.text("it is correct horse") == "it is ***"


def test_names_and_values_of_ones_own() -> None:
    mask = Mask(["session.id"], ["battery staple"], {"MY_SESSION.ID": "from the environment"})

    assert mask.text("session.id=1234 sessionXid=5") == "session.id=*** sessionXid=5"
    assert mask.text("battery staple, from the environment") == "***, ***"


def test_fields_are_masked_by_their_names_and_within_their_texts() -> None:
    fields = {"user": "me", "password": "x", "headers": {"X-Api-Key": "y"}, "urls": ["http://a:b@c/"], "tokens": 5}

    masked = Mask(environ=PLAIN).value(fields)

    assert masked == {
        "user": "me", "password": "***", "headers": {"X-Api-Key": "***"}, "urls": ["http://a:***@c/"], "tokens": 5
    }  # fmt: skip


def test_a_batch_of_encoded_lines_tells_whether_it_may_hold_a_secret() -> None:
    mask = Mask(environ={"DB_PASSWORD": "correct ü horse"})

    def held(text: str) -> bool:
        return mask.may_hold(msgspec.msgpack.encode([(1, 1, "before"), (2, 1, text)]))

    assert not any(held(text) for text in ("fetched https://example.org/1", "mail to me@example.org"))
    assert all(held(text) for text in (*SECRETS, "it is correct ü horse"))
