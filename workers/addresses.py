"""Let outbound calls reach only addresses that were checked, whatever a name resolves to.

The attack is server-side request forgery: a base URL, a redirect or a hostile DNS answer that makes a
worker talk to a cloud's metadata service, a database or the host itself.  A name is resolved once, *every*
address of the answer is checked, and the socket is opened to a checked address and to nothing else, so that
a second DNS answer (rebinding) cannot matter.  Decimal, octal and hexadecimal spellings need no parser of
ours: the resolver turns them into addresses and those are checked.

On-premise targets live in private ranges: ``http.private_addresses`` of their connection permits those, for
that connection's own base URL only.  Metadata services stay refused even inside a permitted range.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from connector.errors import Rejected, Retryable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int, float], list[str]]
"""``(host, port, seconds)`` -> every address of the name, in the order to try them; raises `Retryable`."""

METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, OpenStack, DigitalOcean
        "169.254.170.2",  # AWS ECS task credentials
        "fd00:ec2::254",  # AWS over IPv6
        "fd20:ce::254",  # Google over IPv6 (not verified)
        "100.100.100.200",  # Alibaba (not verified)
        "168.63.129.16",  # Azure's host agent: a public address that answers on the inside only (not verified)
    )
)

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
# What is_global of the oldest supported Python (3.11) takes for public and is not.
_ALSO_REFUSED: Final = (
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("100::/64"),
    ipaddress.ip_network("5f00::/16"),
    ipaddress.ip_network("192.88.99.0/24"),
    ipaddress.ip_network("192.0.0.0/24"),
)
_RESOLVING: Final = threading.BoundedSemaphore(64)


def networks(ranges: Iterable[str]) -> tuple[Network, ...]:
    """Read address ranges such as ``10.0.0.0/8``; raises ValueError for what is none."""
    return tuple(ipaddress.ip_network(text) for text in ranges)


def resolve(host: str, port: int, seconds: float) -> list[str]:
    """Ask the system's resolver, and stop waiting after ``seconds``.

    ``getaddrinfo`` has no deadline, so it runs in a thread that is left behind when it is late; at most 64
    such threads exist.  Every failure is `Retryable` and nothing was sent.
    """
    answer: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.put(list(dict.fromkeys(str(row[4][0]) for row in found)))
        except (OSError, UnicodeError) as error:
            answer.put(error if isinstance(error, OSError) else OSError(str(error)))
        finally:
            _RESOLVING.release()

    if not _RESOLVING.acquire(timeout=max(0.0, seconds)):
        raise Retryable(f"too many names are being resolved to ask for {host}", sent=False, cause="dns")
    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    try:
        found = answer.get(timeout=max(0.0, seconds))
    except queue.Empty:
        raise Retryable(f"{host} was not resolved within {seconds:.1f} s", sent=False, cause="dns") from None
    if isinstance(found, OSError):
        raise Retryable(f"{host} cannot be resolved: {found}", sent=False, cause="dns") from found
    return found


@dataclass(frozen=True, slots=True)
class Guard:
    """Which addresses may be called: public ones, and the ``ranges`` its connection permits (``10.0.0.0/8``)."""

    ranges: Sequence[str] = ()
    resolver: Resolver = resolve
    private: tuple[Network, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "private", networks(self.ranges))

    def permits_privately(self, address: str) -> bool:
        """Tell whether ``address`` lies in a range that the connection names."""
        ip = _parse(address)
        return ip is not None and any(ip.version == net.version and ip in net for net in self.private)

    def objection(self, address: str, *, own: bool) -> str:
        """Say why ``address`` may not be called, "" where it may.

        ``own`` is True for the connection's own base URL: only there the permitted ranges count.
        """
        ip = _parse(address)
        if ip is None:
            return "is not an address"
        if ip in METADATA:
            return "is a metadata service"
        if own and any(ip.version == net.version and ip in net for net in self.private):
            return ""
        if isinstance(ip, ipaddress.IPv6Address):
            inner = ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
            if inner is None and ip in _NAT64:
                inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
            if inner is not None:
                # A gateway would carry the packet to the address inside.
                return self.objection(str(inner), own=False)
        if ip.is_multicast or ip.is_reserved or ip.is_unspecified or not ip.is_global:
            return "is not a public address"
        if any(ip.version == net.version and ip in net for net in _ALSO_REFUSED):
            return "is not a public address"
        return ""

    def addresses(self, host: str, port: int, seconds: float, *, own: bool) -> list[str]:
        """Resolve ``host`` once and return its addresses; raises `Rejected` if *any* of them is refused."""
        found = self.resolver(host, port, seconds)
        if not found:
            raise Retryable(f"{host} has no address", sent=False, cause="dns")
        for address in found:
            self.check(host, address, own=own)
        return found

    def check(self, host: str, address: str, *, own: bool) -> None:
        """Raise `Rejected` where ``address`` may not be called."""
        why = self.objection(address, own=own)
        if why:
            hint = "; list its range under http.private_addresses if it is yours" if own else ""
            raise Rejected(f"{host} leads to {address}, which {why}{hint}", cause="address")

    def check_literal(self, host: str, *, own: bool) -> None:
        """Check a host that is an address in any spelling; names pass.

        For calls through a proxy, which resolves the names itself: what names lead to is the proxy's to police.
        """
        try:
            rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            return
        for row in rows:
            self.check(host, str(row[4][0]), own=own)


def _parse(text: str) -> Address | None:
    """Read an address, seeing through scope ids (``fe80::1%eth0``) and IPv4 mapped into IPv6."""
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip
