"""Every setting: its name, default, bounds and meaning. This is the list; there is no other.

Durations are kept as integer microseconds, sizes as bytes, levels as words. People write them with units
(`"150ms"`, `"512MiB"`); `settings/values.py` translates.
"""

import os
from typing import Annotated

import msgspec
from msgspec import Meta

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MIB = 1 << 20

DURATION = {"form": "duration"}
SIZE = {"form": "size"}
LEVEL = {"form": "level"}
NETWORKS = {"form": "networks"}


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0))


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where the gateway listens."""

    host: Annotated[str, Meta(description="Address to listen on; anything but loopback needs a credential")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes any free one")] = 8080
    gateways: Annotated[int, Meta(ge=1, le=64, description="Gateway processes sharing the port")] = 1
    allowed_origins: Annotated[
        list[str], Meta(description="Other web origins whose pages may call us, e.g. `https://ops.example.org`")
    ] = []


class StoreSection(msgspec.Struct, frozen=True, kw_only=True):
    """Where jobs and journals are kept."""

    url: Annotated[
        str, Meta(min_length=1, description="`sqlite:///PATH` (relative to where Quaero starts) or `postgresql://…`")
    ] = "sqlite:///data/quaero.db"


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """How work is taken and run."""

    executors: Annotated[int, Meta(ge=1, le=256, description="Executor processes; default: one per core")] = (
        msgspec.field(default_factory=cores)
    )
    concurrency: Annotated[int, Meta(ge=1, le=10_000, description="Async handlers at once in one executor")] = 100
    lease: Annotated[int, Meta(ge=SECOND, extra=DURATION, description="How long a silent worker keeps its jobs")] = (
        20 * SECOND
    )
    heartbeat: Annotated[
        int, Meta(ge=100_000, extra=DURATION, description="How often a worker renews its lease; under half of it")
    ] = 5 * SECOND
    max_attempts: Annotated[int, Meta(ge=1, description="Attempts within a round, unless the kind or job says")] = 3
    grace: Annotated[
        int, Meta(ge=0, extra=DURATION, description="Time between asking a job to stop and killing it")
    ] = 25 * SECOND


class WebSocket(msgspec.Struct, frozen=True, kw_only=True):
    """What `/ws` sends, and how often."""

    time_threshold: Annotated[
        int, Meta(ge=0, extra=DURATION, description="At most one message per key in this time; the last one always")
    ] = SECOND
    event_count_threshold: Annotated[int, Meta(ge=0, description="Deprecated: accepted and ignored")] = 100
    allowed_events: Annotated[
        list[str], Meta(description="Message types to send; empty for the default set. Older names must be listed")
    ] = []
    throttle_intervals: Annotated[
        dict[str, int], Meta(extra=DURATION, description='Own intervals by message type, e.g. `{queue_stats = "5s"}`')
    ] = {}


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded of a job's output, and how streams deliver it."""

    batch_interval: Annotated[
        int, Meta(ge=10_000, extra=DURATION, description="Streams flush at most this often, up to 1s under load")
    ] = 150_000
    ping_interval: Annotated[
        int, Meta(ge=100_000, extra=DURATION, description="A quiet stream says that it lives this often")
    ] = 5 * SECOND
    min_level: Annotated[str, Meta(extra=LEVEL, description="Lines below this level are not recorded")] = "debug"
    child_changes: Annotated[
        str, Meta(extra=LEVEL, description="Level of the entries about status changes below steps")
    ] = "debug"
    max_bytes_per_attempt: Annotated[
        int, Meta(ge=0, extra=SIZE, description="Beyond it lines are counted, and only the last 1MiB is kept")
    ] = 512 * MIB
    max_line: Annotated[
        int, Meta(ge=256, le=MIB, extra=SIZE, description="A longer line goes on in continuation entries")
    ] = 64 << 10
    retention: Annotated[
        int, Meta(ge=MINUTE, extra=DURATION, description="Service log and running trees are trimmed from the front")
    ] = 30 * DAY
    secret_names: Annotated[
        list[str],
        Meta(
            description="Further names whose values are masked in logs, e.g. `session_id`, besides `password` and so on"
        ),
    ] = []


class Jobs(msgspec.Struct, frozen=True, kw_only=True):
    """Definitions, and how long finished trees stay."""

    definitions_dir: Annotated[str, Meta(min_length=1, description="Where definitions (`*.toml`) are read from")] = (
        "./job-definitions"
    )
    retention: Annotated[
        int, Meta(ge=MINUTE, extra=DURATION, description="Whole trees are deleted this long after closing")
    ] = 30 * DAY


class Crawler(msgspec.Struct, frozen=True, kw_only=True):
    """Where the built-in crawler may go. What one crawl does stands in its step."""

    allow_networks: Annotated[
        list[str], Meta(extra=NETWORKS, description="Private networks (CIDR) it may fetch from; all others are refused")
    ] = []


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """The built-in kind `command`."""

    enabled: Annotated[bool, Meta(description="Whether jobs may run programs of this machine")] = False


class Auth(msgspec.Struct, frozen=True, kw_only=True):
    """Who may do what. Off loopback a credential is always needed. Limits: per token or session and process."""

    required: Annotated[bool, Meta(description="Whether programs of this machine need a credential too")] = False
    allowed_hosts: Annotated[
        list[str],
        Meta(
            description="Other names this server is reached by, e.g. `quaero.example.org`; makes a credential required"
        ),
    ] = []
    trusted_proxies: Annotated[
        list[str],
        Meta(
            extra=NETWORKS, description="Networks (CIDR) whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed"
        ),
    ] = []
    session: Annotated[int, Meta(ge=MINUTE, extra=DURATION, description="How long a browser stays logged in")] = (
        12 * HOUR
    )
    max_requests: Annotated[int, Meta(ge=1, description="Requests at once")] = 256
    max_streams: Annotated[int, Meta(ge=1, description="Event streams at once")] = 256
    max_sockets: Annotated[int, Meta(ge=1, description="WebSockets at once")] = 256
    mutations_per_second: Annotated[
        int, Meta(ge=0, description="Mutations a second, twice as many in a burst; 0: any number")
    ] = 500
    audit_retention: Annotated[
        int, Meta(ge=DAY, extra=DURATION, description="How long it is kept who did what; at most a million entries")
    ] = 90 * DAY


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, and where each value came from (`sources`: only keys that are not at their default)."""

    server: Server = Server()
    store: StoreSection = StoreSection()
    queue: Queue = msgspec.field(default_factory=Queue)
    websocket: WebSocket = msgspec.field(default_factory=WebSocket)
    logs: Logs = Logs()
    jobs: Jobs = Jobs()
    crawler: Crawler = msgspec.field(default_factory=Crawler)
    command: Command = Command()
    auth: Auth = msgspec.field(default_factory=Auth)
    sources: dict[str, str] = {}
