"""What it costs to tell a thousand viewers: our gateway, a bare writer, and nginx with nchan."""

import asyncio
import http.client
import json
import re
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench import filled, usage
from bench.audience import WATCH, audience, on
from bench.figures import Samples
from bench.hosted import hosted
from bench.lab import Lab, folder, process
from quaero.domain.job import Job
from quaero.engine.lifecycle.enqueue import NewJob, enqueue
from quaero.testing.drive import Hand
from quaero.testing.factories import progressed

VIEWERS = 1_000
CALM, BUSY = (1, 0.15), (100, 0.05)  # lines a commit, seconds between commits
FRAME = b"x" * 420  # about a frame with one line
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
CONFIG = """
load_module {module}; worker_processes 1; daemon off; master_process off; pid {place}/pid; error_log stderr;
events {{ worker_connections 20000; }}
http {{ access_log off; client_body_temp_path {place}/1; proxy_temp_path {place}/2; fastcgi_temp_path {place}/3;
  uwsgi_temp_path {place}/4; scgi_temp_path {place}/5;
  server {{ listen 127.0.0.1:{port};
  location /say {{ nchan_publisher; nchan_channel_id a; nchan_message_buffer_length 0; }}
  location /hear {{ nchan_subscriber eventsource; nchan_channel_id a; nchan_eventsource_event logs; }} }} }}
"""


def gateway(lab: Lab) -> Samples:
    """Our gateway: a tree that says little, then one that says much; memory of idle and of stalled viewers."""
    return asyncio.run(_gateway(VIEWERS, lab.size(5, 3)))


@asynccontextmanager
async def _at_work(place: Path) -> AsyncIterator[tuple[Hand, Job]]:
    """A worker by hand, and the job it runs."""
    async with filled.opened(place) as store:
        hand = await Hand.start(store, filled.KINDS, lease=3_600_000_000)
        await store.write(enqueue, [NewJob("noop", b"{}")])
        [job] = await hand.take()
        await hand.begin(job)
        yield hand, job
        await hand.leave()


async def _gateway(n: int, seconds: float) -> Samples:
    with folder() as place:
        async with _at_work(place) as (hand, job):
            with on(WATCH), hosted("gateway", place) as host:
                path = f"/api/jobs/{job.id}/logs/stream?limit=0"
                empty = usage.memory(host.child.pid)[0]
                with audience(host.port, path, n, place) as viewers:
                    await asyncio.sleep(1)
                    stream = (usage.memory(host.child.pid)[0] - empty) * 1024 / n
                    samples = {"stream": stream}
                    for name, (lines, pause) in (("calm", CALM), ("busy", BUSY)):
                        viewers.counted()
                        began = sum(host.cpu)
                        await _talk(hand, job, lines, pause, seconds)
                        told, used = viewers.counted(), sum(host.cpu) - began
                        samples[f"{name} frame"] = used / told["frames"] * 1e6
                        samples[f"{name} line"] = used / told["entries"] * 1e6
                        samples[f"{name} p50"], samples[f"{name} p99"] = told["p50"], told["p99"]
                    idle = usage.memory(host.child.pid)[0]
                    with audience(host.port, path, 200, place, never=200):
                        await _talk(hand, job, *BUSY, seconds)
                        samples["stalled"] = usage.memory(host.child.pid)[0] - idle
                        samples["beside stalled"] = viewers.counted()["p99"]
                        samples["over interval"] = samples["beside stalled"] - _interval_ms(host.port)
            return samples


def states(lab: Lab) -> Samples:
    """Our gateway's WebSocket: many clients that show one job, whose progress moves four times a second."""
    return asyncio.run(_states(VIEWERS // 2, lab.size(5, 3)))


async def _states(n: int, seconds: float) -> Samples:
    with folder() as place:
        async with _at_work(place) as (hand, job):
            says = json.dumps({"type": "subscribe", "payload": {"id": 1, "rows": True, "topic": f"job:{job.id}"}})
            with (
                on(WATCH),
                hosted("gateway", place) as host,
                audience(host.port, "/ws", n, place, says=says) as viewers,
            ):
                await asyncio.sleep(1)
                viewers.counted()
                began, until = sum(host.cpu), time.monotonic() + seconds
                while time.monotonic() < until:
                    await hand.tell(progressed(job, current=time.monotonic_ns(), total=1 << 62))
                    await asyncio.sleep(0.25)
                told, used = viewers.counted(), sum(host.cpu) - began
            return {"state": used / told["frames"] * 1e6}


def _interval_ms(port: int) -> float:
    """From one flush to the next, as a gateway tells it."""
    asked = http.client.HTTPConnection("127.0.0.1", port)
    asked.request("GET", "/metrics")
    [found] = re.findall(rb"^quaero_flush_interval_seconds ([\d.e-]+)$", asked.getresponse().read(), re.MULTILINE)
    return float(found) * 1e3


async def _talk(hand: Hand, job: Job, lines: int, pause: float, seconds: float) -> None:
    """Commit lines that carry the moment of their writing; then wait until all have them."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        stamp = f"T{time.monotonic_ns()}@"
        await hand.say(job, *(f"{stamp} fetched https://example.org/articles/{n} in 211 ms" for n in range(lines)))
        await asyncio.sleep(pause)
    await asyncio.sleep(1)


def bare(lab: Lab) -> Samples:
    """A loop that writes to every connection, and nothing else."""
    command = (sys.executable, "-m", "bench.bare", str(len(FRAME)), str(CALM[1]), str(lab.size(5, 3)))
    with folder() as place, on(WATCH), process(*command, place=place) as child:
        assert child.stdout is not None
        with audience(int(child.stdout.readline()), "/", VIEWERS, place):
            child.send_signal(10)
            return {"bare frame": float(child.stdout.readline())}


def nchan(lab: Lab) -> Samples:
    """nginx with nchan, told by HTTP; not measured where it is not installed."""
    if not NCHAN.exists() or shutil.which("nginx") is None:
        return {}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with folder() as place:
        place.chmod(0o755)
        config = place / "nginx.conf"
        config.write_text(CONFIG.format(module=NCHAN, place=place, port=port))
        with on(WATCH), process("nginx", "-c", str(config), "-p", str(place), place=place) as child:
            _until_open(port)
            empty = usage.memory(child.pid)[0]
            with audience(port, "/hear", VIEWERS, place) as viewers:
                stream = (usage.memory(child.pid)[0] - empty) * 1024 / VIEWERS
                began, told = usage.cpu(child.pid), http.client.HTTPConnection("127.0.0.1", port)
                for _ in range(int(lab.size(5, 3) / CALM[1])):
                    told.request("POST", "/say", FRAME)
                    told.getresponse().read()
                    time.sleep(CALM[1])
                frames = viewers.counted()["frames"]
                frame = (usage.cpu(child.pid) - began) / frames * 1e6
                return {"nchan frame": frame, "nchan stream": stream}


def _until_open(port: int) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            http.client.HTTPConnection("127.0.0.1", port).connect()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
