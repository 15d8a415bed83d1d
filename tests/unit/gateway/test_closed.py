"""A server off loopback: nothing but a short list answers without a credential, and each opens what it says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import binary, lists, one_of, sampled_from, text, tuples

from quaero.domain.access import Access, Key, new_key, parse_key
from quaero.domain.errors import StoreUnavailable
from quaero.gateway.application import ROUTES, application
from quaero.gateway.auth import credentials
from quaero.gateway.auth.audit import list_deeds
from quaero.gateway.auth.credentials import LOOK_SECONDS, Credentials
from quaero.gateway.auth.place import Place
from quaero.gateway.auth.tokens import add_token, list_tokens, revoke_token
from quaero.settings import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from quaero.gateway.gate import Gate
    from quaero.gateway.state import Gateway
    from quaero.storage.sqlstore import SqlStore

    Client = httpx2.AsyncClient
    MakeToken = Callable[..., Awaitable[Key]]

pytestmark = pytest.mark.anyio
SETTINGS = load(environ={}, flags={"server.host": "192.0.2.7", "auth.mutations_per_second": "5"})
HERE = "http://192.0.2.7:8080"
PUBLIC = {"/login", "/api/health", "/api/ready"}
PATHS = sorted(
    {route.path.replace("{id}", "1") for route in ROUTES}
    | {"/ws", "/login", "/logout", "/metrics", "/api/docs", "/nothing"}
)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@pytest.fixture
async def gate(gateway: Gateway) -> AsyncIterator[Gate]:
    gateway.settings = SETTINGS
    app = application(gateway, Place.of(SETTINGS, 8080))
    yield app
    await app.close()


@pytest.fixture
async def client(gate: Gate) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=gate), base_url=HERE) as opened:
        yield opened


@pytest.fixture
def make_token(store: SqlStore) -> MakeToken:
    async def make(access: Access = Access.ADMIN, lifetime: int = 0) -> Key:
        key = new_key("qk")
        await store.write(add_token, key, access.word, access, lifetime)
        return key

    return make


def bearer(key: Key) -> dict[str, str]:
    return {"authorization": f"Bearer {key.text}"}


async def logged_in(client: Client, key: Key) -> httpx2.Response:
    form = {"token": key.text, "next": "/jobs/7"}
    return await client.post("/login", data=form, headers={"origin": HERE})


async def test_no_route_answers_without_a_credential_but_the_public_list(client: Client) -> None:
    asked = [(method, path) for method in METHODS for path in PATHS]

    answers = {pair: await client.request(*pair) for pair in asked}

    open_to_all = {path for (_, path), answer in answers.items() if answer.status_code != 401}
    assert {path for path in open_to_all if not path.startswith("/static/")} == PUBLIC
    assert len(asked) > 200


@pytest.mark.parametrize("path", ["/api/health", "/api/ready"])
async def test_probes_without_a_credential_tell_their_status_and_nothing_else(client: Client, path: str) -> None:
    answer = await client.get(path)

    assert (answer.status_code, answer.content) == (200, b"")
    assert "content-type" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer qk_aaaaaaaa_" + "a" * 43},
        {"authorization": "Basic YWRtaW46YWRtaW4="},
        {"authorization": "bearer \xff"},
        {"cookie": "quaero_8080=qs_aaaaaaaa_" + "a" * 43},
        {"cookie": "quaero_8080="},
        {"cookie": ";;;=;"},
        {"x-forwarded-for": "127.0.0.1"},
        {"x-forwarded-user": "admin", "x-real-ip": "::1", "forwarded": "for=127.0.0.1;host=localhost"},
        {"host": "localhost:8080"},
    ],
)
async def test_what_is_no_credential_opens_nothing(client: Client, headers: dict[str, str]) -> None:
    answer = await client.get("/api/jobs", headers=[(k.encode(), v.encode("latin-1")) for k, v in headers.items()])

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_in_the_address_or_of_the_wrong_sort_opens_nothing(client: Client, make_token: MakeToken) -> None:
    key = await make_token()
    wrong_secret = key._replace(secret=new_key("qk").secret)
    session = (await logged_in(client, key)).cookies["quaero_8080"]
    client.cookies.clear()

    for address in (f"/api/jobs?token={key.text}", f"/api/jobs?access_token={key.text}"):
        assert (await client.get(address)).status_code == 401
    for headers in (
        bearer(wrong_secret),
        {"authorization": f"Bearer {session}"},
        {"cookie": f"quaero_8080={key.text}"},
    ):
        assert (await client.get("/api/jobs", headers=headers)).status_code == 401


ROLES = [Access.VIEWER, Access.SUBMITTER, Access.OPERATOR, Access.ADMIN]


@pytest.mark.parametrize("access", ROLES)
async def test_each_scope_opens_the_routes_that_need_it_and_no_other(
    client: Client, make_token: MakeToken, access: Access, gateway: Gateway
) -> None:
    key = await make_token(access)
    gateway.draining = True  # mutations that are allowed answer 503 and change nothing

    for route in ROUTES:
        if route.path.endswith("/stream"):
            continue
        answer = await client.request(route.method, route.path.replace("{id}", "1"), headers=bearer(key))
        if answer.status_code == 429:
            continue
        assert (answer.status_code == 403) == (access < route.needs), (route.method, route.path)
        if answer.status_code == 403:
            assert f"scope {route.needs.word}" in answer.json()["detail"]


def test_what_changes_something_needs_more_than_reading() -> None:
    needs = {(route.method, route.path): route.needs for route in ROUTES}

    assert all(access > Access.VIEWER for (method, _), access in needs.items() if method != "GET")
    assert needs["POST", "/api/jobs"] is Access.SUBMITTER
    assert needs["POST", "/api/jobs/{id}/cancel"] is needs["DELETE", "/api/jobs/{id}"] is Access.OPERATOR
    assert {needs["POST", "/api/tokens"], needs["GET", "/api/audit"], needs["GET", "/api/settings"]} == {Access.ADMIN}


async def test_an_expired_token_and_a_revoked_one_are_no_good(
    client: Client, make_token: MakeToken, store: SqlStore
) -> None:
    expired, revoked = await make_token(lifetime=1), await make_token()
    await store.write(revoke_token, revoked.id)

    for key in (expired, revoked):
        assert (await client.get("/api/jobs", headers=bearer(key))).status_code == 401


async def test_revoking_closes_what_is_open_within_two_seconds_and_nothing_else(
    gateway: Gateway, store: SqlStore, make_token: MakeToken, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoked, staying = await make_token(Access.VIEWER), await make_token(Access.VIEWER)
    admin = await make_token(Access.ADMIN)
    session = (await logged_in(client, revoked)).cookies["quaero_8080"]
    client.cookies.clear()
    began: list[str] = []
    told: list[Any] = []

    async def tell(message: Any) -> None:
        told.append(message)

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        began.append(scope["principal"].name)
        await asyncio.Event().wait()

    app = application(gateway, Place.of(SETTINGS, 8080))
    app._app = stream

    def open_with(*headers: tuple[bytes, bytes], kind: str = "http") -> asyncio.Task[None]:
        given = [(b"host", b"192.0.2.7:8080"), *headers]
        scope = {"type": kind, "method": "GET", "path": "/api/logs/stream", "headers": given, "query_string": b""}
        return asyncio.ensure_future(app(scope, _nothing_more, tell))

    token = (b"authorization", b"Bearer " + revoked.text.encode())
    cookie = (b"cookie", b"quaero_8080=" + session.encode())
    ended = [
        open_with(token),
        open_with(token, kind="websocket"),
        open_with(cookie),
        open_with(cookie, (b"origin", HERE.encode()), kind="websocket"),
    ]
    stays = open_with((b"authorization", b"Bearer " + staying.text.encode()))
    while len(began) < 5:
        await asyncio.sleep(0)

    looks = 0
    look = Credentials.look

    async def counted(credentials: Credentials) -> None:
        nonlocal looks
        looks += 1
        await look(credentials)

    monkeypatch.setattr(Credentials, "look", counted)
    answer = await client.delete(f"/api/tokens/{revoked.id}", headers=bearer(admin))
    async with asyncio.timeout(20):
        await asyncio.gather(*ended)

    assert answer.json()["revoked_at"]
    assert looks * LOOK_SECONDS <= 2
    assert [message["type"] for message in told].count("http.response.body") == 2
    assert [message.get("code") for message in told if message["type"] == "websocket.close"] == [1008, 1008]
    assert not stays.done()
    stays.cancel()
    await app.close()


async def _nothing_more() -> Any:
    await asyncio.Event().wait()


async def test_a_browser_gets_a_session_for_its_token_and_loses_it_at_logout(
    client: Client, make_token: MakeToken
) -> None:
    key = await make_token(Access.OPERATOR)

    arrived = await client.get("/jobs/7", headers={"accept": "text/html"})
    entered = await logged_in(client, key)
    cookie = entered.headers["set-cookie"]
    me = await client.get("/api/session")
    posted = await client.post("/api/jobs", json={"kind": "fetch"}, headers={"origin": HERE})
    door = await client.get("/logout")
    left = await client.post("/logout", headers={"origin": HERE})
    client.cookies.set("quaero_8080", entered.cookies["quaero_8080"])
    after = await client.get("/api/session")

    assert arrived.status_code == 401
    assert '<form method="post" action="/login">' in arrived.text
    assert 'value="/jobs/7"' in arrived.text
    assert (entered.status_code, entered.headers["location"]) == (303, "/jobs/7")
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="))
    assert key.secret not in cookie
    assert me.json()["scope"] == "operator"
    assert me.json()["scopes"] == ["viewer", "submitter", "operator"]
    assert posted.status_code == 201
    assert 'action="/logout"' in door.text
    assert "session operator" in door.text
    assert left.status_code == 303
    assert after.status_code == 401


async def test_a_session_mutates_only_for_our_own_pages(client: Client, make_token: MakeToken) -> None:
    await logged_in(client, await make_token())

    async def post(**headers: str) -> int:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await client.post("/api/jobs", json={"kind": "fetch"}, headers=given)).status_code

    assert await post() == 403
    assert await post(sec_fetch_site="none") == 403
    assert await post(origin="https://evil.example") == 403
    assert await post(origin="http://192.0.2.7:8081") == 403
    assert await post(origin="null") == 403
    assert await post(sec_fetch_site="same-origin") == 201
    assert await post(origin=HERE) == 201


@pytest.mark.parametrize("then", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_a_login_leads_to_no_other_site(client: Client, make_token: MakeToken, then: str) -> None:
    key = await make_token()

    answer = await client.post("/login", data={"token": key.text, "next": then}, headers={"origin": HERE})

    assert answer.headers["location"] == "/"


async def test_another_site_can_log_nobody_in(client: Client, make_token: MakeToken) -> None:
    key = await make_token()

    answer = await client.post("/login", data={"token": key.text}, headers={"origin": "https://evil.example"})

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_wrong_tokens_are_slowed_but_whoever_is_in_stays(client: Client, make_token: MakeToken) -> None:
    key = await make_token()
    assert (await client.get("/api/jobs", headers=bearer(key))).status_code == 200

    wrong = [(await logged_in(client, new_key("qk"))) for _ in range(12)]

    assert [answer.status_code for answer in wrong] == [403] * 10 + [429] * 2
    assert int(wrong[-1].headers["retry-after"]) > 0
    assert (await client.get("/api/jobs", headers=bearer(key))).status_code == 200


async def test_mutations_over_the_rate_are_told_when_to_come_again(client: Client, make_token: MakeToken) -> None:
    key = await make_token()

    answers = [await client.post("/api/jobs", json={"kind": "fetch"}, headers=bearer(key)) for _ in range(15)]

    assert {answer.status_code for answer in answers[:10]} == {201}
    assert answers[-1].status_code == 429
    assert answers[-1].headers["retry-after"] == "1"


async def test_every_mutation_is_in_the_audit_with_who_and_how_it_ended(
    client: Client, make_token: MakeToken, gate: Gate, store: SqlStore
) -> None:
    submitter, admin = await make_token(Access.SUBMITTER), await make_token()
    made = await client.post("/api/jobs", json={"kind": "fetch"}, headers=bearer(submitter))
    job = made.json()["id"]
    await client.post(f"/api/jobs/{job}/cancel", headers=bearer(submitter))
    await client.post(f"/api/jobs/{job}/cancel", headers=bearer(admin))
    await logged_in(client, new_key("qk"))
    await gate._checkpoint._audit.written()

    seen = (await client.get("/api/audit", headers=bearer(admin))).json()["entries"]

    assert [(entry["action"], entry["target"], entry["status"]) for entry in seen] == [
        ("POST /login", "", 403),
        ("POST /api/jobs/{id}/cancel", job, 200),
        ("POST /api/jobs/{id}/cancel", job, 403),
        ("POST /api/jobs", job, 201),
    ]
    assert [entry["who"].split()[:2] for entry in seen[1:]] == [
        ["token", "admin"],
        ["token", "submitter"],
        ["token", "submitter"],
    ]
    assert seen[1]["address"] == "127.0.0.1"
    assert len(await list_deeds(store, before=int(seen[1]["id"]), limit=10)) == 2


async def test_tokens_are_made_listed_and_revoked_and_their_secret_is_shown_once(
    client: Client, make_token: MakeToken, store: SqlStore
) -> None:
    admin = await make_token()

    made = await client.post(
        "/api/tokens", json={"name": "ci", "scope": "submitter", "expires_in": "90d"}, headers=bearer(admin)
    )
    listed = await client.get("/api/tokens", headers=bearer(admin))
    refused = await client.post("/api/tokens", json={"name": "x", "scope": "root"}, headers=bearer(admin))

    key = made.json()["token"]
    assert made.status_code == 201
    assert made.json()["about"] == listed.json()["tokens"][0]
    assert key not in listed.text
    assert refused.status_code == 422
    assert "viewer, submitter, operator, admin" in refused.json()["detail"]
    assert (await client.get("/api/session", headers={"authorization": f"Bearer {key}"})).json()["scope"] == "submitter"
    assert {row.name for row in await list_tokens(store)} == {"admin", "ci"}


async def test_settings_say_where_each_value_came_from_and_hide_passwords(
    client: Client, make_token: MakeToken, gateway: Gateway
) -> None:
    flags = {"store.url": "postgresql://ann:s3cret@db/q"}
    gateway.settings = load(environ={}, flags=flags)

    answer = await client.get("/api/settings", headers=bearer(await make_token()))

    shown = {one["key"]: one for one in answer.json()["settings"]}
    assert (shown["store.url"]["value"], shown["store.url"]["source"]) == ("postgresql://ann:•••@db/q", "command line")
    assert shown["server.port"]["source"] == "default"
    assert "s3cret" not in answer.text


async def test_no_secret_is_kept_in_the_store_or_told_to_the_log(
    client: Client, make_token: MakeToken, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    key = await make_token()
    session = parse_key((await logged_in(client, key)).cookies["quaero_8080"])
    await client.post("/api/jobs", content=b"{", headers={**bearer(key), "content-type": "application/json"})

    kept = b"".join(path.read_bytes() for path in tmp_path.glob("quaero.db*") if path.is_file())

    assert key.id.encode() in kept
    assert session is not None
    for secret in (key.secret, session.secret):
        assert secret.encode() not in kept
        assert secret not in caplog.text


@pytest.mark.parametrize("form", [b"&" * 50 + b"a=1", b"&".join(b"x=1" for _ in range(30)), b"token=" + b"a" * 9_000])
async def test_a_form_that_is_none_of_ours_logs_nobody_in(client: Client, form: bytes) -> None:
    headers = {"origin": HERE, "content-type": "application/x-www-form-urlencoded"}

    answer = await client.post("/login", content=form, headers=headers)

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_who_cannot_be_looked_up_is_told_to_come_again(
    client: Client, make_token: MakeToken, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await make_token()

    async def unreachable(*_: Any) -> Any:
        raise StoreUnavailable("the store does not answer")

    monkeypatch.setattr(credentials, "find_keys", unreachable)
    answers = [await client.get("/api/jobs", headers=bearer(key)), await logged_in(client, key)]

    stream = await client.get("/api/jobs/1/logs/stream", headers=bearer(key))

    assert [answer.status_code for answer in answers] == [503, 503]
    assert all(answer.headers["retry-after"] == "1" for answer in answers)
    assert stream.status_code == 200
    assert "event: bye" in stream.text


HEADER_NAMES = [b"host", b"origin", b"sec-fetch-site", b"cookie", b"authorization", b"content-type", b"x-forwarded-for"]
HEADER_VALUES = [b"192.0.2.7:8080", HERE.encode(), b"same-origin", b"Bearer qk_", b"quaero_8080=qs_x", b"127.0.0.1"]


@given(
    method=sampled_from([*METHODS, "TRACE", "x"]),
    path=one_of(sampled_from(PATHS), text(max_size=30).map(lambda rest: f"/{rest}")),
    headers=lists(
        tuples(sampled_from(HEADER_NAMES), one_of(sampled_from(HEADER_VALUES), binary(max_size=80))), max_size=7
    ),
    body=binary(max_size=50),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_sent_without_a_credential_is_refused_in_order(
    gate: Gate, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    told: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        told.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    await gate({**scope, "client": ("198.51.100.9", 1), "scheme": "http"}, receive, send)

    is_open = path in PUBLIC or path.startswith("/static/")
    refusals = {400, 401, 403, 405, 413, 415, 421, 429}
    assert told[0]["status"] in refusals | ({200, 304, 404, 422} if is_open else set())
