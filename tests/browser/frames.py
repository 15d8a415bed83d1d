"""Waiting for a fact while a page goes on: between two looks it draws, and what it does reaches us."""

from collections.abc import Callable
from typing import TypeVar

from playwright.sync_api import Page
from tests.integration.program import wait_for

T = TypeVar("T")


def next_frame(page: Page) -> None:
    """Let the page draw once."""
    page.evaluate("async () => { await new Promise(requestAnimationFrame); }")


def until(page: Page, fact: Callable[[], T], what: str) -> T:
    """Look after every frame until `fact` answers something true."""

    def look() -> T:
        next_frame(page)
        return fact()

    return wait_for(look, what)
