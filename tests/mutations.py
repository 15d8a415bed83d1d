"""Shows that the suite has teeth: breaks one rule at a time in a copy of the source, and names the tests that notice.

    python -m tests.mutations [WORD ...]     only mutations whose name has one of the words

A mutation is *killed* when at least one of its tests fails on the broken copy (and all pass on the whole one). One that
survives, or that no longer fits the source, makes the exit code 1.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
COMMIT = "tests/unit/storage/test_mutants_commit.py"
WORKERS = "tests/unit/engine/lifecycle/test_workers.py"
TREES = "tests/unit/engine/lifecycle/test_trees.py"
RETRY = "tests/unit/engine/lifecycle/test_retry.py"
CANCEL = "tests/unit/engine/lifecycle/test_cancel.py"
FEED = "tests/unit/gateway/test_feed.py"
SURVIVORS = "tests/integration/test_chaos_short.py"
SECONDS = 300

Edit = tuple[str, str, str]  # file below src/quaero, text that stands there once, what takes its place


@dataclass(frozen=True, slots=True)
class Mutation:
    """One rule, how it is broken, and the files of tests that must notice."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        "the fence asks for the owner, not for the epoch",
        (("storage/jobmap.py", "if job.owner == owner and (i, job.epoch) in wanted}", "if job.owner == owner}"),),
        (COMMIT,),
    ),
    Mutation(
        "nobody asks for the epoch: neither fence nor record",
        (
            ("storage/jobmap.py", "if job.owner == owner and (i, job.epoch) in wanted}", "if job.owner == owner}"),
            ("engine/lifecycle/record.py", " or job.epoch != fact.epoch", ""),
        ),
        (WORKERS,),
    ),
    Mutation(
        "the fence asks for the epoch, not for the owner",
        (
            ("storage/jobmap.py", "if job.owner == owner and (i, job.epoch)", "if (i, job.epoch)"),
            ("engine/lifecycle/record.py", " or job.owner != worker_id", ""),
        ),
        (WORKERS,),
    ),
    Mutation(
        "what was reserved is remembered as it was, whoever has written since",
        (("storage/sqlite.py", "return bool(version == before)", "return True"),),
        ("tests/unit/storage/test_memory.py",),
    ),
    Mutation(
        "tallies are saved in a transaction of their own, after the move",
        (
            (
                "storage/jobmap.py",
                "            self.db.run_many(\n                _UPDATE_BRANCH,",
                "            self.late = (\n                _UPDATE_BRANCH,",
            ),
            (
                "storage/jobmap.py",
                "        self._moved = Differences()\n        self._above",
                "        self._moved = Differences()\n        self.late = None\n        self._above",
            ),
            (
                "storage/sqlite.py",
                '                execute("commit")\n',
                '                execute("commit")\n'
                "                if ledger.late:\n"
                '                    execute("begin immediate")\n'
                "                    self.db.run_many(*ledger.late)\n"
                '                    execute("commit")\n',
            ),
        ),
        (COMMIT,),
    ),
    Mutation(
        "one move is not counted in the tallies above it",
        (
            (
                "engine/lifecycle/moves.py",
                "    for tallies, offset in ledger.above(job):\n",
                "    for tallies, offset in () if after == 4 else ledger.above(job):\n",
            ),
        ),
        (COMMIT, TREES),
    ),
    Mutation(
        "the short way of a leaf forgets the root's tally",
        (
            (
                "engine/lifecycle/leaf.py",
                "    for tallies, offset in ledger.above(first):\n",
                "    for tallies, offset in ledger.above(first)[:1]:\n",
            ),
        ),
        (COMMIT, "tests/unit/engine/lifecycle/test_leaf.py"),
    ),
    Mutation(
        "a serial of the whole store numbers the journal",
        (
            (
                "storage/journalwriter.py",
                "seq = run.root.journal_head = run.root.journal_head + 1\n        if not",
                "seq = run.root.journal_head = self._ledger.new_ids(1)\n        if not",
            ),
        ),
        (COMMIT,),
    ),
    Mutation(
        "the root's row is saved before its descendants",
        (("storage/jobmap.py", "branches.sort(key=lambda job: -job.id)", "branches.sort(key=lambda job: job.id)"),),
        (COMMIT,),
    ),
    Mutation(
        "leaves are saved after what is above them",
        (
            (
                "storage/jobmap.py",
                "        if leaves:\n            self.db.run_many(_UPDATE_LEAF, map(_leaf_values, leaves))\n",
                "",
            ),
            (
                "storage/jobmap.py",
                "        self._touched = {}\n        self._above = {}\n\n    def _differences",
                "        if leaves:\n            self.db.run_many(_UPDATE_LEAF, map(_leaf_values, leaves))\n"
                "        self._touched = {}\n        self._above = {}\n\n    def _differences",
            ),
        ),
        (COMMIT,),
    ),
    Mutation(
        "the sweep does not ask whether the lease has ended",
        (
            (
                "storage/lookup.py",
                "where state <> 'gone' and lease_until < ? limit ?",
                "where state <> 'gone' and ? > 0 limit ?",
            ),
        ),
        (COMMIT, WORKERS),
    ),
    Mutation(
        "a parent closes with its last child, sealed or not",
        (
            ("engine/lifecycle/closing.py", "if parent.sealed and not parent.is_terminal", "if not parent.is_terminal"),
            ("engine/lifecycle/leaf.py", "if parent.sealed and not parent.is_terminal", "if not parent.is_terminal"),
        ),
        (COMMIT, TREES),
    ),
    Mutation(
        "what is being cancelled is reserved all the same",
        (("engine/lifecycle/reserve.py", "    return listed(ledger, job) is None", "    return True"),),
        (CANCEL,),
    ),
    Mutation(
        "a worker that was swept reserves on",
        (("engine/lifecycle/reserve.py", "where id = ? and state = 'live'", "where id = ?"),),
        (WORKERS,),
    ),
    Mutation(
        "a batch whose commit could not be told of is run again",
        (
            (
                "storage/sqlite.py",
                "        except Exception as error:\n            log.warning",
                "        except ZeroDivisionError as error:\n            log.warning",
            ),
        ),
        (COMMIT,),
    ),
    Mutation(
        "a second round does not open the ancestors that had closed",
        (("engine/lifecycle/rounds.py", "    _reopen_above(ledger, job, before)\n", ""),),
        (RETRY,),
    ),
    Mutation(
        "attempts are not bounded",
        (("domain/outcome.py", "or job.attempt >= job.max_attempts", ""),),
        (WORKERS, "tests/unit/engine/lifecycle/test_outcomes.py"),
    ),
    Mutation(
        "a refused spawn is told to nobody",
        (("engine/lifecycle/spawn.py", "if not spawner.is_terminal:\n            n =", "if False:\n            n ="),),
        ("tests/unit/engine/lifecycle/test_spawning.py",),
    ),
    Mutation(
        "the wait for a start is counted from the job's making, delays and all",
        (("storage/jobmap.py", "job.started_at - (job.run_at or job.created_at)", "job.started_at - job.created_at"),),
        ("tests/contract/test_sqlite_store.py",),
    ),
    Mutation(
        "a place under a limit that is given back wakes nobody who rests on it",
        (("storage/lanes.py", "self.resting.look_at(moved.eased)", "pass"),),
        ("tests/contract/test_sqlite_store.py",),
    ),
    Mutation(
        "a lane that must rest on one limit keeps its place under the other",
        (("storage/resting.py", "        self._limits.update(limits)\n\n    def look_at", "\n    def look_at"),),
        ("tests/contract/test_sqlite_store.py",),
    ),
    Mutation(
        "a place under a limit is kept for a kind that nobody runs",
        (("storage/resting.py", "[first] if second is None else self._best(limit, room)", "[first]"),),
        ("tests/contract/test_sqlite_store.py",),
    ),
    Mutation(
        "an end is dated by its commit",
        (("engine/lifecycle/spans.py", "return began, end.at", "return began, now"),),
        ("tests/contract/test_sqlite_store.py",),
    ),
    Mutation(
        "a parent ends with the child that is recorded last",
        (("engine/lifecycle/leaf.py", "max(parent.finished_at, at)", "at"),),
        ("tests/contract/test_sqlite_store.py",),
    ),
    Mutation(
        "who comes back goes on one entry too late",
        (("domain/cursor.py", "return Resumed(cursor.seq, reset", "return Resumed(cursor.seq + 1, reset"),),
        ("tests/unit/gateway/test_logs.py", "tests/unit/gateway/test_events.py"),
    ),
    Mutation(
        "who comes back goes on one entry too early",
        (("gateway/feed.py", 'return Start(position, "resume"', 'return Start(max(0, position - 1), "resume"'),),
        (FEED,),
    ),
    Mutation(
        "a cursor of another life of the store is believed",
        (("domain/cursor.py", "or cursor.incarnation != incarnation ", ""),),
        ("tests/unit/domain/test_wire.py",),
    ),
    Mutation(
        "secrets leave the executor",
        (("engine/executor/lines.py", "if self._sink.mask.may_hold(body):", "if False:"),),
        ("tests/unit/engine/executor/test_capture.py",),
    ),
    Mutation(
        "what the service log cannot take is dropped without a count",
        (("engine/servicelog.py", "self._lost += count", "self._lost += 0"),),
        ("tests/unit/engine/test_servicelog.py",),
    ),
    Mutation(
        "a writer waits behind a stopped one for ever",
        (("storage/turnstile.py", "self._has_it.wait(max(0.0, seconds))", "self._has_it.wait()"),),
        ("tests/unit/storage/test_turnstile.py",),
    ),
    Mutation(
        "the warden lets a dead worker's executors be",
        (
            (
                "engine/worker/warden.py",
                "        if not data:\n            end_sessions(sessions)\n",
                "        if not data:\n",
            ),
        ),
        (SURVIVORS,),
    ),
)


