"""One WebSocket's sending side: what is due, when, and no faster than its client reads.

There is one writer. It sleeps until something may be told, asks the subscriptions for it, and awaits the transport.
Meanwhile changes only mark keys, so a client that reads slowly is told less often and always the newest; one that does
not read at all is closed after `SEND_SECONDS` and loses nothing: its next subscription begins with a snapshot.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count

import msgspec
from starlette.types import Send

from quaero.clock import Clock
from quaero.domain.errors import InvalidInput, QuaeroError, StoreUnavailable
from quaero.domain.wire import Problem, log_head, problem
from quaero.gateway.conflation import Conflation
from quaero.gateway.partings import LeavingError, StuckError, TooEagerError
from quaero.gateway.socketprotocol import Line
from quaero.gateway.subscription import Key, Subscription
from quaero.gateway.topics import SubscriptionId, envelope, json_of

SEND_SECONDS = 15.0
HELD_SECONDS = 0.25  # between looks whether an end that is held back may be told
MOST_SUBSCRIPTIONS = 256  # all tabs of a browser share one connection
MOST_WAITING = 256  # answers to a client's own messages that it has not read
_log = logging.getLogger(__name__)
_FOR_EVER = float("inf")


class WireError(Problem, frozen=True, omit_defaults=True, kw_only=True):
    """A problem of a client's message; `id` is the subscription's, if it has one."""

    id: SubscriptionId | None = None


class Connection:
    """Holds a client's subscriptions and writes what they have to tell. Implements `subscription.Outlet`."""

    def __init__(self, send: Send, clock: Clock, line: Line) -> None:
        self._transport = send
        self._line = line
        self._clock = clock
        self._conflation: Conflation[tuple[int, str, int]] = Conflation()
        self._numbers = count(1)
        self._subscriptions: dict[int, Subscription] = {}
        self._number_of: dict[Subscription, int] = {}
        self._by_id: dict[SubscriptionId, Subscription] = {}
        self._waiting: deque[str | Subscription] = deque()
        self._goodbye = ""
        self._failure: Exception | None = None
        self._held: dict[tuple[int, str, int], None] = {}
        self._senders = 0  # messages that wait for room
        self._one_by_one = asyncio.Lock()
        self._is_stirred = False
        self._asleep: asyncio.Future[None] | None = None
        self._asleep_until = 0.0
        self._alarm: asyncio.TimerHandle | None = None

    # --- what the client asked for

    def answer(self, text: str) -> None:
        """Send a message as soon as the client reads. Raises TooEagerError."""
        self._line_up(text)

    def refuse(self, error: QuaeroError, key: SubscriptionId | None = None) -> None:
        """Tell the client what is wrong with what it said."""
        found = problem(error)
        wire = WireError(type=found.type, title=found.title, status=found.status, detail=found.detail, id=key)
        self.answer(envelope("error", json_of(wire)))

    def add(self, key: SubscriptionId, make: Callable[[], Subscription]) -> None:
        """A new subscription, in the place of the one with this id. Raises InvalidInput, TooEagerError."""
        self.remove(key)
        if len(self._subscriptions) >= MOST_SUBSCRIPTIONS:
            raise InvalidInput(f"a connection has {MOST_SUBSCRIPTIONS} subscriptions at most")
        made = self._by_id[key] = make()
        self.attach(made)

    def attach(self, subscription: Subscription) -> None:
        """A subscription that begins as soon as the client has read what comes before it."""
        number = next(self._numbers)
        self._subscriptions[number] = subscription
        self._number_of[subscription] = number
        self._line_up(subscription)

    def remove(self, key: SubscriptionId) -> None:
        """The subscription is over, if there is one."""
        found = self._by_id.pop(key, None)
        if found is not None:
            self.detach(found)

    def detach(self, subscription: Subscription) -> None:
        """Tell nothing of this subscription any more."""
        self._subscriptions.pop(self._number_of.pop(subscription, 0), None)
        subscription.close()
        self.advanced()  # an end may have waited for just this log

    def subscription(self, key: SubscriptionId) -> Subscription | None:
        """The subscription of this id."""
        return self._by_id.get(key)

    @property
    def has_subscriptions(self) -> bool:
        """Whether the client has named anything."""
        return bool(self._by_id)

    def leave(self, retry_ms: int) -> None:
        """Send the client away: it comes again in so many milliseconds, with its subscriptions."""
        self._goodbye = envelope("bye", json_of({"retry_ms": retry_ms}))
        self._stir()

    def close(self) -> None:
        """Let go of everything."""
        for subscription in list(self._number_of):
            self.detach(subscription)

    def _line_up(self, item: str | Subscription) -> None:
        if len(self._waiting) >= MOST_WAITING:
            raise TooEagerError
        self._waiting.append(item)
        self._stir()

    # --- told by the subscriptions

    def due(self, subscription: Subscription, kind: str, job_id: int, *, urgent: bool = False) -> None:
        """Something is to be told, at once or when its interval is over."""
        number = self._number_of.get(subscription)
        if number is None:
            return
        now = self._clock.monotonic()
        self._conflation.changed((number, kind, job_id), now, subscription.interval(kind), urgent=urgent)
        self._sleep_no_longer_than(self._conflation.next_due() or now, now)

    def advanced(self) -> None:
        """A log has sent more of its lines: ends that waited for them may be told now."""
        if self._held:
            self._stir()

    def fail(self, subscription: Subscription, error: Exception) -> None:
        """A subscription cannot go on; unless it is the client's affair, neither can the connection."""
        if isinstance(error, QuaeroError) and not isinstance(error, StoreUnavailable):
            try:
                self.refuse(error, subscription.ask.id)
                self._drop(subscription)
            except TooEagerError as eager:
                self._failure = eager
        else:
            self._failure = error
        self._stir()

    # --- writing

    @property
    def is_full(self) -> bool:
        """Whether the client takes less than it is sent."""
        return bool(self._senders) or self._line.is_full

    async def write(self) -> None:
        """Write until cancelled. Raises StuckError, LeavingError."""
        while True:
            await self._sleep()
            await self.flush()

    async def flush(self) -> None:
        """Write what waits and what is due by now. Raises StuckError, LeavingError."""
        if self._failure is not None:
            raise self._failure
        if self._goodbye:
            await self.send(self._goodbye)
            raise LeavingError
        while self._waiting:
            await self._write_waiting(self._waiting.popleft())
        await self._write_due()

    async def send(self, text: str) -> None:
        """Hand one message to the transport, waiting until it has room for it. Raises StuckError.

        Messages leave in the order they came: an end is never told before lines that wait for room.
        """
        if not self._senders and self._line.write(text):  # a timer would cost as much as the message
            return
        self._senders += 1
        try:
            async with self._one_by_one, asyncio.timeout(SEND_SECONDS):
                await self._transport({"type": "websocket.send", "text": text})
        except TimeoutError:
            raise StuckError from None
        finally:
            self._senders -= 1

    async def _sleep(self) -> None:
        """Until there is something to write."""
        if not (self._is_stirred or self._waiting or self._goodbye or self._failure):
            self._asleep, self._asleep_until = asyncio.get_running_loop().create_future(), _FOR_EVER
            now = self._clock.monotonic()
            due = self._conflation.next_due()
            if due is not None:
                self._sleep_no_longer_than(due, now)
            if self._held:  # a log that shows nothing of what comes says nothing either
                self._sleep_no_longer_than(now + HELD_SECONDS, now)
            try:
                await self._asleep
            finally:
                self._asleep, self._asleep_until = None, 0.0
                self._set_alarm(None)
        self._is_stirred = False

    def _sleep_no_longer_than(self, due: float, now: float) -> None:
        """Wake up by then; a task that wakes only to go to sleep again costs as much as a message."""
        if due >= self._asleep_until:
            return
        self._asleep_until = due
        if due > now:
            self._set_alarm(due - now)
        else:
            self._stir()

    def _set_alarm(self, seconds: float | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._stir) if seconds is not None else None

    def _stir(self) -> None:
        self._is_stirred = True
        if self._asleep is not None and not self._asleep.done():
            self._asleep.set_result(None)

    async def _write_waiting(self, item: str | Subscription) -> None:
        if isinstance(item, str):
            await self.send(item)
            return
        try:
            frames = await self._asked(item, item.open)
        except StoreUnavailable:
            raise  # not the client's affair: it comes again, with all it shows
        except (QuaeroError, msgspec.MsgspecError) as error:
            known = error if isinstance(error, QuaeroError) else InvalidInput(str(error))
            self.refuse(known, item.ask.id)
            self._drop(item)
            return
        for frame in frames:
            await self.send(frame)

    async def _asked(self, subscription: Subscription, ask: Callable[[], Awaitable[list[str]]]) -> list[str]:
        """What a subscription answers; nothing if its client leaves it meanwhile, and then it holds nothing either."""
        if subscription not in self._number_of:
            return []
        try:
            frames = await ask()
        finally:
            if subscription not in self._number_of:
                subscription.close()
        return frames if subscription in self._number_of else []

    def _drop(self, subscription: Subscription) -> None:
        if self._by_id.get(subscription.ask.id) is subscription:
            del self._by_id[subscription.ask.id]
        self.detach(subscription)

    async def _write_due(self) -> None:
        by_number: dict[int, list[Key]] = {}
        due = dict.fromkeys([*self._held, *self._conflation.take(self._clock.monotonic())])
        self._held = {key: None for key in due if self._is_early(key)}
        for key in due:
            if key not in self._held:
                by_number.setdefault(key[0], []).append(key[1:])
        for number, keys in by_number.items():
            subscription = self._subscriptions.get(number)
            if subscription is None:
                continue
            try:
                frames = await self._asked(subscription, partial(subscription.frames, keys))
            except StoreUnavailable as error:
                _log.warning("a viewer waits: %s", error)
                for kind, job_id in keys:  # told once the store answers; their interval is over then
                    self.due(subscription, kind, job_id)
                continue
            for frame in frames:
                await self.send(frame)

    def _is_early(self, key: tuple[int, str, int]) -> bool:
        """Whether a key tells of an end whose last lines this client follows and lacks: it waits for them."""
        subscription = self._subscriptions.get(key[0])
        job = subscription.about(key[2]) if subscription is not None else None
        if job is None or not job.is_terminal:
            return False
        head = log_head(job)
        return any(other.lacks(job.root_id, head) for other in self._subscriptions.values())
