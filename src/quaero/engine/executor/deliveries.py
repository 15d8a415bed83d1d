"""Events brought to `@app.on` subscribers. They run outside of any job: what they write is the service's log."""

import asyncio
import inspect
import logging

import msgspec

from quaero.domain import events
from quaero.engine.protocol import Deliver
from quaero.engine.registry import App
from quaero.engine.text import clean


async def deliver(app: App, delivery: Deliver) -> str | None:
    """Call one subscriber with its event; None, or what it raised. A plain function runs in a thread."""
    function = app.subscribers.get((delivery.event_name, delivery.subscriber))
    if function is None:
        return f"no subscriber {delivery.subscriber!r} of {delivery.event_name} in this worker"
    try:
        event = msgspec.json.decode(delivery.event, type=getattr(events, delivery.event_name))
        if inspect.iscoroutinefunction(function):
            await function(event)
        else:
            await asyncio.to_thread(function, event)
    except BaseException as error:
        logging.getLogger("quaero.subscribers").exception("subscriber %s failed", delivery.subscriber)
        return clean(f"{type(error).__name__}: {error}")
    return None
