"""Definitions over HTTP: kept, changed, checked, run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from quaero.domain.definitions import parse, to_stored
from quaero.engine.lifecycle.catalogue import FILE, save_definition
from quaero.gateway.state import Gateway
from quaero.storage.sqlstore import SqlStore
from quaero.testing.clock import FakeClock

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import Worker

pytestmark = pytest.mark.anyio

NEWS = """
id = "news"
name = "News"
schedule = "*/5 * * * *"
[step.crawl]
type = "parent"
max_pages = 10
[step.tell]
type = "fetch"
depends = "crawl"
"""
PLAIN: dict[str, Any] = {"id": "plain", "name": "Plain", "step": {"one": {"type": "fetch", "url": "x"}}}


@pytest.fixture
async def from_file(store: SqlStore) -> str:
    definition = parse(NEWS)
    await store.write(save_definition, definition, FILE, to_stored(definition).decode())
    return definition.id


async def post(client: httpx2.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post("/api/job-definitions", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_definition_may_come_as_toml_or_as_a_mapping(client: httpx2.AsyncClient) -> None:
    as_toml = await post(client, {"toml": NEWS})
    as_mapping = await post(client, PLAIN)

    listed = (await client.get("/api/job-definitions")).json()
    assert [one["id"] for one in listed["definitions"]] == ["news", "plain"]
    assert listed["total_count"] == 2
    assert [step["name"] for step in as_toml["steps"]] == ["crawl", "tell"]
    assert as_mapping["definition"]["step"]["one"] == {"type": "fetch", "url": "x"}
    assert as_mapping["source"] == "api"
    assert not as_mapping["read_only"]
    again = await client.post("/api/job-definitions/validate", json={"toml": as_toml["toml"]})
    assert again.json()["definition"] == as_toml["definition"]


async def test_a_schedule_is_told_in_words_and_with_its_next_times(
    client: httpx2.AsyncClient, gateway: Gateway
) -> None:
    gateway.clock = FakeClock()
    made = await post(client, {"toml": NEWS})

    assert made["schedule_text"].startswith("Every fifth minute")
    assert len(made["next_runs"]) == 5
    assert made["next_runs"] == sorted(set(made["next_runs"]))
    assert all(moment.endswith(":00.000Z") and int(moment[14:16]) % 5 == 0 for moment in made["next_runs"])


async def test_a_disabled_definition_has_no_next_runs(client: httpx2.AsyncClient) -> None:
    made = await post(client, {**PLAIN, "schedule": "0 6 * * *", "enabled": False})

    assert made["next_runs"] == []
    assert made["schedule_text"]


async def test_what_is_wrong_is_told_with_key_line_reason_and_remedy(client: httpx2.AsyncClient) -> None:
    broken = NEWS.replace('depends = "crawl"', 'depends = "crowl"\non_error = "stop"')

    checked = (await client.post("/api/job-definitions/validate", json={"toml": broken})).json()
    refused = await client.post("/api/job-definitions", json={"toml": broken})

    assert not checked["valid"]
    assert {problem["key"]: problem["line"] for problem in checked["problems"]} == {
        "step.tell.on_error": 11,
        "step.tell.depends": 10,
    }
    assert all(problem["reason"] and problem["remedy"] for problem in checked["problems"])
    assert refused.status_code == 422
    assert len(refused.json()["problems"]) == 2


async def test_a_valid_definition_nobody_can_run_says_so(client: httpx2.AsyncClient) -> None:
    strange = {"id": "strange", "step": {"one": {"type": "nobody"}}}

    checked = (await client.post("/api/job-definitions/validate", json=strange)).json()
    made = await post(client, strange)
    run = await client.post("/api/job-definitions/strange/execute")

    assert checked["valid"]
    assert "nobody" in checked["unrunnable"]
    assert "nobody" in made["problem"]
    assert run.status_code == 422
    assert run.json()["type"] == "urn:quaero:unknown-kind"


async def test_running_a_definition_makes_a_tree_with_the_overrides_of_this_run(
    client: httpx2.AsyncClient, store: SqlStore
) -> None:
    await post(client, {"toml": NEWS})

    answer = await client.post("/api/job-definitions/news/execute", json={"step": {"crawl": {"max_pages": 3}}})

    root = answer.json()
    steps = await store.steps(int(root["id"]))
    kept = (await client.get("/api/job-definitions/news")).json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/jobs/{root['id']}"
    assert steps[0].payload == b'{"max_pages":3}'
    assert kept["definition"]["step"]["crawl"]["max_pages"] == 10
    assert [run["id"] for run in kept["last_runs"]] == [root["id"]]
    listed = (await client.get("/api/jobs", params={"definition": "news"})).json()
    assert [job["id"] for job in listed["jobs"]] == [root["id"]]


async def test_a_definition_is_run_once_without_being_kept(client: httpx2.AsyncClient, store: SqlStore) -> None:
    made = await client.post("/api/job-definitions/execute", json={"toml": NEWS})
    wrong = await client.post("/api/job-definitions/execute", json={"id": "x", "step": {"a": {"depends": "b"}}})
    unknown = await client.post("/api/job-definitions/execute", json={"id": "x", "step": {"a": {"type": "strange"}}})

    assert made.status_code == 201
    assert made.headers["location"] == f"/api/jobs/{made.json()['id']}"
    assert [step.name for step in await store.steps(int(made.json()["id"]))] == ["crawl", "tell"]
    assert (wrong.status_code, unknown.json()["type"]) == (422, "urn:quaero:unknown-kind")
    assert (await client.get("/api/job-definitions")).json()["definitions"] == []
    assert (await client.get("/api/jobs")).json()["total_count"] == 1


async def test_a_run_that_is_asked_for_twice_with_one_key_is_one(client: httpx2.AsyncClient) -> None:
    await post(client, PLAIN)

    answers = [
        await client.post("/api/job-definitions/plain/execute", headers={"idempotency-key": "k"}) for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]


async def test_overrides_that_are_wrong_are_refused_with_their_place(client: httpx2.AsyncClient) -> None:
    await post(client, {"toml": NEWS})

    answer = await client.post("/api/job-definitions/news/execute", json={"step": {"crowl": {"max_pages": 3}}})

    assert answer.status_code == 422
    assert answer.json()["problems"][0]["key"] == "step.crowl"


async def test_a_definition_can_be_replaced_and_forgotten(client: httpx2.AsyncClient) -> None:
    made = await client.put("/api/job-definitions/plain", json=PLAIN)
    changed = await client.put("/api/job-definitions/plain", json={**PLAIN, "name": "Changed"})
    renamed = await client.put("/api/job-definitions/plain", json={**PLAIN, "id": "other"})
    removed = await client.delete("/api/job-definitions/plain")

    assert (made.status_code, changed.status_code, renamed.status_code) == (201, 200, 422)
    assert changed.json()["name"] == "Changed"
    assert removed.json() == {"id": "plain", "removed": True}
    assert (await client.get("/api/job-definitions/plain")).status_code == 404
    assert (await client.delete("/api/job-definitions/plain")).status_code == 404


async def test_an_id_that_is_taken_is_not_taken_again(client: httpx2.AsyncClient) -> None:
    await post(client, PLAIN)

    assert (await client.post("/api/job-definitions", json=PLAIN)).status_code == 409


async def test_what_comes_from_a_file_can_be_run_but_not_changed(client: httpx2.AsyncClient, from_file: str) -> None:
    shown = (await client.get(f"/api/job-definitions/{from_file}")).json()
    replaced = await client.put(f"/api/job-definitions/{from_file}", json={"toml": NEWS})
    removed = await client.delete(f"/api/job-definitions/{from_file}")
    run = await client.post(f"/api/job-definitions/{from_file}/execute")

    assert shown["read_only"]
    assert (replaced.status_code, removed.status_code, run.status_code) == (409, 409, 201)
    assert "file" in replaced.json()["detail"]


async def test_pages_of_definitions_follow_each_other(client: httpx2.AsyncClient) -> None:
    for name in ("a", "b", "c"):
        await post(client, {**PLAIN, "id": name})

    first = (await client.get("/api/job-definitions", params={"limit": 2})).json()
    second = (await client.get("/api/job-definitions", params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert [one["id"] for one in first["definitions"] + second["definitions"]] == ["a", "b", "c"]
    assert second["next_cursor"] is None


async def test_an_enabled_schedule_does_not_make_up_for_what_it_missed_while_disabled(
    client: httpx2.AsyncClient, store: SqlStore, worker: Worker
) -> None:
    asleep = {**PLAIN, "schedule": "* * * * *", "enabled": False}
    await client.put("/api/job-definitions/plain", json=asleep)
    await store.write(lambda ledger: ledger.run("update definition set next_at = 1"))

    await client.put("/api/job-definitions/plain", json={**asleep, "enabled": True})

    ((due,),) = await store.rows("select next_at from definition")
    assert due > 1


async def test_a_definition_may_be_named_like_a_word_of_the_interface(client: httpx2.AsyncClient) -> None:
    await post(client, {**PLAIN, "id": "validate"})

    assert (await client.get("/api/job-definitions/validate")).json()["id"] == "validate"
    assert (await client.post("/api/job-definitions/validate", json=PLAIN)).json()["valid"]
    assert (await client.delete("/api/job-definitions/validate")).status_code == 200


async def test_one_that_another_version_accepted_is_shown_with_what_is_wrong(
    client: httpx2.AsyncClient, store: SqlStore
) -> None:
    await post(client, PLAIN)
    await store.write(lambda ledger: ledger.run("""update definition set body = '{"id": "plain", "colour": "red"}'"""))

    shown = (await client.get("/api/job-definitions/plain")).json()

    assert "colour" in shown["problem"]
    assert shown["definition"] == {"id": "plain", "colour": "red"}
    assert (await client.post("/api/job-definitions/plain/execute")).status_code == 422
