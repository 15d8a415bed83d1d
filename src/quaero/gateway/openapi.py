"""The OpenAPI 3.1 document, made from the routes: what they take, what they answer, what can go wrong.

Nothing in it is written by hand twice: paths, parameters, bodies and answers come from the signatures of the endpoints,
words from their docstrings, errors from `problems`.
"""

import typing
from collections.abc import Iterable, Mapping
from inspect import cleandoc
from types import UnionType
from typing import Any

import msgspec

from quaero.domain.access import Access
from quaero.domain.wire import Problem
from quaero.gateway.gate import MUTATIONS
from quaero.gateway.problems import PREFIX, PROBLEMS
from quaero.gateway.routing import JobId, Media, Route

ALWAYS = (400, 401, 403, 421, 422, 429, 500, 503)
OF_MUTATIONS = (409, 413, 415, 507)
JOB_ID = {"type": "string", "pattern": "^[0-9]{1,18}$", "description": "The id of a job"}
# the empty one: on loopback a local program needs none
SECURITY: list[dict[str, list[str]]] = [{"token": []}, {"session": []}, {}]
Schema = dict[str, Any]


def is_public(route: Route) -> bool:
    """Whether a route is for programs; the others are the page."""
    return route.path.startswith("/api/") or route.path == "/metrics"


def openapi(routes: Iterable[Route], version: str) -> Schema:
    """The document for these routes."""
    shown = [route for route in routes if is_public(route)]
    schemas = Schemas(shown)
    paths: dict[str, Schema] = {}
    for route in shown:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Quaero", "version": version, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": SECURITY,
        "tags": [{"name": tag} for tag in dict.fromkeys(_tag(route) for route in shown)],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {f"Problem{status}": _problem(status) for status in dict.fromkeys(p.status for p in PROBLEMS)},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token, `qk_...`"},
                "session": {"type": "apiKey", "in": "cookie", "name": "quaero_8080", "description": COOKIE},
            },
        },
    }


COOKIE = "What a login gives a browser; `quaero_` and the port of the server"
DESCRIPTION = cleandoc("""
    JSON in UTF-8. Ids are opaque strings. Times are RFC 3339 in UTC with milliseconds. Unknown fields and parameters
    are refused. Lists are read on with `cursor`, the `next_cursor` of the page before.
""")


class Schemas:
    """The schemas of everything the routes take and answer, each asked for once."""

    def __init__(self, routes: Iterable[Route]) -> None:
        wanted: dict[Any, None] = {Problem: None}
        for route in routes:
            for kind in (route.body_type, *(json_type(answer) for answer in route.answers.values())):
                wanted.update(dict.fromkeys(parts(kind)))
            for field in query_fields(route):
                wanted[field.type] = None
        types = [kind for kind in wanted if kind is not None]
        found, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
        self._of = dict(zip(types, found, strict=True))
        self.components: Schema = components

    def of(self, kind: Any) -> Schema:
        """The schema of a type; of several, any of theirs."""
        found = [self._of[one] for one in parts(kind)]
        return found[0] if len(found) == 1 else {"anyOf": found}


def parts(kind: Any) -> tuple[Any, ...]:
    """The members of a union of objects, which one schema cannot tell apart; any other type as it is."""
    members = typing.get_args(kind) if isinstance(kind, UnionType) else ()
    if sum(isinstance(member, type) and issubclass(member, msgspec.Struct) for member in members) > 1:
        return members
    return (kind,)


def json_type(answer: Any) -> Any:
    """What an answer is as JSON, None if it is not."""
    return answer.json if isinstance(answer, Media) else answer


