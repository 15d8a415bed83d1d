"""The doorbell between machines: PostgreSQL's NOTIFY, on a connection and a thread of its own.

A ring is sent after the commit it tells of, never in it (a notifying commit waits for all others), and rings are
gathered: at most one in 50 ms leaves a process. If the connection is lost, rings are lost with it until it is made
again; nothing depends on them. Behind PgBouncer in transaction mode nothing is heard: whoever listens looks every
250 ms instead.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import random
import secrets
import select
import threading
import time

import psycopg

log = logging.getLogger("quaero.doorbell")
APART_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0
PATIENT_SECONDS = 0.5
CONNECT_SECONDS = 5
QUIET_SECONDS = 30.0  # how often a connection on which nothing happens is tried
CHANNEL = "quaero"


class PostgresDoorbell:
    """Implements `doorbell.port.Doorbell` for the store in a database. Make it inside a running event loop."""

    def __init__(self, url: str, channel: str = CHANNEL) -> None:
        self._url = url
        self._channel = channel
        self._name = secrets.token_hex(8)
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._is_due = False
        self._closed = threading.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="quaero-doorbell", daemon=True)
        self._thread.start()

    def ring(self) -> None:
        """Tell every other listener of this store, soon."""
        if not self._is_due:
            self._is_due = True
            with contextlib.suppress(OSError):
                os.write(self._waker, b"!")

    async def wait(self, timeout: float) -> bool:
        """Return True when somebody rang since the last wait, False after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True

    def listens(self, timeout: float) -> bool:
        """Whether others are heard, waited for up to `timeout` seconds. Blocks."""
        return self._listening.wait(timeout)

    def close(self) -> None:
        """Stop listening; a ring that is due is still sent."""
        if not self._closed.is_set():
            self._closed.set()
            with contextlib.suppress(OSError):
                os.write(self._waker, b"!")
            self._thread.join(CONNECT_SECONDS)

    # --- on the thread

    def _run(self) -> None:
        longest = 0.1
        while not self._closed.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS) as db:
                    db.add_notify_handler(self._heard)
                    db.execute(f'listen "{self._channel}"'.encode())
                    if self._listening.is_set():
                        self._tell()  # of whatever was missed
                    self._listening.set()
                    longest = 0.1
                    self._serve(db)
            except psycopg.Error as trouble:
                if longest > PATIENT_SECONDS:  # whoever opens a store that is out of reach is told so by the store
                    log.warning("the doorbell is silent: %s", str(trouble).strip().split("\n")[0])
                longest = min(2 * longest, LONGEST_PAUSE_SECONDS)
                self._closed.wait(random.uniform(0, longest))
        os.close(self._wake)
        os.close(self._waker)

    def _serve(self, db: "psycopg.Connection[tuple[object, ...]]") -> None:
        sent_at = 0.0
        while True:
            due_in = sent_at + APART_SECONDS - time.monotonic() if self._is_due else QUIET_SECONDS
            if self._is_due and (due_in <= 0 or self._closed.is_set()):
                self._is_due = False
                sent_at = time.monotonic()
                db.execute("select pg_notify(%s, %s)", (self._channel, self._name))
                continue
            if self._closed.is_set():
                return
            ready, _, _ = select.select([db.fileno(), self._wake], [], [], due_in)
            if self._wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 64)
            if db.fileno() in ready or not ready:
                db.execute("select 1")  # reads what has come, and finds out if nothing can come any more

    def _heard(self, notice: psycopg.Notify) -> None:
        if notice.payload != self._name:
            self._tell()

    def _tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._rung.set)


def channel_of(name: str) -> str:
    """A channel's name for whatever tells stores apart within one database."""
    return f"{CHANNEL}_{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"
