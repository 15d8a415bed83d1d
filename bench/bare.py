"""`python -m bench.bare BYTES PAUSE SECONDS`: the least a fan-out can be. Says its port; on SIGUSR1 writes a frame to
every connection, again and again, and then says how many microseconds of processor time each took."""

import asyncio
import signal
import sys
import time

import uvloop

from bench.pushing import Pusher, listen


async def main(size: int, pause: float, seconds: float) -> None:
    """Run until told to end."""
    go, end = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, go.set)
    loop.add_signal_handler(signal.SIGTERM, end.set)
    print(await listen(), flush=True)
    await go.wait()
    frame = b"event: logs\ndata: %s\n\n" % (b"x" * size)
    began, written, until = time.process_time(), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        for transport in Pusher.everybody:
            transport.write(frame)
        written += len(Pusher.everybody)
        await asyncio.sleep(pause)
    print((time.process_time() - began) / written * 1e6, flush=True)
    await end.wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
