"""Open sockets to checked addresses only, and close each when its call's time or size runs out.

``requests`` has no total deadline: its read timeout starts again with every byte, so a peer that drips one
byte a second holds a thread for ever.  Here the deadline lives in the socket.  Every receive and every send
first trims the socket's timeout to what is left of the call, whether it reads headers, a chunk size, a TLS
record or the body; no watchdog thread is needed and an idle connection costs nothing.  The socket also counts
what it receives, which bounds floods that never become a body (headers, ``100 Continue``, trailers).

One `Call` belongs to one session, and one session to one thread: nothing here is shared.
"""

from __future__ import annotations

import functools
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import certifi
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from connector.errors import Rejected, Retryable
from workers.addresses import Guard

SLACK: Final = 1 << 20
"""Bytes a call may receive beyond its body cap, for headers and framing."""

USUAL_PORTS: Final = {"http": 80, "https": 443}

_ORIGINS: Final = 4
"""Origins a session keeps connections to: its own, and what reads are redirected to."""


@dataclass(slots=True)
class Call:
    """The call under way on one thread's session: how long it may last, what has happened so far.

    ``deadline`` is an instant of ``clock``; ``connect`` and ``read`` are seconds.  ``sent`` turns True when the
    first byte of a request is handed to the kernel.  ``own`` says the peer is the connection's own base URL.
    """

    guard: Guard
    clock: Callable[[], float]
    connect: float
    read: float
    cap: int
    deadline: float = 0.0
    sent: bool = False
    own: bool = True
    reused: bool = True
    received: int = 0
    overflow: bool = False
    bytes_out: int = 0
    """Bytes handed to the kernel and received from it since `Transport` set them to 0: of all hops."""
    bytes_in: int = 0

    def begin(self, deadline: float, *, own: bool) -> None:
        """Start a request (or the next hop of one)."""
        self.deadline = deadline
        self.own = own
        self.sent = self.overflow = False
        self.reused = True
        self.received = 0

    def left(self, most: float) -> float:
        """Return the seconds a socket operation may take; raises TimeoutError where none are left."""
        left = self.deadline - self.clock()
        if left <= 0:
            message = "the call's total deadline has passed"
            raise TimeoutError(message)
        return min(left, most)

    def count(self, received: int) -> int:
        """Count received bytes; raises OSError past the cap."""
        self.received += received
        self.bytes_in += received
        if self.received > self.cap + SLACK:
            self.overflow = True
            message = "the answer is larger than the cap"
            raise OSError(message)
        return received


class PlainSocket(socket.socket):
    """A TCP socket that keeps the deadline of its call."""

    call: Call

    def recv_into(self, *arguments: Any) -> int:
        """Receive within what is left of the call."""
        self.settimeout(self.call.left(self.call.read))
        return self.call.count(super().recv_into(*arguments))

    def sendall(self, *arguments: Any) -> None:
        """Send within what is left of the call; the kernel's timeout covers the whole of it."""
        self.settimeout(self.call.left(self.call.read))
        self.call.sent = True
        super().sendall(*arguments)
        self.call.bytes_out += memoryview(arguments[0]).nbytes


class TlsSocket(ssl.SSLSocket):
    """A TLS socket that keeps the deadline of its call; the handshake has the timeout set before it."""

    call: Call

    def recv_into(self, *arguments: Any) -> int:
        """Receive within what is left of the call."""
        self.settimeout(self.call.left(self.call.read))
        return self.call.count(super().recv_into(*arguments))

    def send(self, *arguments: Any) -> int:
        """Send one piece (``sendall`` is made of these) within what is left of the call."""
        self.settimeout(self.call.left(self.call.read))
        self.call.sent = True
        sent = super().send(*arguments)
        self.call.bytes_out += sent
        return sent


class _Opens:
    """What both kinds of connection share: how they open their socket."""

    call: Call
    scheme: str

    def open(self: Any) -> socket.socket:
        """Connect to a checked address of the host; raises `Retryable` (nothing sent) or `Rejected`."""
        call: Call = self.call
        call.reused = False
        host, port = self._dns_host, self.port
        budget = _left(call, call.connect)
        if self.proxy is not None:
            # The operator named the proxy: it is not a target, and it polices what it opens for us.
            addresses = call.guard.resolver(host, port, budget)
        else:
            addresses = call.guard.addresses(host, port, budget, own=call.own)
            if self.scheme == "http" and not all(call.guard.permits_privately(a) for a in addresses):
                raise Rejected(f"{host} is public: https is required", cause="plain_http")
        last: OSError | None = None
        for number, address in enumerate(addresses):
            share = _left(call, budget / (len(addresses) - number))
            try:
                return _connect(call, address, port, share, self.socket_options or ())
            except OSError as error:
                last = error
        raise Retryable(f"no connection to {host}:{port}: {last}", sent=False, cause="connect") from last


def _left(call: Call, most: float) -> float:
    try:
        return call.left(most)
    except TimeoutError as error:
        raise Retryable(str(error), sent=False, cause="timeout") from error


def _connect(call: Call, address: str, port: int, seconds: float, options: Any) -> PlainSocket:
    opened = PlainSocket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.call = call
        for option in options:
            opened.setsockopt(*option)
        opened.settimeout(seconds)
        opened.connect((address, port))
        _check_peer(opened, address)
        # The TLS handshake that may follow inherits this timeout.
        opened.settimeout(call.left(seconds))
    except BaseException:
        opened.close()
        raise
    return opened


