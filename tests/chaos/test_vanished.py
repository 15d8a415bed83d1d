"""A database whose host vanishes without a word is noticed, and found again when it is back."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.chaos.harness.system import TOP, source_tree, wait_for
from tests.chaos.test_hosts import laid, serving

from quaero.domain.bounds import LINK_SECONDS

PROGRAM = """
import asyncio, sys, time
from quaero.domain.errors import StoreUnavailable
from quaero.doorbell.postgres import PostgresDoorbell
from quaero.storage.sqlstore import SqlStore
async def main():
    async with SqlStore.open(sys.argv[1]) as store:
        bell = PostgresDoorbell(sys.argv[1])
        while True:
            for what, ask in (("read", store.stats()), ("write", store.write(lambda ledger: None))):
                try:
                    await ask
                    print(what, flush=True)
                except StoreUnavailable:
                    print("no", what, flush=True)
            await bell.wait(0.2)
asyncio.run(main())
"""


@pytest.mark.timeout(180)
def test_a_host_that_vanished_is_noticed_and_found_again(tmp_path: Path) -> None:
    with laid() as network, serving(network) as database:
        host = network.add()
        told = tmp_path / "told"
        command = ["ip", "netns", "exec", host.name, sys.executable, "-c", PROGRAM, database.url]
        path = {"PYTHONPATH": f"{source_tree()}:{TOP}", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        with told.open("w") as out:
            process = subprocess.Popen(command, env=path, stdout=out, stderr=out)
        try:

            def said(*words: str) -> bool:
                lines = told.read_text().splitlines()
                return all(word in lines for word in words)

            wait_for(lambda: said("read", "write"), 20, "it reads and writes")
            network.cut(host)
            cut = time.monotonic()
            wait_for(lambda: said("no read", "no write"), 3 * LINK_SECONDS + 20, "it notices")
            assert time.monotonic() - cut >= 1
            network.mend(host)
            told.write_text("")
            wait_for(lambda: said("read", "write"), LINK_SECONDS + 10, "it goes on")
        finally:
            process.kill()
            process.wait()
