"""`python -m bench [--quick] [--rounds N] [--only NAME ...] [--list]`: measure, print the table, keep the samples."""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

from bench import machine
from bench.figures import Result, Scenario, as_json, table
from bench.lab import Lab

NAMES = (
    "drain", "enqueue", "spawn", "scale", "lists", "logs", "viewers", "cancel", "pickup", "beside", "idle", "executor",
    "postgres",
)  # fmt: skip
ON_REQUEST = ("page",)  # needs a browser: `make bench-ui`
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the scenarios that were asked for."""
    options = argparse.ArgumentParser(prog="python -m bench", description="Measure Quaero beside its peers.")
    options.add_argument("--quick", action="store_true", help="smaller and two rounds, to see that all is well")
    options.add_argument("--rounds", type=int, help="rounds of each scenario (default 5)")
    options.add_argument("--only", action="append", choices=NAMES + ON_REQUEST, help="this scenario; repeat for more")
    options.add_argument("--list", action="store_true", help="say what there is")
    chosen = options.parse_args()
    scenarios = [importlib.import_module(f"bench.{name}").SCENARIO for name in chosen.only or NAMES]
    if chosen.list:
        print("\n".join(f"{one.name:<10} {one.about}" for one in scenarios))
        return
    lab = Lab(chosen.quick)
    before = machine.state()
    results = [_run(one, lab, chosen.rounds or (2 if chosen.quick else 5)) for one in scenarios]
    after = machine.state()
    print(f"before: {machine.told(before)}\nafter:  {machine.told(after)}\n")
    print(table(results))
    print(f"\nsamples of every round: {_keep(results, before, after)}")


def _run(scenario: Scenario, lab: Lab, rounds: int) -> Result:
    result = Result(scenario)
    for number in range(min(rounds, scenario.rounds)):
        samples: dict[str, float] = {}
        for side in scenario.sides:
            began = time.perf_counter()
            samples.update(side(lab))
            told = f"{scenario.name} {number + 1}: {side.__name__} in {time.perf_counter() - began:.1f} s"
            print(told, file=sys.stderr, flush=True)
        result.rounds.append(samples)
    return result


def _keep(results: list[Result], before: machine.State, after: machine.State) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime("%Y%m%d-%H%M%S.json")
    kept = {"before": before, "after": after, "scenarios": [as_json(one) for one in results]}
    path.write_text(json.dumps(kept, indent=1))
    return path


if __name__ == "__main__":
    main()
