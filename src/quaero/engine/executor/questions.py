"""Questions only the store can answer, and the answers on their way back."""

from typing import Any

import msgspec

from quaero.domain.errors import QuaeroError
from quaero.engine.moment import Moment
from quaero.engine.protocol import Reply


class Question:
    """One question."""

    __slots__ = ("answered", "reply")

    def __init__(self) -> None:
        self.answered = Moment()
        self.reply: Reply | None = None

    def value(self) -> Any:
        """The answer. Raises QuaeroError when there is none."""
        if self.reply is None or self.reply.error is not None:
            raise QuaeroError(self.reply.error if self.reply and self.reply.error else "the store gave no answer")
        return msgspec.json.decode(self.reply.value)


class Questions:
    """All that are open, by number."""

    def __init__(self) -> None:
        self._open: dict[int, Question] = {}
        self._last = 0

    def new(self) -> tuple[int, Question]:
        """A question with a number of its own."""
        self._last += 1
        question = self._open[self._last] = Question()
        return self._last, question

    def answer(self, reply: Reply) -> None:
        """Give the answer to who asked; one nobody waits for is dropped."""
        question = self._open.pop(reply.request_id, None)
        if question is not None:
            question.reply = reply
            question.answered.fire()
