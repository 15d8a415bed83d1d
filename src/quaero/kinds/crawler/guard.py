"""Where the crawler may connect: public addresses only, decided on the *resolved* address at the moment of connecting.

Names, odd spellings of numbers, redirects and DNS answers that change between check and use all end in a socket for
one address; so that is where the check stands (`socket_factory` of the connector), and nothing can get around it.
IPv6 is refused unless it is ordinary global unicast; addresses that carry an IPv4 address inside (mapped, compatible,
6to4, NAT64, Teredo) are refused or judged by what they carry. `crawler.allow_networks` opens networks on purpose.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from errno import EACCES
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Python's `is_global` differs between versions and calls 64:ff9b::/96, 2002::/16, ::/96 and multicast global.
_REFUSED_V4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "carrier-grade NAT",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "cloud metadata",  # Azure's platform address, public by number
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
_REFUSED_V6 = {
    "::/128": "unspecified",
    "::1/128": "loopback",
    "::/96": "IPv4-compatible",
    "64:ff9b::/96": "NAT64",
    "64:ff9b:1::/48": "NAT64",
    "2001::/32": "Teredo",
    "2001::/23": "protocol assignments",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "3fff::/20": "documentation",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
_V4 = [(IPv4Network(network), why) for network, why in _REFUSED_V4.items()]
_V6 = [(IPv6Network(network), why) for network, why in _REFUSED_V6.items()]
_GLOBAL_V6 = IPv6Network("2000::/3")
_LOW_PORTS = (80, 443)


class AddressRefused(OSError):
    """The guard does not let the crawler connect there. `errno` is EACCES, so that a sum of several stays tellable."""

    def __init__(self, message: str) -> None:
        super().__init__(EACCES, message)


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Judges addresses; `allowed` are networks opened by the operator."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def allowing(cls, networks: Iterable[str]) -> "AddressGuard":
        """A guard that lets these CIDRs through. Raises ValueError naming the first that is none."""
        return cls(tuple(ip_network(network) for network in networks))

    def refusal(self, address: str, port: int) -> str | None:
        """Why this address and port must not be connected to; None if they may be."""
        ip = _unmapped(ip_address(address.partition("%")[0]))
        if any(ip in network for network in self.allowed if network.version == ip.version):
            return None
        if (why := _special(ip)) is not None:
            return f"{ip} is a {why} address; crawler.allow_networks lists what may be reached"
        if port < 1024 and port not in _LOW_PORTS:
            return f"port {port} is not a web server's"
        return None

    def socket(self, addr_info: tuple[Any, Any, Any, str, tuple[Any, ...]]) -> socket.socket:
        """A socket for a resolved address (the connector's `socket_factory`). Raises AddressRefused."""
        family, kind, protocol, _, sockaddr = addr_info
        if (why := self.refusal(str(sockaddr[0]), int(sockaddr[1]))) is not None:
            raise AddressRefused(why)
        return socket.socket(family, kind, protocol)


def _unmapped(ip: Address) -> Address:
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return mapped or ip


def _special(ip: Address) -> str | None:
    if isinstance(ip, IPv4Address):
        return next((why for network, why in _V4 if ip in network), None)
    named = next((why for network, why in _V6 if ip in network), None)
    return named or (None if ip in _GLOBAL_V6 else "reserved")
