"""Events on their way to subscribers: one at a time per subscriber and tree, in order, kept until they were taken.

A delivery can never touch the job it tells of: it is written in the job's transaction and forgotten in its own.
"""

from collections.abc import Sequence

import msgspec

from quaero.domain.entries import Level
from quaero.domain.outcome import backoff
from quaero.storage.port import Ledger, Note

Subscription = tuple[str, str]
"""The name of an event, and that of a subscriber."""

MOST_ATTEMPTS = 20
FORGOTTEN_AFTER = 7 * 86_400_000_000  # microseconds in which no worker said that it has a subscriber
MOST_FORGOTTEN = 5_000  # events in one call


class Delivery(msgspec.Struct, frozen=True):
    """One event for one subscriber. `event` is JSON, tagged with its type."""

    id: int
    subscriber: str
    root_id: int
    event: bytes
    attempts: int


# the first event of each tree, from one tree to the next by the index: what queues behind it is not looked at
_DUE = """
select id, subscriber, root_id, event, attempts from delivery where owner is null and id in (
  with recursive tree(root_id) as (
    select (select root_id from delivery where subscriber = ? order by root_id limit 1)
    union all
    select (select root_id from delivery where subscriber = ? and root_id > tree.root_id order by root_id limit 1)
    from tree where tree.root_id is not null)
  select first.id from tree join delivery first on first.id = (
    select id from delivery where subscriber = ? and root_id = tree.root_id order by id limit 1)
  where first.owner is null and first.due_at <= ? limit ?)
order by id"""


# from one name to the next by the index, as there may be many events for each
_UNKNOWN = """
with recursive named(subscriber) as (
  select min(subscriber) from delivery
  union all select (select min(subscriber) from delivery where subscriber > named.subscriber)
  from named where named.subscriber is not null)
select subscriber from named where subscriber is not null and subscriber not in (select name from subscriber)"""


def stay_subscribed(ledger: Ledger, subscriptions: Sequence[Subscription]) -> None:
    """A worker has these subscribers: what happens from now on is kept for them."""
    for event, name in sorted(subscriptions):
        ledger.run(
            "insert into subscriber(name, event, seen_at)"
            " values(?, ?, ?)"
            " on conflict(name, event) do update set seen_at = excluded.seen_at",
            (name, event, ledger.now),
        )


def forget_subscribers(ledger: Ledger) -> None:
    """Let go of subscribers that were renamed or removed, and of what was kept for them, a part of it at each call."""
    ledger.run("delete from subscriber where seen_at < ?", (ledger.now - FORGOTTEN_AFTER,))
    for (name,) in ledger.rows(_UNKNOWN):
        ledger.run(
            "delete from delivery where id in (select id from delivery where subscriber = ? limit ?)",
            (name, MOST_FORGOTTEN),
        )


def take_deliveries(ledger: Ledger, worker_id: int, subscribers: Sequence[str], limit: int) -> list[Delivery]:
    """Give a worker the next event of up to `limit` (subscriber, tree) pairs that are due; none to one that is gone."""
    if not ledger.steady("select 1 from worker where id = ? and state <> 'gone'", (worker_id,)):
        return []
    found: list[Delivery] = []
    each = -(-limit // len(subscribers)) if subscribers else 0
    for subscriber in subscribers:
        found += [Delivery(*row) for row in ledger.claimed(_DUE, (*[subscriber] * 3, ledger.now, each))]
    for delivery in found:
        ledger.run("update delivery set owner = ? where id = ?", (worker_id, delivery.id))
    return found


def settle_delivery(ledger: Ledger, worker_id: int, delivery: Delivery, error: str | None) -> None:
    """Forget an event that was taken; try one that was not again later, and say so when giving up."""
    mine = (delivery.id, worker_id)
    if error is None:
        ledger.run("delete from delivery where id = ? and owner = ?", mine)
        return
    if delivery.attempts + 1 >= MOST_ATTEMPTS:
        if ledger.run("delete from delivery where id = ? and owner = ?", mine):
            _say_so(ledger, delivery, error)
        return
    due = ledger.now + backoff(delivery.attempts + 1, ledger.rng.random())
    ledger.run(
        "update delivery set owner = null, attempts = attempts + 1, due_at = ? where id = ? and owner = ?", (due, *mine)
    )


def _say_so(ledger: Ledger, delivery: Delivery, error: str) -> None:
    root = ledger.load((delivery.root_id,)).get(delivery.root_id)
    if root is not None:
        message = f"Subscriber {delivery.subscriber} failed {MOST_ATTEMPTS} times and was given up on: {error}"
        ledger.note(root, Note(Level.ERROR, message))


def release_deliveries(ledger: Ledger, worker_id: int) -> None:
    """Let others take what a worker that is gone had taken."""
    ledger.run("update delivery set owner = null where owner = ?", (worker_id,))
