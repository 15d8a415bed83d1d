"""Answers to what handlers ask of the store through their executor."""

from typing import Protocol

import msgspec

from quaero.domain.status import WORDS
from quaero.engine.protocol import Ask, Reply
from quaero.storage.port import JobFilter, Store

PAGE = 1_000


class Asker(Protocol):
    """Who gets the answer."""

    def send(self, message: Reply) -> None:
        """Take it."""


async def answer_question(store: Store, link: Asker, ask: Ask) -> None:
    """Answer one question; a failure is an answer too."""
    try:
        value = await _children(store, ask.job_id)
    except Exception as error:
        link.send(Reply(ask.request_id, b"null", str(error)))
    else:
        link.send(Reply(ask.request_id, msgspec.json.encode(value)))


async def _children(store: Store, job_id: int) -> list[dict[str, object]]:
    """A job's direct children, oldest first."""
    found: list[dict[str, object]] = []
    after: int | None = None
    while True:
        page = await store.jobs(JobFilter(parent_id=job_id, descending=False), limit=PAGE, after=after)
        found += [
            {
                "id": str(child.id),
                "kind": child.kind,
                "key": child.key,
                "status": WORDS[child.status],
                "result": msgspec.Raw(child.result or b"null"),
            }
            for child in page.jobs
        ]
        after = page.next_after
        if after is None:
            return found
