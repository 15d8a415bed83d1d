"""The interface, described by itself: an OpenAPI document, and a page to read it on."""

from functools import lru_cache
from typing import Any

from quaero.gateway.answers import Answer, encode
from quaero.gateway.openapi import openapi
from quaero.gateway.referencepage import page
from quaero.gateway.routing import Media, Route, Routes
from quaero.gateway.state import Gateway


def describe(routes: list[Route]) -> None:
    """Add the routes that describe these, themselves included."""
    own = Routes()

    @lru_cache
    def made(version: str) -> tuple[bytes, bytes]:
        document = openapi(routes, version)
        return encode(document), page(document).encode()

    @own.get("/api/openapi.json", answers={200: dict[str, Any]})
    async def get_openapi(gateway: Gateway) -> Answer:
        """This interface as an OpenAPI 3.1 document."""
        return Answer(made(gateway.version)[0])

    @own.get("/api/docs", answers={200: Media("text/html")})
    async def get_docs(gateway: Gateway) -> Answer:
        """This interface as a page to read."""
        return Answer(made(gateway.version)[1], content_type=b"text/html; charset=utf-8")

    routes += own.all
