"""Several hosts on one machine: network namespaces on a bridge of their own, whose cables can be pulled.

Needs root and `ip` (Debian: iproute2). Everything made here is removed again, and nothing else is touched.
"""

import os
import secrets
import subprocess
from dataclasses import dataclass

PREFIX = 24


@dataclass(frozen=True, slots=True)
class Host:
    """One namespace: its name, its address, the bridge's end of its cable."""

    name: str
    address: str
    cable: str

    def has(self, pid: int) -> bool:
        """Whether a process lives on this host."""
        try:
            return os.readlink(f"/proc/{pid}/ns/net") == f"net:[{os.stat(f'/run/netns/{self.name}').st_ino}]"
        except OSError:
            return False


class Network:
    """A bridge with hosts on it; `address` is this machine's own on it."""

    def __init__(self) -> None:
        mark = secrets.token_hex(3)
        self._mark = mark
        self._bridge = f"qb{mark}"
        self._net = f"10.177.{int(mark[:2], 16)}"
        self.address = f"{self._net}.1"
        self.hosts: list[Host] = []
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{self.address}/{PREFIX}", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")

    @property
    def range(self) -> str:
        """All its addresses, as CIDR."""
        return f"{self._net}.0/{PREFIX}"

    def add(self) -> Host:
        """A new host."""
        number = len(self.hosts) + 2
        host = Host(f"qn{self._mark}-{number}", f"{self._net}.{number}", f"qv{self._mark}{number}")
        self.hosts.append(host)
        _ip("netns", "add", host.name)
        _ip("link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "netns", host.name)
        _ip("link", "set", host.cable, "master", self._bridge, "up")
        for command in (("addr", "add", f"{host.address}/{PREFIX}", "dev", "eth0"), ("link", "set", "eth0", "up")):
            _ip("-n", host.name, *command)
        _ip("-n", host.name, "link", "set", "lo", "up")
        return host

    def cut(self, host: Host) -> None:
        """Pull its cable."""
        _ip("link", "set", host.cable, "down")

    def mend(self, host: Host) -> None:
        """Plug it in again."""
        _ip("link", "set", host.cable, "up")

    def close(self) -> None:
        """Remove it all."""
        for host in self.hosts:
            _ip("netns", "del", host.name, check=False)
        _ip("link", "del", self._bridge, check=False)


def _ip(*arguments: str, check: bool = True) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
