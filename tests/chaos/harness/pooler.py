"""A PgBouncer in transaction mode before the tests' PostgreSQL: few sessions of the server for many clients."""

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from tests import postgres
from tests.chaos.harness.system import wait_for

SESSIONS = 6  # of the server, for each database
CONFIG = """
[databases]
* = host={host} port={port} user={user} {password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 400
auth_type = any
server_login_retry = 1
{more}
"""


class Pooler:
    """One PgBouncer on a port of its own; raises FileNotFoundError where it is not installed (`make chaos` does)."""

    def __init__(self, more: str = "") -> None:
        program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise FileNotFoundError("pgbouncer is not installed (Debian: apt install pgbouncer)")
        server = conninfo_to_dict(postgres.server())
        host = str(server.get("host") or parse_qs(urlsplit(postgres.server()).query).get("host", ["/tmp"])[0])
        self._port = 20_000 + secrets.randbelow(10_000)
        self._folder = Path(tempfile.mkdtemp(prefix="quaero-pooler-"))
        password = f"password={server['password']}" if server.get("password") else ""
        config = self._folder / "pgbouncer.ini"
        config.write_text(
            CONFIG.format(
                host=host,
                port=server.get("port", 5432),
                user=server.get("user", "postgres"),
                password=password,
                listen=self._port,
                sessions=SESSIONS,
                more=more,
            )
        )
        # it refuses to be root; whoever the server is may also reach a socket of the server's
        owner = os.stat(host).st_uid if host.startswith("/") else 65534
        user = owner if os.geteuid() == 0 else None
        self._folder.chmod(0o755)
        log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen([program, str(config)], user=user, cwd="/", stdout=log, stderr=log)
        log.close()
        wait_for(self._answers, 10, "PgBouncer answers")

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str) -> str:
        """The DSN of a database of the server, by way of the pooler."""
        return f"postgresql://quaero@127.0.0.1:{self._port}/{unquote(database)}"

    def through(self, url: str) -> str:
        """The DSN of the same store, by way of the pooler."""
        return self.url(urlsplit(url).path.lstrip("/"))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
