"""`python -m quaero.engine.executor FD`: one executor, on the inherited socket FD. Only a worker starts it."""

import faulthandler
import gc
import os
import socket
import sys
import traceback

from quaero.engine.executor import application, capture
from quaero.engine.executor.channel import Channel
from quaero.engine.executor.descriptors import Descriptors
from quaero.engine.executor.flusher import Flusher
from quaero.engine.executor.guard import Guard, die_with_parent, leave
from quaero.engine.executor.loopside import LoopSide
from quaero.engine.executor.outbox import Outbox
from quaero.engine.executor.plainside import PlainSide
from quaero.engine.executor.runtime import Runtime
from quaero.engine.executor.streams import StreamWriter
from quaero.engine.protocol import Broken, Ready, Setup

GC_THRESHOLD = 10_000  # thousands of small values a second live for one frame only


class Executor:
    """Everything of one executor, put together."""

    def __init__(self, channel: Channel, setup: Setup) -> None:
        uncaptured = os.dup(2)
        faulthandler.enable(uncaptured)
        self.guard = Guard(uncaptured)
        self.channel = channel
        self.outbox = Outbox(channel)
        self.runtime = Runtime(setup, self.outbox)
        self.descriptors = Descriptors(self.runtime.orphan_splitter, self.guard)
        flusher = Flusher(self._collect, self.guard)
        self.runtime.wake = flusher.wake
        flusher.start()

    def _collect(self) -> bool:
        is_more = self.runtime.collect()
        self.outbox.push()
        return is_more

    def prepare(self) -> bool:
        """Capture all output, import the application, say what came of it; whether there is anything to run."""
        self.descriptors.start()
        sys.stdout, sys.stderr = StreamWriter(1, self.runtime.stream), StreamWriter(2, self.runtime.stream)
        handler = capture.install(self.runtime.here, self.runtime.setup.min_level)
        capture.catch_uncaught(self.runtime.here)
        loaded = application.load(self.runtime.setup)
        mask = self.runtime.mask
        mask.learn(os.environ)  # the application may have read secrets into it
        if isinstance(loaded, Broken):
            self.channel.send(Broken(mask.text(loaded.message), mask.text(loaded.traceback)))
            return False
        capture.settle(handler)
        gc.freeze()  # what stays for ever need not be looked through again and again
        gc.set_threshold(GC_THRESHOLD)
        self.runtime.application = loaded
        self.channel.send(Ready(os.getpid(), loaded.announcements, list(loaded.app.subscribers)))
        self.outbox.open()
        return True

    def run(self) -> None:
        """Run tasks until told to stop and nothing runs any more."""
        plain = PlainSide(self.runtime, self.channel, self.guard, self.descriptors)
        loop = LoopSide(self.runtime, self.channel, self.guard)
        while not self.is_done:
            loop.run()
            if not self.is_done and not self.runtime.running:
                plain.run()
        self._collect()

    @property
    def is_done(self) -> bool:
        """Whether it was told to stop and has."""
        runtime = self.runtime
        return runtime.is_stopping and not (runtime.running or runtime.waiting or runtime.deliveries)


def main(descriptor: int) -> int:
    """Serve one worker; the exit code."""
    os.set_inheritable(descriptor, False)
    die_with_parent()
    channel = Channel(socket.socket(fileno=descriptor))
    try:
        setup = channel.first()
        if not isinstance(setup, Setup):
            raise EOFError("the first frame is no setup")
        executor = Executor(channel, setup)
        if not executor.prepare():
            return 1
        executor.run()
    except (EOFError, ConnectionError):
        leave()
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit(
            "an executor is started by its worker, with the number of a socket: python -m quaero.engine.executor FD"
        )
    number = int(sys.argv[1])
    sys.argv[1:] = []
    code = 70
    try:
        code = main(number)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    os._exit(code)  # at once: neither threads nor exit handlers of an application hold up its end