def _check_peer(opened: socket.socket, address: str) -> None:
    peer = opened.getpeername()[0]
    if peer != address.partition("%")[0]:
        message = f"connected to {peer} instead of {address}"
        raise OSError(message)


class PlainConnection(_Opens, HTTPConnection):
    """An HTTP connection to a checked address."""

    scheme = "http"

    def __init__(self, *arguments: Any, call: Call, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.call = call

    def _new_conn(self) -> socket.socket:
        return self.open()


class TlsConnection(_Opens, HTTPSConnection):
    """An HTTPS connection to a checked address; name, chain and version are checked by its context."""

    scheme = "https"

    def __init__(self, *arguments: Any, call: Call, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.call = call

    def _new_conn(self) -> socket.socket:
        return self.open()

    def connect(self) -> None:
        """Open, tunnel where there is a proxy, shake hands.  None of it is the request yet."""
        try:
            super().connect()
        finally:
            self.call.sent = False
        if isinstance(self.sock, TlsSocket):
            self.sock.call = self.call


@functools.lru_cache(maxsize=64)
def tls(ca_file: str) -> ssl.SSLContext:
    """Make the one way TLS is spoken: verified, 1.2 at least; ``ca_file`` *replaces* the public authorities."""
    context = ssl.create_default_context(cafile=ca_file or certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = TlsSocket
    return context


class Adapter(HTTPAdapter):
    """The `requests` adapter of one thread: pooled, checked, without cookies, environment or redirects."""

    def __init__(self, call: Call, *, ca_file: str, proxy: str) -> None:
        self._call = call
        self._tls = tls(ca_file)
        self._proxy = proxy
        self._pools: dict[tuple[str, str, int], HTTPConnectionPool] = {}
        super().__init__(pool_connections=_ORIGINS, pool_maxsize=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:
        """Make the one manager there is: straight, or through the proxy."""
        sizes = {"num_pools": connections, "maxsize": maxsize, "block": block, "ssl_context": self._tls, **more}
        if self._proxy:
            self.poolmanager = ProxyManager(self._proxy, proxy_headers=self.proxy_headers(self._proxy), **sizes)
        else:
            self.poolmanager = PoolManager(**sizes)

    def pool(self, scheme: str, host: str, port: int) -> HTTPConnectionPool:
        """Return the pool of an origin; its connections carry this thread's call."""
        known = self._pools.get((scheme, host, port))
        if known is not None:
            return known
        if len(self._pools) >= _ORIGINS:
            # Redirects may name ever new hosts.
            self.forget()
        found: HTTPConnectionPool = self.poolmanager.connection_from_host(host, port, scheme)
        kind = TlsConnection if isinstance(found, HTTPSConnectionPool) else PlainConnection
        # urllib3 only ever calls it; its annotation wants a class.
        found.ConnectionCls = functools.partial(kind, call=self._call)  # type: ignore[assignment]
        self._pools[scheme, host, port] = found
        return found

    def forget(self) -> None:
        """Close every connection."""
        self._pools.clear()
        self.poolmanager.clear()

    def get_connection_with_tls_context(self, request: PreparedRequest, *_: Any, **__: Any) -> Any:
        """Choose the pool by the origin that was checked, not by parsing the URL again."""
        return self.pool(*_hop(request).origin)

    def cert_verify(self, *_: Any) -> None:
        """Leave the context alone: requests would load the public authorities into it, next to a private one."""

    def request_url(self, request: PreparedRequest, *_: Any) -> str:
        """Return the request target: the path, or the whole URL for a plain-HTTP proxy."""
        hop = _hop(request)
        return hop.url if self._proxy and hop.origin[0] == "http" else hop.target

    def add_headers(self, request: PreparedRequest, **_: Any) -> None:
        """Add nothing."""

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """Wrap the raw answer and nothing else: no cookie is read, so none is ever sent back."""
        del req
        response = Response()
        response.status_code = resp.status
        response.raw = resp
        return response


@dataclass(frozen=True, slots=True)
class Hop:
    """Where one HTTP exchange goes: origin (scheme, host, port), request target, whether that is our own."""

    origin: tuple[str, str, int]
    target: str
    own: bool

    @property
    def url(self) -> str:
        """The whole URL."""
        scheme, host, port = self.origin
        shown = f"[{host}]" if ":" in host else host
        return f"{scheme}://{shown}{'' if port == USUAL_PORTS[scheme] else f':{port}'}{self.target}"


class Prepared(PreparedRequest):
    """A request that knows its hop, so that no layer below parses its URL again."""

    def __init__(self, hop: Hop, method: str, headers: Mapping[str, str], body: bytes | None) -> None:
        super().__init__()
        self.hop = hop
        self.method = method
        self.url = hop.url
        self.headers = headers  # type: ignore[assignment]  # a plain dict serves; requests types its own
        self.body = body


def _hop(request: PreparedRequest) -> Hop:
    if not isinstance(request, Prepared):
        message = "this adapter sends only requests that were checked"
        raise TypeError(message)
    return request.hop
