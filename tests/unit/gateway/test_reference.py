"""The interface describes itself: the document is true, whole and valid; the page needs no script."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openapi_spec_validator import validate

from quaero.domain.errors import QuaeroError
from quaero.gateway.application import ROUTES
from quaero.gateway.openapi import error_statuses, is_public
from quaero.gateway.problems import PREFIX, PROBLEMS
from quaero.gateway.routing import Media, Route

SOURCES = Path(__file__).resolve().parents[3] / "src/quaero"
PUBLIC = [route for route in ROUTES if is_public(route)]
KNOWN = {problem.name: problem.status for problem in PROBLEMS}

pytestmark = pytest.mark.anyio


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture
async def document(client: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/openapi.json")
    made: dict[str, Any] = answer.json()
    return made


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


async def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)

    assert document["openapi"] == "3.1.0"


async def test_every_route_for_programs_is_in_the_document(document: dict[str, Any]) -> None:
    told = {(path, method) for path, item in document["paths"].items() for method in item}

    assert told == {(route.path, route.method.lower()) for route in PUBLIC}


async def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(document: dict[str, Any]) -> None:
    operations = [operation for item in document["paths"].values() for operation in item.values()]

    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] for operation in operations)


@pytest.mark.parametrize("route", PUBLIC, ids=named)
def test_every_route_says_what_it_answers(route: Route) -> None:
    assert route.answers
    assert all(answer is None or isinstance(answer, Media) or answer is not Any for answer in route.answers.values())


async def test_names_of_schemas_are_words_and_all_of_them_lead_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", name) for name in schemas)
    for reference in references(document):
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


@pytest.mark.parametrize("route", PUBLIC, ids=named)
def test_every_status_a_route_may_fail_with_has_a_type(route: Route) -> None:
    assert set(error_statuses(route)) <= set(KNOWN.values())


def raised() -> Iterator[tuple[str, int]]:
    """Every type of problem the code can answer with, and its status, as the source says it."""
    waiting = list(QuaeroError.__subclasses__())
    while waiting:
        error = waiting.pop()
        waiting += error.__subclasses__()
        if error.http_status != 500 and error.__name__ != "OpenBind":  # that one ends a program at its start
            yield error.problem, error.http_status
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            values = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
            if (
                node.func.id == "Refusal" and len(values) > 1 and values[0] is not None
            ):  # else it tells an error of ours
                yield str(values[1]), int(str(values[0]))
            elif node.func.id == "Problem" and len(values) > 2 and isinstance(values[0], str):
                yield values[0].removeprefix(PREFIX), int(str(values[2]))


def test_the_list_of_problem_types_is_that_of_the_code() -> None:
    found = dict(raised())

    assert {name: status for name, status in found.items() if name in KNOWN} == KNOWN
    assert set(found) <= set(KNOWN)


async def test_the_page_is_read_without_script_style_or_anything_from_elsewhere(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/docs")
    html = answer.text

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|https?://", html)
    assert (await client.get(re.findall(r'<link rel="stylesheet" href="([^"]+)"', html)[0])).status_code == 200


async def test_the_page_shows_every_route_and_its_links_lead_to_places_on_it(client: httpx2.AsyncClient) -> None:
    html = (await client.get("/api/docs")).text
    places = set(re.findall(r'id="([^"]+)"', html))

    assert {route.endpoint.__name__ for route in PUBLIC} <= places
    assert set(re.findall(r'href="#([^"]+)"', html)) <= places


async def test_words_of_the_code_are_text_on_the_page(client: httpx2.AsyncClient) -> None:
    from quaero.gateway.referencepage import page

    nasty = '<img src=x onerror="alert(1)">'
    operation = {"operationId": "x", "tags": [nasty], "summary": nasty, "parameters": [], "responses": {}}
    document = {
        "info": {"title": nasty, "version": nasty, "description": nasty},
        "tags": [{"name": nasty}],
        "paths": {nasty: {"get": operation}},
        "components": {"schemas": {"X": {"description": nasty}}, "responses": {"Problem1": {"description": nasty}}},
    }

    assert "<img" not in page(document)