def query_fields(route: Route) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The query parameters of a route."""
    is_struct = isinstance(route.query, type) and issubclass(route.query, msgspec.Struct)
    return msgspec.structs.fields(route.query) if is_struct and route.query is not None else ()


def _tag(route: Route) -> str:
    noun = route.path.removeprefix("/api/").strip("/").partition("/")[0]
    return "logs" if "/logs" in route.path else TAGS.get(noun, noun)


def _operation(route: Route, schemas: Schemas) -> Schema:
    summary, _, more = route.doc.partition("\n\n")
    told = [more, _doc(route.query) if query_fields(route) else "", _needs(route)]
    operation: Schema = {
        "operationId": route.endpoint.__name__,
        "tags": [_tag(route)],
        "summary": " ".join(summary.split()),
        "description": "\n\n".join(text for text in told if text),
        "parameters": _parameters(route, schemas),
        "responses": _responses(route, schemas),
    }
    if route.needs is Access.NOBODY:
        operation["security"] = []
    if route.body is not None:
        operation["requestBody"] = {
            "required": not _takes_nothing(route),
            "content": {"application/json": {"schema": schemas.of(route.body_type)}},
        }
    return operation


def _doc(kind: Any) -> str:
    return cleandoc(kind.__doc__ or "")


def _needs(route: Route) -> str:
    return "" if route.needs is Access.NOBODY else f"Needs the scope `{route.needs.word}`."


def _takes_nothing(route: Route) -> bool:
    """Whether an empty body will do: it counts as an empty object."""
    try:
        if route.body is not None:
            route.body(b"{}")
    except msgspec.ValidationError:
        return False
    return True


def _parameters(route: Route, schemas: Schemas) -> list[Schema]:
    found: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": JOB_ID if kind is JobId else {"type": "string"}}
        for name, kind in route.names.items()
    ]
    for field in query_fields(route):
        schema = _not_null(schemas.of(field.type))
        if field.default not in (msgspec.NODEFAULT, None):
            schema = {**schema, "default": field.default}
        required = field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
        found.append({"name": field.encode_name, "in": "query", "required": required, "schema": schema})
    return found


def _not_null(schema: Schema) -> Schema:
    """A parameter that is there has a value."""
    rest = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(rest) == 1:
        return {**{name: value for name, value in schema.items() if name != "anyOf"}, **rest[0]}
    if isinstance(schema.get("enum"), list):
        return {**schema, "enum": [value for value in schema["enum"] if value is not None]}
    return schema


def _responses(route: Route, schemas: Schemas) -> Schema:
    found: Schema = {str(status): _response(status, answer, schemas) for status, answer in route.answers.items()}
    for status in error_statuses(route):
        found.setdefault(str(status), {"$ref": f"#/components/responses/Problem{status}"})
    return dict(sorted(found.items()))


def error_statuses(route: Route) -> list[int]:
    """The statuses of the problems a route may answer with."""
    found = [*ALWAYS, *((404,) if route.names or query_fields(route) else ())]
    return sorted([*found, *(OF_MUTATIONS if route.method in MUTATIONS else ())])


def _response(status: int, answer: Any, schemas: Schemas) -> Schema:
    if answer is None:
        return {"description": MEANINGS.get(status, "Done")}
    content: Schema = {}
    kind = json_type(answer)
    if kind is not None:
        content["application/json"] = {"schema": schemas.of(kind)}
    if isinstance(answer, Media):
        for media in (answer.type, *answer.also):
            content[media] = {"schema": {} if media.endswith(("map", "json")) else {"type": "string"}}
    return {"description": MEANINGS.get(status, "Done"), "content": content}


TAGS = {
    **dict.fromkeys(("session", "tokens", "audit"), "access"),
    **dict.fromkeys(("health", "ready", "version", "queue", "status", "kinds", "settings", "metrics"), "server"),
    **dict.fromkeys(("openapi.json", "docs"), "reference"),
}
MEANINGS: Mapping[int, str] = {
    200: "As asked for",
    201: "Accepted and kept; `Location` says where",
    204: "At the end: there is nothing more to come",
    503: "Not ready to serve",
}


def _problem(status: int) -> Schema:
    told = "; ".join(f"`{PREFIX}{one.name}`: {one.meaning}" for one in PROBLEMS if one.status == status)
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": told, "content": {"application/problem+json": {"schema": schema}}}
