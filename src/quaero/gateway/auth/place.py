"""Where a gateway is reached, and which requests may come from where: Host, Origin, Sec-Fetch-Site, proxies.

An *open* place is a loopback address: whoever can reach it is a program or page of this machine, and passes without a
credential. So no other site may make a browser ask it (Origin, Sec-Fetch-Site), no other name may lead to it (Host: DNS
rebinding), and nothing may be passed on to it from elsewhere (X-Forwarded-…, Via). Any other place wants a credential;
there a Host must be one we are called by.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from starlette.types import Scope

from quaero.domain.errors import InvalidInput
from quaero.settings import Settings

FORWARDED = frozenset(b"forwarded via x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip".split())
ONCE = frozenset(
    b"host origin sec-fetch-site content-type content-length transfer-encoding authorization cookie "
    b"x-forwarded-for x-forwarded-proto".split()
)
OWN_SITES = (b"same-origin", b"none")

_HOST = re.compile(rb"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(\d{1,5}))?")
_LOOPBACK_NAME = re.compile(rb"localhost|127(?:\.\d{1,3}){3}|\[::1\]")
Headers = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the gate lets a request not through."""

    status: int
    reason: str
    detail: str
    retry_after: int = 0  # seconds


@dataclass(frozen=True, slots=True)
class Place:
    """One listening address, and what is said about it in the settings."""

    port: int
    is_open: bool = True
    host: bytes = b"127.0.0.1"
    allowed_origins: frozenset[bytes] = frozenset()
    allowed_hosts: frozenset[bytes] = frozenset()
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, settings: Settings, port: int) -> "Place":
        """The place these settings make of a port."""
        return cls(
            port=port,
            is_open=not needs_credential(settings),
            host=settings.server.host.encode(),
            allowed_origins=frozenset(origin.lower().encode() for origin in settings.server.allowed_origins),
            allowed_hosts=frozenset(host.lower().encode() for host in settings.auth.allowed_hosts),
            trusted_proxies=tuple(ipaddress.ip_network(one) for one in settings.auth.trusted_proxies),
        )

    def judge(self, scope: Scope, headers: Headers) -> Refusal | None:
        """Why a request with these headers must not pass, None if it may."""
        return self._judge_host(headers) or self._judge_way(headers) or self._judge_site(scope, headers)

    def client(self, scope: Scope, headers: Headers) -> str:
        """The address of who asks: what a trusted proxy says it is, else the one that is connected."""
        address = scope["client"][0] if scope.get("client") else ""
        for before in reversed(headers.get(b"x-forwarded-for", b"").split(b",")):
            if not self._is_trusted(address):
                break
            address = before.strip().decode("latin-1")[:45] or address
        return address

    def is_https(self, scope: Scope, headers: Headers) -> bool:
        """Whether the browser speaks HTTPS, to us or to a trusted proxy."""
        if scope.get("scheme") in ("https", "wss"):
            return True
        connected = scope["client"][0] if scope.get("client") else ""
        return headers.get(b"x-forwarded-proto") == b"https" and self._is_trusted(connected)

    def is_own_page(self, scope: Scope, headers: Headers) -> bool:
        """Whether it is proved that a page of ours asks: what a cookie alone does not prove."""
        origin = headers.get(b"origin")
        if origin is None:
            return headers.get(b"sec-fetch-site") == b"same-origin"
        return self._is_own(origin, scope, headers)

    def _is_own(self, origin: bytes, scope: Scope, headers: Headers) -> bool:
        scheme = b"https://" if self.is_https(scope, headers) else b"http://"
        return origin.lower() == scheme + headers[b"host"].lower()

    def _is_trusted(self, address: str) -> bool:
        try:
            asked = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(asked in network for network in self.trusted_proxies)

    def _judge_host(self, headers: Headers) -> Refusal | None:
        host = headers.get(b"host", b"").lower()
        match = _HOST.fullmatch(host)
        if match is not None and (self._is_ours(match[1], int(match[2] or 80)) or self._is_listed(host, match[1])):
            return None
        if self.is_open:
            right = f"localhost:{self.port} and its loopback addresses"
        else:
            right = "its own addresses and the names in auth.allowed_hosts"
        return Refusal(421, "wrong-host", f"this server answers only to {right}")

    def _is_ours(self, name: bytes, port: int) -> bool:
        if port != self.port:
            return False
        if _LOOPBACK_NAME.fullmatch(name):
            return True
        return not self.is_open and (name == self.host or name == _machine() or self._is_address(name))

    def _is_address(self, name: bytes) -> bool:
        """A literal address cannot be rebound; on a wildcard address all of this machine's are ours."""
        if self.host not in (b"0.0.0.0", b"::"):
            return False
        try:
            return bool(ipaddress.ip_address(name.strip(b"[]").decode()))
        except ValueError:
            return False

    def _is_listed(self, host: bytes, name: bytes) -> bool:
        return not self.is_open and (host in self.allowed_hosts or name in self.allowed_hosts)

    def _judge_way(self, headers: Headers) -> Refusal | None:
        if self.is_open and not FORWARDED.isdisjoint(headers):
            detail = "this server has no credentials and must not be reached through a proxy: set auth.required = true"
            return Refusal(403, "proxied", detail)
        return None

    def _judge_site(self, scope: Scope, headers: Headers) -> Refusal | None:
        origin = headers.get(b"origin")
        if origin is not None:
            if origin in self.allowed_origins:
                return None
            if not self._is_own(origin, scope, headers):
                return Refusal(403, "foreign-origin", "requests from pages of other sites are refused")
        if headers.get(b"sec-fetch-site", b"none") not in OWN_SITES:
            return Refusal(403, "foreign-site", "requests that another site caused are refused")
        return None


def gathered(scope: Scope) -> Headers | Refusal:
    """The headers that decide, or why they cannot: one that was given twice could be read in two ways."""
    headers: Headers = {}
    for name, value in scope["headers"]:
        if name in ONCE:
            if name in headers:
                return Refusal(400, "repeated-header", f"the header {name.decode()} was given twice")
            headers[name] = value
        elif name in FORWARDED:
            headers[name] = value
    return headers


def needs_credential(settings: Settings) -> bool:
    """Whether nobody may come in without one: off loopback, when it is set, and when other names lead here."""
    return settings.auth.required or bool(settings.auth.allowed_hosts) or not is_loopback(settings.server.host)


def is_loopback(host: str) -> bool:
    """Whether every address a host stands for is a loopback one. Raises InvalidInput if it stands for none."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise InvalidInput(f"server.host {host!r} is not an address of this machine: {error}") from None
    return all(ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in found)


def _machine() -> bytes:
    return socket.gethostname().lower().encode()
