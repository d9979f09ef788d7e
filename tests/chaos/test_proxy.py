"""A line does to a request what its spoiling says, and nothing to the others."""

from __future__ import annotations

import http.client
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from random import Random
from typing import Any

import pytest

from tests.chaos.proxy import Line, Proxy

MARK = "jc1:chaos:github:" + "a" * 32


class Vendor(BaseHTTPRequestHandler):
    """Answers every request with its own body and writes it down."""

    protocol_version = "HTTP/1.1"
    seen: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if len(body) == int(self.headers["content-length"]):
            self.seen.append(body)
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Quiet(socketserver.ThreadingTCPServer):
    """A server that does not print what a broken line makes of it."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


@pytest.fixture
def seen() -> list[bytes]:
    """Return the bodies that arrived."""
    return []


@pytest.fixture
def proxy(seen: list[bytes]) -> Iterator[Proxy]:
    """Return a proxy with a line ``vendor`` to a server that keeps what arrives in ``seen``."""
    vendor = Quiet(("127.0.0.1", 0), type("Seeing", (Vendor,), {"seen": seen}))
    thread = threading.Thread(target=vendor.serve_forever, args=(0.02,))
    thread.start()
    with Proxy(Random(7)) as running:
        running.line("vendor", ("127.0.0.1", int(vendor.server_address[1])), http=True)
        yield running
    vendor.shutdown()
    thread.join()
    vendor.server_close()


@pytest.fixture
def line(proxy: Proxy) -> Line:
    """Return the line."""
    return proxy.lines["vendor"]


def post(line: Line, body: bytes, *, path: str = "/x", seconds: float = 2.0) -> bytes:
    """Send one request over a connection of its own and return the answer's body."""
    connection = http.client.HTTPConnection("127.0.0.1", line.port, timeout=seconds)
    try:
        connection.request("POST", path, body)
        return connection.getresponse().read()
    finally:
        connection.close()


def until(seen: list[bytes], number: int) -> None:
    """Wait until so many requests have arrived."""
    limit = time.monotonic() + 5
    while len(seen) < number:
        assert time.monotonic() < limit
        threading.Event().wait(0.01)


def test_a_healthy_line_carries_requests_and_counts_them(line: Line, seen: list[bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", line.port, timeout=2)
    for number in range(3):
        connection.request("POST", "/x", b"n%d" % number * 1000)
        assert connection.getresponse().read() == b"n%d" % number * 1000
    connection.close()
    assert (len(seen), line.requests, line.struck) == (3, 3, {})


@pytest.mark.parametrize(("kind", "arrives"), [("drop_reply", 1), ("reset", 0), ("half_write", 0)])
def test_a_broken_exchange_has_no_answer_and_arrives_or_not(
    proxy: Proxy, line: Line, seen: list[bytes], kind: str, arrives: int
) -> None:
    proxy.spoil("vendor", kind, share=1.0, seconds=60)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        post(line, b"spoilt" * 100)
    until(seen, arrives)
    proxy.heal("vendor")
    assert post(line, b"after") == b"after"
    assert seen == [b"spoilt" * 100] * arrives + [b"after"]
    assert proxy.struck == {f"vendor.{kind}": 1}


def test_a_black_hole_swallows_the_request_until_the_line_is_healed(
    proxy: Proxy, line: Line, seen: list[bytes]
) -> None:
    proxy.spoil("vendor", "blackhole", share=1.0, seconds=60)
    with pytest.raises(TimeoutError):
        post(line, b"lost", seconds=0.2)
    threading.Timer(0.2, lambda: proxy.heal("vendor")).start()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        post(line, b"lost too", seconds=5)
    assert post(line, b"after") == b"after"
    assert seen == [b"after"]


def test_a_drip_is_too_slow_for_anybody_and_ends_when_healed(proxy: Proxy, line: Line) -> None:
    proxy.spoil("vendor", "drip", share=1.0, seconds=60)
    with pytest.raises(TimeoutError):
        # A read may take half a second; a byte comes each second.
        post(line, b"slow", seconds=0.5)
    threading.Timer(0.2, lambda: proxy.heal("vendor")).start()
    assert post(line, b"slow", seconds=5) == b"slow"


def test_a_delayed_request_is_answered(proxy: Proxy, line: Line) -> None:
    proxy.spoil("vendor", "delay", share=1.0, seconds=60, pause=(0.2, 0.2))
    before = time.monotonic()
    assert post(line, b"late") == b"late"
    assert time.monotonic() - before > 0.2


def test_what_is_held_lands_though_its_sender_is_gone_and_is_noted(proxy: Proxy, line: Line, seen: list[bytes]) -> None:
    proxy.spoil("vendor", "hold", share=1.0, seconds=60, pause=(0.5, 0.5))
    assert post(line, b"no mark", path="/rest/api/3/issue") == b"no mark"
    body = json.dumps({"properties": MARK}).encode()
    assert post(line, body, path="/rest/api/3/search") == body
    with pytest.raises(TimeoutError):
        post(line, body, path="/rest/api/3/issue", seconds=0.1)
    assert len(seen) == 2
    until(seen, 3)
    (held,) = proxy.held
    assert held.marker == MARK
    assert (held.went - held.came).total_seconds() >= 0.5


def test_a_share_of_the_requests_is_spoilt(proxy: Proxy, line: Line) -> None:
    proxy.spoil("vendor", "reset", share=0.3, seconds=60)
    fine = 0
    for _ in range(60):
        try:
            fine += post(line, b"x") == b"x"
        except (ConnectionError, http.client.HTTPException):
            continue
    assert 30 < fine < 55
    assert line.struck["reset"] == 60 - fine


def test_a_spoiling_ends_by_itself(proxy: Proxy, line: Line) -> None:
    proxy.spoil("vendor", "reset", share=1.0, seconds=0.0)
    threading.Event().wait(0.02)
    assert post(line, b"x") == b"x"
