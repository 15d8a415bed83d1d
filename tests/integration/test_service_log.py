"""What a running Quaero says of itself can be read in tree 0, by whoever can read the store."""

import asyncio
import os
import signal

from tests.integration.program import Program, wait_for

from quaero.domain.entries import Entry
from quaero.storage.port import EntryFilter
from quaero.storage.sqlstore import SqlStore


def service_log(program: Program) -> list[Entry]:
    """Tree 0 as it stands."""

    async def read() -> list[Entry]:
        async with SqlStore.open(f"sqlite:///{program.store}") as store:
            return (await store.entries(0, EntryFilter(), limit=10_000)).entries

    return asyncio.run(read())


def until_it_says(program: Program, text: str) -> Entry:
    """The first entry with this text, once it is there."""

    def said() -> Entry | None:
        return next((entry for entry in service_log(program) if text in entry.message), None)

    entry = wait_for(said, text)
    assert entry is not None
    return entry


def process(program: Program, words: str) -> int:
    """The id of the one process with these words in its command line."""

    def found() -> list[int]:
        return [pid for pid, command in program.processes().items() if words in command]

    return wait_for(found, words)[0]


def test_starts_deaths_and_refusals_of_every_process_are_told(program: Program) -> None:
    definitions = program.place / "job-definitions"
    definitions.mkdir()
    (definitions / "wrong.toml").write_text(
        'id = "wrong"\nname = "Wrong"\n[step.one]\ntype = "generator"\ndepends = "two"\n'
    )
    running, _ = program.up()

    started = until_it_says(program, "worker 1 started")
    assert started.fields is not None
    assert started.fields["process"] == "worker"
    served = until_it_says(program, "serving on 127.0.0.1:")
    assert served.fields is not None
    assert served.fields["process"] == "gateway"
    assert "wrong.toml" in until_it_says(program, "definition refused").message

    os.kill(process(program, "quaero.engine.executor"), signal.SIGKILL)
    until_it_says(program, "died (signal SIGKILL)")

    os.kill(process(program, "quaero.app worker"), signal.SIGKILL)
    told = until_it_says(program, "the worker ended with code -9; starting it again")
    assert told.fields == {"process": "supervisor"}
    until_it_says(program, "worker 2 started")
    until_it_says(program, "worker 1 (process")

    running.send(signal.SIGTERM)
    assert running.wait() == 0
    messages = [entry.message for entry in service_log(program)]
    assert any(message.startswith("worker 2 takes nothing more") for message in messages)
    assert [entry.seq for entry in service_log(program)] == list(range(1, len(messages) + 1))