def broken_copy(mutation: Mutation, place: Path) -> Path:
    """A copy of the source with the mutation in it. Raises LookupError when it does not fit any more."""
    source = place / "src"
    shutil.copytree(TOP / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    for name, old, new in mutation.edits:
        path = source / "quaero" / name
        text = path.read_text()
        if text.count(old) != 1:
            raise LookupError(f"{name} has {text.count(old)} times: {old.strip()}")
        path.write_text(text.replace(old, new))
    return source


def failing(source: Path, tests: Sequence[str]) -> str:
    """The first test that fails on this source, empty if none does. Raises RuntimeError when none could be run."""
    process = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider"),
            *("-o", f"pythonpath={source}", "--timeout=60", *tests),
        ],
        cwd=TOP,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(source), "CHAOS_SOURCE": str(source)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if process.returncode not in (0, 1):
        raise RuntimeError(process.stdout[-2000:] + process.stderr[-2000:])
    found = re.search(r"^(?:FAILED|ERROR) \S+::(\S+)", process.stdout, re.MULTILINE)
    return found[1] if found else ""


def verdict(mutation: Mutation) -> tuple[bool, str]:
    """Whether it was killed, and by what."""
    with tempfile.TemporaryDirectory(prefix="quaero-mutant-") as place:
        try:
            noticed = failing(broken_copy(mutation, Path(place)), mutation.tests)
        except (LookupError, RuntimeError, subprocess.TimeoutExpired) as trouble:
            return False, f"NOT TRIED: {trouble}"
    return (True, f"killed by {noticed}") if noticed else (False, "SURVIVED")


def main(words: Sequence[str]) -> int:
    """Try all mutations, print the table; the exit code."""
    chosen = [one for one in MUTATIONS if not words or any(word in one.name for word in words)]
    whole = failing(TOP / "src", sorted({test for one in chosen for test in one.tests}))
    if whole:
        print(f"on the whole source this fails already: {whole}")
        return 1
    killed = 0
    for mutation in chosen:
        is_killed, told = verdict(mutation)
        killed += is_killed
        print(f"{mutation.name:66} {told}", flush=True)
    print(f"{killed} of {len(chosen)} mutations killed")
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
