"""What a scenario is made of, and how its samples become a table.

A scenario has sides (ours, a peer, another size), each a function that is called once a round and gives samples by
name. All sides of a round run one after the other, so a machine whose speed drifts slows both sides of a ratio alike.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.lab import Lab

Samples = Mapping[str, float]
Side = Callable[[Lab], Samples]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: the median over rounds of a sample, or of its ratio to the sample `over`."""

    key: str
    what: str
    unit: str = "/s"
    bar: float | None = None
    aim: float | None = None
    over: str = ""
    low: bool = False  # less is better
    commits: str = ""  # the sample with the commits per second that went with it


@dataclass(frozen=True, slots=True)
class Scenario:
    """`rounds` caps the rounds of what takes minutes."""

    name: str
    about: str
    sides: Sequence[Side]
    figures: Sequence[Figure]
    rounds: int = 100


@dataclass(slots=True)
class Result:
    """Every round's samples of a scenario."""

    scenario: Scenario
    rounds: list[dict[str, float]] = field(default_factory=list)

    def values(self, figure: Figure) -> list[float]:
        """One value for each round that has it."""
        found = []
        for samples in self.rounds:
            value, over = samples.get(figure.key), samples.get(figure.over) if figure.over else 1.0
            if value is not None and over:
                found.append(value / over)
        return found

    def rows(self) -> list[list[str]]:
        """The table's lines."""
        return [self._row(figure) for figure in self.scenario.figures]

    def _row(self, figure: Figure) -> list[str]:
        values = self.values(figure)
        if not values:
            return [figure.what, "not measured", "", "", _bound(figure, figure.bar), _bound(figure, figure.aim), ""]
        middle = statistics.median(values)
        spread = f"{_number(min(values))} – {_number(max(values))}" if len(values) > 1 else ""
        commits = [samples[figure.commits] for samples in self.rounds if figure.commits in samples]
        rate = _number(statistics.median(commits)) if commits else ""
        return [
            figure.what,
            f"{_number(middle)} {figure.unit}".rstrip(),
            spread,
            rate,
            _bound(figure, figure.bar),
            _bound(figure, figure.aim),
            _verdict(figure, middle),
        ]


HEAD = ["", "median", "min – max", "commits/s", "bar", "aim", ""]


def table(results: Sequence[Result]) -> str:
    """Plain text, columns aligned, a heading for each scenario."""
    blocks = [(f"{result.scenario.name}: {result.scenario.about}", result.rows()) for result in results]
    every = [HEAD, *(row for _, rows in blocks for row in rows)]
    widths = [max(len(row[column]) for row in every) for column in range(len(HEAD))]
    lines = [_line(HEAD, widths)]
    for heading, rows in blocks:
        lines += ["", heading, *(_line(row, widths) for row in rows)]
    return "\n".join(lines)


def as_json(result: Result) -> dict[str, object]:
    """A result for machines: the samples of every round beside the medians."""
    figures = [
        {"what": f.what, "unit": f.unit, "bar": f.bar, "aim": f.aim, "median": statistics.median(values)}
        for f in result.scenario.figures
        if (values := result.values(f))
    ]
    return {"scenario": result.scenario.name, "figures": figures, "rounds": result.rounds}


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    return "  " + "  ".join(cells).rstrip()


def _bound(figure: Figure, bound: float | None) -> str:
    return "" if bound is None else f"{'≤' if figure.low else '≥'} {_number(bound)}"


def _verdict(figure: Figure, value: float) -> str:
    def reached(bound: float | None) -> bool:
        return bound is not None and (value <= bound if figure.low else value >= bound)

    if figure.bar is None and figure.aim is None:
        return ""
    return "aim" if reached(figure.aim) else "bar" if reached(figure.bar) else "MISSED"


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
