"""The OpenAPI document as a page to read: plain HTML with one stylesheet, no script, nothing from elsewhere."""

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby
from typing import Any

STYLE = "/static/css/reference.css"
Schema = dict[str, Any]
_CODE = re.compile(r"`([^`]+)`")


def page(document: Schema) -> str:
    """The whole page."""
    return "".join(_page(document))


def _page(document: Schema) -> Iterator[str]:
    info = document["info"]
    operations = [
        (path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()
    ]
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(info["title"])} REST reference</title><link rel="stylesheet" href="{STYLE}"></head><body>'
        '<nav aria-label="Routes"><p><a href="/">Quaero</a></p>'
    )
    by_tag = sorted(operations, key=lambda one: [tag["name"] for tag in document["tags"]].index(one[2]["tags"][0]))
    for tag, group in groupby(by_tag, key=lambda one: one[2]["tags"][0]):
        yield f"<h2>{escape(tag)}</h2><ul>"
        for path, method, operation in group:
            yield f'<li><a href="#{operation["operationId"]}">{_method(method)} {escape(path)}</a></li>'
        yield "</ul>"
    yield '<h2><a href="#schemas">Schemas</a></h2><h2><a href="#problems">Problems</a></h2></nav><main>'
    yield f"<h1>{escape(info['title'])} REST reference</h1><p>Version {escape(info['version'])}. "
    yield f'The same as an <a href="/api/openapi.json">OpenAPI document</a>.</p>{_paragraphs(info["description"])}'
    for path, method, operation in by_tag:
        yield from _operation(path, method, operation)
    yield '<h2 id="schemas">Schemas</h2>'
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield f'<section id="schema-{escape(name)}"><h3>{escape(name)}</h3>'
        yield _paragraphs(schema.get("description", ""))
        yield from _properties(schema)
        yield "</section>"
    yield '<h2 id="problems">Problems</h2><table><tr><th>Status</th><th>Types</th></tr>'
    for name, response in sorted(document["components"]["responses"].items()):
        yield f"<tr><td>{escape(name.removeprefix('Problem'))}</td><td>{_text(response['description'])}</td></tr>"
    yield "</table></main></body></html>"


def _method(method: str) -> str:
    return f'<b class="{escape(method)}">{escape(method.upper())}</b>'


def _operation(path: str, method: str, operation: Schema) -> Iterator[str]:
    yield f'<section id="{operation["operationId"]}"><h3>{_method(method)} <code>{escape(path)}</code></h3>'
    yield f"<p>{_text(operation['summary'])}</p>{_paragraphs(operation.get('description', ''))}"
    parameters = operation["parameters"]
    if parameters:
        yield "<table><tr><th>Parameter</th><th>In</th><th>Type</th><th>Default</th></tr>"
        for one in parameters:
            default = one["schema"].get("default")
            shown = "required" if one["required"] else "" if default in (None, "") else str(default)
            yield f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
            yield f"<td>{_type(one['schema'])}</td><td>{escape(shown)}</td></tr>"
        yield "</table>"
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        yield f"<p>Body: {_type(schema)}</p>"
    yield "<table><tr><th>Status</th><th>Answer</th></tr>"
    answers = operation["responses"].items()
    for status, response in answers:
        if "$ref" not in response:
            yield f"<tr><td>{escape(status)}</td><td>{_response(response)}</td></tr>"
    if problems := ", ".join(escape(status) for status, response in answers if "$ref" in response):
        yield f'<tr><td>else</td><td><a href="#problems">A problem</a> of {problems}</td></tr>'
    yield "</table></section>"


def _response(response: Schema) -> str:
    told = [
        f"<code>{escape(media)}</code> {_type(content['schema'])}"
        for media, content in response.get("content", {}).items()
    ]
    return f"{_text(response['description'])}{': ' if told else ''}{', '.join(told)}"


def _properties(schema: Schema) -> Iterator[str]:
    properties = schema.get("properties", {})
    if not properties:
        return
    required = schema.get("required", ())
    yield "<table><tr><th>Field</th><th>Type</th><th></th></tr>"
    for name, one in properties.items():
        note = "" if name in required else "may be left out"
        yield f"<tr><td><code>{escape(name)}</code></td><td>{_type(one)}</td><td>{note}</td></tr>"
    yield "</table>"


def _type(schema: Schema) -> str:
    """A schema in a few words, with links to what it names."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(map(_type, schema[several]))
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        items = schema.get("prefixItems")
        inside = ", ".join(map(_type, items)) if items else _type(schema.get("items") or {})
        return f"array of {inside}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    low, high = schema.get("minimum"), schema.get("maximum")
    bounds = f", {low:,} to {high:,}" if low is not None and high is not None else ""
    return escape(f"{kind}{bounds}")


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_text(part)}</p>" for part in text.split("\n\n") if part.strip())


def _text(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(" ".join(text.split())))
