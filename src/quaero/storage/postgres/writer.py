"""Transactions on the one writing connection of a process, beside those of other processes and machines.

    begin, settings, now ──> scripts load (and lock), decide, save ──> its number ──> commit ──> answer

A transaction that met a deadlock, a race for a key, or rows held out of turn is rolled back and run again. If the
connection is lost while it commits, the server is asked by the transaction's number what became of it, so nothing is
done twice and nothing that was kept is reported as lost. The clock is the database's, the same for all machines.
"""

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from psycopg import errors

from quaero.clock import Clock
from quaero.domain.entries import Level
from quaero.domain.errors import StoreLocked, StoreUnavailable
from quaero.failpoints import failpoint
from quaero.storage.connection import Connection
from quaero.storage.groupcommit import OnCommit, tell_nobody
from quaero.storage.ledger import SqlLedger
from quaero.storage.memory import Memory
from quaero.storage.migrate import migrate
from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.postgres.footprint import Contended, Footprint
from quaero.storage.postgres.rowlocks import RowLocks
from quaero.storage.postgres.standstill import Standstill
from quaero.storage.postgres.trouble import named, translated
from quaero.storage.rotation import Rotation
from quaero.storage.scattered import Scattered
from quaero.storage.trail import Trail

log = logging.getLogger("quaero.storage")
PATIENCE_SECONDS = 8.0  # how long a server that is gone is waited for
MOST_RUNS = 50
# we stood still, and go on; or the server was made a standby, and the next connection may find the one in its place
LOST = (psycopg.OperationalError, errors.IdleInTransactionSessionTimeout, errors.ReadOnlySqlTransaction)
COLLISIONS = (errors.DeadlockDetected, errors.SerializationFailure, errors.UniqueViolation)

# Plans are steered away from whole tables: with yesterday's statistics a join by a list of ids looks like one of them.
# A writer sends the same few statements for ever: their plans are made once.
# `synchronous_commit = off` would break the promise that what is answered is kept.
_STEERED = "set local enable_seqscan = off; set local jit = off"
_BEGIN = f"""
begin; {_STEERED}; set local enable_hashjoin = off; set local enable_mergejoin = off;
set local plan_cache_mode = force_generic_plan;
set local statement_timeout = '30s'; set local lock_timeout = '10s';
set local idle_in_transaction_session_timeout = '15s';
select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off';
select (extract(epoch from clock_timestamp()) * 1000000)::bigint"""
_BEGIN_READING = f"""
begin isolation level repeatable read read only; {_STEERED}; set local statement_timeout = '60s';
set local idle_in_transaction_session_timeout = '60s'"""


