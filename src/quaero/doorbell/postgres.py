"""The doorbell between machines: PostgreSQL's NOTIFY, on a connection and a thread of its own.

A ring is sent after the commit it tells of, never in it (a notifying commit waits for all others). Rings are gathered:
at most one in 50 ms leaves a process, and none for trees that nobody watches (see `hints`). If the connection is lost,
rings are lost with it until it is made again; nothing depends on them. A pooler lends sessions, so behind one nothing
is heard: whoever listens there looks every 250 ms instead, and still rings for others.
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
from collections.abc import Collection
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from quaero.domain.bounds import LINK_SECONDS
from quaero.doorbell import hints
from quaero.doorbell.hints import SAID_EVERY, Heeded, Hint, Trees
from quaero.doorbell.rung import Rung

log = logging.getLogger("quaero.doorbell")
APART_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0
PATIENT_SECONDS = 0.5
CONNECT_SECONDS = 5
LINK: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "tcp_user_timeout": LINK_SECONDS * 1_000,
}  # it says something all the time
CHANNEL = "quaero"


class PostgresDoorbell:
    """Implements `doorbell.port.Doorbell` for the store in a database. Make it inside a running event loop."""

    def __init__(self, url: str, channel: str = CHANNEL) -> None:
        self._url = url
        self._channel = channel
        self._name = secrets.token_hex(8)
        self._loop = asyncio.get_running_loop()
        self._rung = Rung()
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._door = threading.Lock()  # before what is due
        self._due_trees: set[int] = set()
        self._due_work = False
        self._heeded = Heeded()
        self._heeds: Trees = frozenset()
        self._heeds_work = True
        self._said_at = time.monotonic()  # when the others were last told what this one heeds; 0: they must be
        self._closed = threading.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="quaero-doorbell", daemon=True)
        self._thread.start()

    def ring(self, trees: Collection[int] = (), work: bool = True) -> None:
        """Tell the others soon, if there is something to do or anybody heeds one of these trees."""
        heeded = self._heeded.among(trees)
        if not (work or heeded):
            return
        with self._door:
            is_new = not (self._due_work or self._due_trees)
            self._due_work = self._due_work or work
            if len(self._due_trees) <= hints.MOST_TREES:  # more than that are all, however long it takes to say so
                self._due_trees |= heeded
        if is_new:
            self._stir()

    def heed(self, trees: Collection[int], work: bool) -> None:
        """Be woken by these from now on, and let the others know."""
        before, self._heeds, self._heeds_work = self._heeds, hints.some(trees), work
        if self._heeds != before:
            self._said_at = 0.0
            self._stir()

    async def wait(self, timeout: float) -> bool:
        """Return True when somebody rang since the last wait, False after `timeout` seconds."""
        return await self._rung.wait(timeout)

    def listens(self, timeout: float) -> bool:
        """Whether others are heard, waited for up to `timeout` seconds. Blocks."""
        return self._listening.wait(timeout)

    def close(self) -> None:
        """Stop listening; a ring that is due is still sent."""
        if not self._closed.is_set():
            self._closed.set()
            self._stir()
            self._thread.join(CONNECT_SECONDS)

    def _stir(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._waker, b"!")

    # --- on the thread

    def _run(self) -> None:
        longest = 0.1
        while not self._closed.is_set():
            try:
                with psycopg.connect(make_conninfo(**{**LINK, **conninfo_to_dict(self._url)}), autocommit=True) as db:
                    db.prepare_threshold = None
                    self._begin(db)
                    longest = 0.1
                    self._serve(db)
            except psycopg.Error as trouble:
                if longest > PATIENT_SECONDS:  # whoever opens a store that is out of reach is told so by the store
                    log.warning("the doorbell is silent: %s", str(trouble).strip().split("\n")[0])
                longest = min(2 * longest, LONGEST_PAUSE_SECONDS)
                self._closed.wait(random.uniform(0, longest))
        os.close(self._wake)
        os.close(self._waker)

    def _begin(self, db: "psycopg.Connection[Any]") -> None:
        db.add_notify_handler(self._heard)
        ((process,),) = db.execute("select pg_backend_pid()").fetchall()
        if process != db.info.backend_pid:
            return  # a pooler's session: what is said on it is for whoever is lent it at that moment
        db.execute(f'listen "{self._channel}"'.encode())
        self._send(db, hints.ask(self._name))
        self._say_again()
        if self._listening.is_set():
            self._tell()  # of whatever was missed
        self._listening.set()

    def _serve(self, db: "psycopg.Connection[Any]") -> None:
        sent_at = 0.0
        while True:
            now = time.monotonic()
            is_due, is_last = self._is_due(now), self._closed.is_set()
            due_in = sent_at + APART_SECONDS - now if is_due else SAID_EVERY
            if is_due and (due_in <= 0 or is_last):
                sent_at = now
                self._send_due(db, now)
                continue
            if is_last:
                return
            ready, _, _ = select.select([db.fileno(), self._wake], [], [], due_in)
            if self._wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 64)
            if db.fileno() in ready or not (ready or is_due):
                db.execute("select 1")  # reads what has come, and finds out if nothing can come any more

    def _is_due(self, now: float) -> bool:
        return self._due_work or bool(self._due_trees) or self._is_to_say(now)

    def _is_to_say(self, now: float) -> bool:
        """Whether the others should be told what is heeded: at once when it has changed, then now and then."""
        if not self._said_at:
            return self._listening.is_set()
        return self._heeds != frozenset() and now - self._said_at >= SAID_EVERY

    def _say_again(self) -> None:
        if self._heeds != frozenset():
            self._said_at = 0.0

    def _send_due(self, db: "psycopg.Connection[Any]", now: float) -> None:
        self._heeded.forget(now)
        if self._is_to_say(now):
            self._said_at = now
            self._send(db, hints.heed(self._name, self._heeds))
        with self._door:
            trees, self._due_trees = self._due_trees, set()
            work, self._due_work = self._due_work, False
        if trees or work:
            self._send(db, hints.ring(self._name, hints.some(trees), work))

    def _send(self, db: "psycopg.Connection[Any]", text: str) -> None:
        db.execute("select pg_notify(%s, %s)", (self._channel, text))

    def _heard(self, notice: psycopg.Notify) -> None:
        hint = hints.read(notice.payload)
        if hint.name != self._name:
            self._take(hint)

    def _take(self, hint: Hint) -> None:
        match hint.verb:
            case "heed":
                self._heeded.said(hint.name, hint.trees, time.monotonic())
            case "ask":
                self._say_again()
            case _ if hint.concerns(self._heeds, self._heeds_work):
                self._tell()

    def _tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._rung.set)


def channel_of(name: str) -> str:
    """A channel's name for whatever tells stores apart within one database."""
    return f"{CHANNEL}_{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"
