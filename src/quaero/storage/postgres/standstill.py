"""Ends sessions of ours that stand still in a transaction: their process was stopped, or its host is gone.

The server itself ends a session that is idle in a transaction, but does not always count the time: not for one that
waits for the rest of a pipeline or for somebody to read its answer (both count as active), nor for one that stands
behind a pipeline, whose last message makes the server forget when it became idle. Each would stay for as long as the
connection seems to be there (hours, if a host just vanished), and hold up a tree for as long. One that only reads holds
nothing, and may be slow.

So whoever writes looks now and then. Only a session of the same role can be ended, and needs no privilege for it.
"""

import logging
import time

import psycopg

from quaero.storage.postgres.connection import NAME, PostgresConnection

log = logging.getLogger("quaero.storage")
STILL_SECONDS = 15.0
LOOK_SECONDS = 5.0

_END = f"""
select pid, pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and usename = current_user and application_name = '{NAME}'
  and pid <> pg_backend_pid() and xact_start is not null and wait_event in ('ClientRead', 'ClientWrite')
  and (backend_xid is not null or state = 'active' and wait_event = 'ClientRead')
  and query not ilike 'copy %' and state_change < clock_timestamp() - make_interval(secs => ?::text::float8)"""


class Standstill:
    """Looks now and then, for one process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._due_at = 0.0

    def end(self, db: PostgresConnection) -> None:
        """End them, if it is time to look. Never raises."""
        now = time.monotonic()
        if now < self._due_at or not db.is_open or db.in_transaction:
            return
        self._due_at = now + LOOK_SECONDS
        try:
            ended = db.rows(_END, (str(STILL_SECONDS),))
        except psycopg.Error as error:
            log.warning("%s: sessions that stand still could not be looked for: %s", self._name, error)
            return
        if ended:
            log.warning("%s: ended %d sessions that stood still in a transaction", self._name, len(ended))
