"""Where the crawler may connect."""

import socket
from errno import EACCES
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.kinds.crawler.guard import AddressGuard, AddressRefused

REFUSED = [
    ("0.0.0.0", "this network"),
    ("0.1.2.3", "this network"),
    ("10.0.0.1", "private"),
    ("10.255.255.255", "private"),
    ("100.64.0.1", "carrier-grade NAT"),
    ("100.100.100.200", "carrier-grade NAT"),
    ("100.127.255.255", "carrier-grade NAT"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("168.63.129.16", "cloud metadata"),
    ("169.254.0.1", "link-local"),
    ("169.254.169.254", "link-local"),
    ("169.254.170.2", "link-local"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.192", "protocol assignments"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "6to4 relay"),
    ("192.168.0.1", "private"),
    ("192.168.255.255", "private"),
    ("198.18.0.1", "benchmarking"),
    ("198.19.255.255", "benchmarking"),
    ("198.51.100.7", "documentation"),
    ("203.0.113.7", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::7f00:1", "IPv4-compatible"),
    ("::8.8.8.8", "IPv4-compatible"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:10.0.0.1", "private"),
    ("::ffff:169.254.169.254", "link-local"),
    ("::ffff:0:127.0.0.1", "reserved"),
    ("64:ff9b::7f00:1", "NAT64"),
    ("64:ff9b::808:808", "NAT64"),
    ("64:ff9b:1::1", "NAT64"),
    ("100::1", "reserved"),
    ("2001::1", "Teredo"),
    ("2001:2::1", "protocol assignments"),
    ("2001:db8::1", "documentation"),
    ("2002:7f00:1::", "6to4"),
    ("2002:808:808::1", "6to4"),
    ("3fff::1", "documentation"),
    ("4000::1", "reserved"),
    ("5f00::1", "reserved"),
    ("fc00::1", "private"),
    ("fd00:ec2::254", "private"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("fec0::1", "site-local"),
    ("ff02::1", "multicast"),
    ("ff0e::1", "multicast"),
]

ALLOWED = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
]


@pytest.mark.parametrize(("address", "why"), REFUSED)
def test_addresses_that_are_not_public_are_refused_by_name(address: str, why: str) -> None:
    refusal = AddressGuard().refusal(address, 80)

    assert refusal is not None
    assert f"is a {why} address" in refusal


@pytest.mark.parametrize("address", ALLOWED)
def test_public_addresses_are_let_through(address: str) -> None:
    assert AddressGuard().refusal(address, 443) is None


@pytest.mark.parametrize(("port", "is_allowed"), [(80, True), (443, True), (8080, True), (22, False), (25, False)])
def test_low_ports_are_only_those_of_the_web(port: int, is_allowed: bool) -> None:
    assert (AddressGuard().refusal("8.8.8.8", port) is None) is is_allowed


def test_listed_networks_are_open_and_nothing_else_is() -> None:
    guard = AddressGuard.allowing(["10.1.0.0/16", "fd00::/8"])

    assert guard.refusal("10.1.2.3", 22) is None
    assert guard.refusal("::ffff:10.1.2.3", 80) is None
    assert guard.refusal("fd12::1", 80) is None
    assert guard.refusal("10.2.0.1", 80) is not None


def test_a_network_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match=r"10\.1\.0\.0/99"):
        AddressGuard.allowing(["10.1.0.0/99"])


def test_a_socket_is_made_only_for_an_address_that_may_be_reached() -> None:
    public = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("93.184.216.34", 80))
    private = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))

    AddressGuard().socket(public).close()
    with pytest.raises(AddressRefused) as refused:
        AddressGuard().socket(private)

    assert refused.value.errno == EACCES


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_when_mapped_into_ipv6(address: IPv4Address) -> None:
    mapped = IPv6Address(f"::ffff:{address}")

    assert AddressGuard().refusal(str(mapped), 80) == AddressGuard().refusal(str(address), 80)


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_outside_global_unicast_is_let_through(address: IPv6Address) -> None:
    if address.ipv4_mapped is None and address not in ip_network("2000::/3"):
        assert AddressGuard().refusal(str(address), 80) is not None
