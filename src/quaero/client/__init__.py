"""For programs that use Quaero from outside: enqueue, read, follow, cancel.

`AsyncClient` is the client; `Client` is its synchronous face. Both speak the public REST interface and nothing else: to
a server over HTTP, or, where none runs, to the same routes in this process over an open store.
"""

from quaero.client.following import Following, Ledger
from quaero.client.models import Entry, Job, Outcome, Page
from quaero.client.session import AsyncClient
from quaero.client.sync import Client

__all__ = ["AsyncClient", "Client", "Entry", "Following", "Job", "Ledger", "Outcome", "Page"]
