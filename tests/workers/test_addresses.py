from __future__ import annotations

import ipaddress
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import Rejected, Retryable
from workers.addresses import METADATA, Guard, resolve

INTERNAL = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.1.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "168.63.129.16",
    "::",
    "::1",
    "fd00:ec2::254",
    "fc00::1",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "64:ff9b:1::1",
    "2001:db8::1",
    "not an address",
]


@pytest.mark.parametrize("address", INTERNAL)
def test_an_internal_address_is_refused(address: str) -> None:
    assert Guard().objection(address, own=True)


@pytest.mark.parametrize("address", ["104.192.136.1", "140.82.121.3", "2606:50c0:8000::153", "64:ff9b::8c52:7903"])
def test_a_public_address_is_fine(address: str) -> None:
    assert Guard().objection(address, own=False) == ""


def test_a_permitted_range_counts_for_the_connections_own_url_only() -> None:
    guard = Guard(("10.0.0.0/8", "fd00::/8"))
    assert guard.objection("10.1.2.3", own=True) == ""
    assert guard.objection("::ffff:10.1.2.3", own=True) == ""
    assert guard.objection("fd12::1", own=True) == ""
    assert guard.objection("10.1.2.3", own=False)
    assert guard.objection("192.168.0.1", own=True)


def test_metadata_stays_refused_inside_a_permitted_range() -> None:
    guard = Guard(("169.254.0.0/16", "fd00::/8", "100.64.0.0/10"))
    for address in METADATA:
        assert guard.objection(str(address), own=True)
    assert guard.objection("::ffff:169.254.169.254", own=True)


@given(st.ip_addresses(v=4))
def test_no_spelling_of_an_address_in_ipv6_gets_past_what_refuses_it_in_ipv4(address: ipaddress.IPv4Address) -> None:
    guard = Guard()
    if not guard.objection(str(address), own=False):
        return
    number = int(address)
    for prefix, shift in (("::ffff:0:0", 0), ("64:ff9b::", 0), ("2002::", 80)):
        inside = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) + (number << shift))
        assert guard.objection(str(inside), own=False), inside


def test_one_bad_address_among_good_ones_refuses_the_name() -> None:
    guard = Guard((), lambda *_: ["140.82.121.3", "127.0.0.1"])
    with pytest.raises(Rejected) as raised:
        guard.addresses("rebinding.example", 443, 1.0, own=True)
    assert raised.value.cause == "address"


@pytest.mark.parametrize("spelling", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]"])
def test_odd_spellings_of_loopback_are_resolved_and_refused(spelling: str) -> None:
    host = spelling.strip("[]")
    with pytest.raises(Rejected):
        Guard().addresses(host, 80, 2.0, own=True)
    with pytest.raises(Rejected):
        Guard().check_literal(host, own=True)


def test_names_pass_the_check_of_literals_without_being_resolved() -> None:
    Guard().check_literal("does-not-exist.invalid", own=True)


def test_a_name_that_does_not_resolve_is_retried_and_nothing_was_sent() -> None:
    with pytest.raises(Retryable) as raised:
        resolve("does-not-exist.invalid", 443, 5.0)
    assert raised.value.sent is False
    assert raised.value.cause == "dns"


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(*_: object, **__: object) -> object:
        released.wait(10)
        raise socket.gaierror("too late")

    # The resolver of the operating system is the one thing here that no argument can replace.
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(Retryable) as raised:
        resolve("slow.example", 443, 0.05)
    released.set()
    assert raised.value.cause == "dns"


def test_a_range_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="bits set"):
        Guard(("10.0.0.1/8",))