class PostgresWriter:
    """Implements `groupcommit.Transactions`, and gives the readers their connections."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None,
        writer: str,
        child_level: Level,
        rng: random.Random,
        on_commit: OnCommit = tell_nobody,
    ) -> None:
        self.url = url
        self.name = named(url)
        self._clock = clock
        self._rng = rng
        self._on_commit = on_commit
        self._options = {
            "writer": writer,
            "child_level": child_level,
            "rng": rng,
            "memory": Memory(),
            "rotation": Rotation(),
            "trail": Trail(),
            "scattered": Scattered(),
        }
        self._local = threading.local()
        self._readers: list[PostgresConnection] = []
        self._standstill = Standstill(self.name)
        with translated(self.name):
            self._db = PostgresConnection(url)
            try:
                migrate(self._db, "postgres")
            except BaseException:
                self._db.close()
                raise

    # --- writing

    def transact(self, work: Callable[[SqlLedger], Any]) -> Any:
        """Run `work` in one transaction, again if it met others."""
        with translated(self.name):
            return self._insist(work)

    def _insist(self, work: Callable[[SqlLedger], Any]) -> Any:
        footprint = Footprint()
        give_up = time.monotonic() + PATIENCE_SECONDS
        for run in range(MOST_RUNS):
            try:
                return self._run(work, footprint)
            except Contended as contended:
                footprint.learn(contended)
            except COLLISIONS as collision:
                log.debug("%s: run again: %s", self.name, collision)
                if run > MOST_RUNS // 5 and isinstance(collision, errors.UniqueViolation):
                    raise
                self._pause(run)
            except LOST as lost:
                if self._db.is_open or time.monotonic() >= give_up:
                    raise
                log.warning("%s: connection lost: %s", self.name, lost)
                self._pause(run + 3)
        raise StoreLocked(f"{self.name}: what is to be written is held by others again and again")

    def _pause(self, run: int) -> None:
        """Full jitter, so that those who collided do not meet again at once."""
        time.sleep(self._rng.uniform(0, min(1.0, 0.002 * 2**run)))

    def _run(self, work: Callable[[SqlLedger], Any], footprint: Footprint) -> Any:
        if not self._db.is_open:
            self._db = PostgresConnection(self.url)
        db = self._db
        try:
            server = db.last_of(_BEGIN)
            now = self._clock.now() if self._clock is not None else server
            locks = RowLocks(db, footprint)
            ledger = SqlLedger(db, now=now, locks=locks, **self._options)  # type: ignore[arg-type]
            answer = work(ledger)
            with db.together():
                ledger.flush()
                ledger.settle()
                failpoint("commit.before")
                ((number,),) = db.rows("select pg_current_xact_id_if_assigned()::text")
        except errors.ReadOnlySqlTransaction:
            db.close()
            raise
        except BaseException:
            self._roll_back(db)
            raise
        self._commit(db, number)
        ledger.remember()
        self._committed(ledger, number is not None)
        return answer

    def _roll_back(self, db: PostgresConnection) -> None:
        if db.is_open:
            with contextlib.suppress(psycopg.Error):
                db.run("rollback")
                return
        db.close()

    def _commit(self, db: PostgresConnection, number: str | None) -> None:
        """Commit; if the server is lost over it, find out whether it did. Raises what broke it if it did not."""
        try:
            db.run("commit")
        except psycopg.OperationalError as lost:
            db.close()
            if number is None or self._became_of(number) != "committed":
                raise
            log.warning("%s: connection lost during a commit, which was kept: %s", self.name, lost)

    def _became_of(self, number: str) -> str:
        """`committed` or `aborted`. Raises StoreUnavailable when the server does not come back to tell."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        for run in range(1_000):
            with contextlib.suppress(psycopg.OperationalError):
                if not self._db.is_open:
                    self._db = PostgresConnection(self.url)
                try:
                    ((status,),) = self._db.rows("select pg_xact_status(cast(? as xid8))", (number,))
                except errors.InvalidParameterValue:  # a number still to come: a standby took over that never saw it
                    return "aborted"
                if status != "in progress":
                    return str(status)
            if time.monotonic() >= give_up:
                break
            self._pause(min(run + 3, 9))
        raise StoreUnavailable(f"{self.name}: the server was lost during a commit and does not say what became of it")

    def _committed(self, ledger: SqlLedger, changed: bool) -> None:
        """Tell of a commit. Whatever goes wrong here, the answer stands: it must not look as if nothing was written."""
        try:
            failpoint("commit.after")
            if changed:
                self._on_commit(ledger.trees, ledger.has_work)
        except Exception as error:
            log.warning("%s: a commit could not be told of, it will be found: %s", self.name, error)

    # --- reading

    @contextlib.contextmanager
    def reading(self) -> Iterator[PostgresConnection]:
        """This thread's connection, in a transaction that sees one moment."""
        with translated(self.name):
            db = self._begun()
            try:
                yield db
            finally:
                self._roll_back(db)

    def _begun(self) -> PostgresConnection:
        """This thread's connection in a transaction, made anew if the server was gone meanwhile."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        run = 3
        while True:
            try:
                db = self._reader()
                db.script(_BEGIN_READING)
                return db
            except psycopg.OperationalError:
                if time.monotonic() >= give_up:
                    raise
                self._pause(run)
                run = min(run + 1, 9)

    def _reader(self) -> PostgresConnection:
        db: PostgresConnection | None = getattr(self._local, "db", None)
        if db is None or not db.is_open:
            db = self._local.db = PostgresConnection(self.url)
            self._readers = [*filter(lambda one: one.is_open, self._readers), db]
        return db

    def now(self, db: Connection) -> int:
        """The database's time, unless another clock was given."""
        if self._clock is not None:
            return self._clock.now()
        ((now,),) = db.rows("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")
        return int(now)

    def rest(self) -> None:
        """The server does its own upkeep; who holds up others for ever is not its affair."""
        self._standstill.end(self._db)

    def close(self) -> None:
        """Let go of the server."""
        for db in (*self._readers, self._db):
            db.close()
