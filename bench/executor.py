"""How fast one executor is by itself: handlers, log lines, children. Its processor time is what counts here."""

from bench.driven import Executor
from bench.figures import Figure, Samples, Scenario
from bench.lab import Lab, folder

JOBS = {"noop": b"{}", "arguments": b'{"url":"https://example.org/"}', "one_line": b"{}", "plain": b"{}"}
LINES = ("talk", "root_log", "module_log", "print")
SPAWNS = ("spawn", "spawn_plain")


def executor(lab: Lab) -> Samples:
    """Everything an executor does, one after the other in one process."""
    samples: dict[str, float] = {}

    def keep(kind: str, n: int, wall: float, cpu: float) -> None:
        samples.update({kind: n / wall, f"{kind} cpu": cpu / n * 1e6})

    with folder() as place:
        driven = Executor(place)
        driven.drain("noop", 10_000)
        for kind, payload in JOBS.items():
            n = lab.size(200_000, 20_000) // (4 if kind == "plain" else 1)
            keep(kind, n, *driven.drain(kind, n, payload)[:2])
        for kind in LINES:
            wall, cpu, lines, _ = driven.drain(kind, 1, b'{"lines":%d}' % lab.size(500_000, 50_000))
            keep(kind, lines, wall, cpu)
        for kind in SPAWNS:
            wall, cpu, _, children = driven.drain(kind, 1, b'{"n":%d}' % lab.size(500_000, 50_000))
            keep(kind, children, wall, cpu)
        driven.stop()
    return samples


def _cost(kind: str, what: str) -> list[Figure]:
    return [Figure(kind, what), Figure(f"{kind} cpu", "  CPU each", "µs")]


SCENARIO = Scenario(
    "executor",
    "one executor by itself, nothing stored",
    [executor],
    [
        *_cost("noop", "async handlers that do nothing"),
        *_cost("arguments", "async handlers with arguments and a result"),
        *_cost("one_line", "async handlers that log a line"),
        *_cost("plain", "plain handlers that do nothing"),
        *_cost("talk", "lines of `job.log.info` with arguments"),
        *_cost("root_log", "lines of `logging.info`"),
        *_cost("module_log", "lines of a module's logger"),
        *_cost("print", "lines of `print`"),
        *_cost("spawn", "children of an async `spawn_many`"),
        *_cost("spawn_plain", "children of a plain `spawn_many`"),
    ],
)
