"""The receiver over real sockets: what only a real server can get wrong."""

from __future__ import annotations

import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Self

import pytest
import uvloop

from tests.workers.builders import TOKEN
from tests.workers.test_receiver import Desk
from workers.listener import HEAD_BYTES, Doorkeeper, server
from workers.receiver import Limits

MEGABYTE = 1024 * 1024


class Impatient(Doorkeeper):
    """The protocol with seconds made short."""

    head_seconds = 0.3


class Running:
    """A receiver that listens on a free port, in a thread of its own."""

    def __init__(self, desk: Desk, *, protocol: type[Doorkeeper] = Impatient, keep_alive: int = 1) -> None:
        self.desk = desk
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._socket.getsockname()[1]
        self._server = server(desk.app, http=protocol, timeout_keep_alive=keep_alive, timeout_graceful_shutdown=1)
        self._thread = threading.Thread(target=lambda: uvloop.run(self._server.serve(sockets=[self._socket])))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()

    @contextmanager
    def open(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as peer:
            yield peer

    def say(self, *pieces: bytes, whole: bool = True) -> bytes:
        """Send ``pieces`` and return all that comes back until the server closes (or one answer)."""
        with self.open() as peer:
            for piece in pieces:
                try:
                    peer.sendall(piece)
                except OSError:
                    break
            return until_closed(peer) if whole else peer.recv(65536)


def until_closed(peer: socket.socket) -> bytes:
    said = b""
    try:
        while chunk := peer.recv(65536):
            said += chunk
    except ConnectionResetError:
        # Closed while we still had something to say.
        return said
    return said


def head(*lines: str, path: str = "/hooks/demo", method: str = "POST", signature: str = TOKEN) -> bytes:
    named = [
        f"{method} {path} HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"X-Signature: {signature}",
        *lines,
    ]
    return "\r\n".join(named).encode() + b"\r\n\r\n"


def status(said: bytes) -> int:
    return int(said.split(b" ", 2)[1]) if said.startswith(b"HTTP/1.1 ") else 0


@pytest.fixture(scope="module")
def one_for_all() -> Iterator[Running]:
    with Running(Desk(limits=Limits(body=timedelta(milliseconds=300)), largest=MEGABYTE)) as one:
        yield one


@pytest.fixture
def running(one_for_all: Running) -> Running:
    """Return a receiver that has heard nothing yet (starting one takes longer than most tests)."""
    desk = one_for_all.desk
    desk.inbox.accepted.clear()
    desk.asked.clear()
    desk.app.counts.clear()
    return one_for_all


def test_webhooks_are_taken_one_after_another_on_one_connection(running: Running) -> None:
    with running.open() as peer:
        for _ in range(3):
            peer.sendall(head("Content-Length: 2") + b"{}")
            said = peer.recv(65536)
            assert status(said) == 202
            assert json.loads(said.partition(b"\r\n\r\n")[2]) == {"accepted": 1}
    assert len(running.desk.inbox.accepted) == 3


def test_pipelined_requests_are_each_answered(running: Running) -> None:
    one = head("Content-Length: 2") + b"{}"
    said = running.say(one * 3 + head("Content-Length: 2", "Connection: close") + b"{}")
    assert said.count(b"HTTP/1.1 202") == 4


def test_a_head_in_small_pieces_is_understood(running: Running) -> None:
    whole = head("Content-Length: 2", "Connection: close") + b"{}"
    assert status(running.say(*[whole[at : at + 7] for at in range(0, len(whole), 7)])) == 202


def test_the_answer_does_not_name_the_server(running: Running) -> None:
    said = running.say(head("Content-Length: 2", "Connection: close") + b"{}").lower()
    assert b"uvicorn" not in said
    assert b"server:" not in said


# --- too much ------------------------------------------------------------------------------------------
def test_twenty_six_chunked_megabytes_are_cut_at_the_cap_without_being_kept() -> None:
    with Running(Desk(largest=5 * MEGABYTE)) as running:
        chunk = b"%x\r\n" % MEGABYTE + b"x" * MEGABYTE + b"\r\n"
        tracemalloc.start()
        said = running.say(head("Transfer-Encoding: chunked"), *[chunk] * 26, b"0\r\n\r\n")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert status(said) == 413, "the close must not overtake the answer while we are still sending"
        assert running.desk.app.counts["demo", "too large"] == 1
        assert peak < 2 * 5 * MEGABYTE + 3 * MEGABYTE
        assert running.desk.app._buffered == 0


def test_a_sender_that_sends_it_all_before_it_listens_hears_that_it_is_too_large(running: Running) -> None:
    body = b"x" * (26 * MEGABYTE)
    assert status(running.say(head(f"Content-Length: {len(body)}") + body)) == 413


def test_a_declared_length_over_the_cap_is_answered_at_once(running: Running) -> None:
    began = time.monotonic()
    assert status(running.say(head(f"Content-Length: {26 * MEGABYTE}"))) == 413
    assert time.monotonic() - began < 0.25


def test_more_than_was_declared_is_another_request_and_no_valid_one(running: Running) -> None:
    said = running.say(head("Content-Length: 2") + b"{}" + b"more than was declared")
    assert b"HTTP/1.1 400" in said
    assert len(running.desk.inbox.accepted) <= 1


def test_less_than_was_declared_is_too_slow(running: Running) -> None:
    assert status(running.say(head("Content-Length: 20") + b"{}")) == 408
    assert running.desk.inbox.accepted == []


@pytest.mark.parametrize(
    "flood",
    [
        b"POST /hooks/demo HTTP/1.1\r\n" + b"X-A: b\r\n" * (HEAD_BYTES // 4),
        b"POST /hooks/demo HTTP/1.1\r\nX-A: " + b"b" * (2 * HEAD_BYTES),
        b"POST /hooks/demo?" + b"a" * (2 * HEAD_BYTES),
        b"\r\n" * (2 * HEAD_BYTES),
    ],
)
def test_a_head_without_end_is_refused(flood: bytes, running: Running) -> None:
    began = time.monotonic()
    assert status(running.say(*[flood[at : at + 8192] for at in range(0, len(flood), 8192)])) in {400, 0}
    assert time.monotonic() - began < 2
    assert running.desk.asked == []


# --- too slow ------------------------------------------------------------------------------------------
def test_five_hundred_slow_heads_are_closed_and_health_answers_meanwhile() -> None:
    with Running(Desk()) as running:
        slow = [socket.create_connection(("127.0.0.1", running.port), timeout=5) for _ in range(500)]
        try:
            for peer in slow:
                peer.sendall(b"POST /hooks/demo HTTP/1.1\r\nHost")
            began = time.monotonic()
            assert status(running.say(head("Connection: close", path="/healthz", method="GET"))) == 200
            assert time.monotonic() - began < 1.0
            for peer in slow:
                assert status(until_closed(peer)) in {408, 0}
            assert time.monotonic() - began < 3.0
        finally:
            for peer in slow:
                peer.close()


def drip(running: Running, start: bytes, piece: bytes) -> float:
    """Send a piece every 50 ms until the server closes; returns after how many seconds it did."""
    began = time.monotonic()
    with running.open() as peer:
        peer.sendall(start)
        peer.settimeout(0.05)
        while time.monotonic() - began < 4:
            try:
                if not peer.recv(65536):
                    break
            except TimeoutError:
                peer.sendall(piece)
            except ConnectionError:
                break
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"", b""),
        (b"", b"P"),
        (b"POST /hooks/demo HTTP/1.1\r\n", b"X"),
        (b"POST /hooks/demo HTTP/1.1\r\n", b"X-A: b\r\n"),
        (b"", b"\r\n"),
        (head("Content-Length: 100000"), b"x"),
        (head("Transfer-Encoding: chunked"), b"1\r\nx\r\n"),
        (head("Content-Length: 2") + b"{}", b"\r\n"),
        (head("Content-Length: 2") + b"{}", b"P"),
    ],
)
def test_a_byte_at_a_time_is_no_way_to_stay(start: bytes, piece: bytes, running: Running) -> None:
    assert drip(running, start, piece) < 2.5


def test_an_idle_connection_between_requests_is_closed_by_keep_alive_not_by_the_head_deadline() -> None:
    with Running(Desk(), keep_alive=2) as running, running.open() as peer:
        peer.sendall(head("Content-Length: 2") + b"{}")
        assert status(peer.recv(65536)) == 202
        idle = threading.Event()
        idle.wait(0.6)  # twice the deadline of a head
        peer.sendall(head("Content-Length: 2") + b"{}")
        assert status(peer.recv(65536)) == 202


def test_a_slow_store_is_not_mistaken_for_a_slow_head() -> None:
    with Running(Desk(limits=Limits(store=timedelta(seconds=0.7)))) as running:
        running.desk.inbox.hangs = True
        said = running.say(head("Content-Length: 2", "Connection: close") + b"{}")
        assert status(said) == 503


def test_one_connection_too_many_is_closed() -> None:
    class Crowded(Impatient):
        most_connections = 2
        head_seconds = 5.0

    with Running(Desk(), protocol=Crowded) as running, running.open() as one, running.open() as two:
        one.sendall(head("Content-Length: 2") + b"{}")
        assert status(one.recv(65536)) == 202
        two.sendall(head("Content-Length: 2") + b"{}")
        assert status(two.recv(65536)) == 202
        assert running.say() == b""


# --- two meanings --------------------------------------------------------------------------------------
SMUGGLED = b"0\r\n\r\nPOST /hooks/demo HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 4", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 4"),
        ("Content-Length: 2", "Content-Length: 40"),
        ("Content-Length: 2, 40",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding : chunked",),
        ("Content-Length: +2",),
        ("Content-Length: 0x2",),
        ("X: y\rContent-Length: 2",),
    ],
)
def test_a_request_with_two_meanings_is_refused(lines: tuple[str, ...], running: Running) -> None:
    said = running.say(head(*lines) + SMUGGLED)
    assert status(said) == 400
    assert b"HTTP/1.1 202" not in said
    assert running.desk.inbox.accepted == []


@pytest.mark.parametrize(
    "path", ["/hooks/../hooks/demo", "//hooks/demo", "/hooks//demo", "/hooks/demo%2f", "/%68ooks/demo"]
)
def test_paths_are_compared_as_they_were_sent(path: str, running: Running) -> None:
    assert status(running.say(head("Content-Length: 2", "Connection: close", path=path) + b"{}")) in {404, 405}
    assert running.desk.inbox.accepted == []


def test_the_host_header_means_nothing(running: Running) -> None:
    raw = head("Content-Length: 2", "Connection: close").replace(b"Host: x", b"Host: evil.example") + b"{}"
    said = running.say(raw)
    assert status(said) == 202
    assert b"evil" not in said


@pytest.mark.parametrize("method", ["GET", "PUT", "TRACE", "DELETE"])
def test_other_methods_are_refused_over_the_wire_too(method: str, running: Running) -> None:
    assert status(running.say(head(method=method))) == 405


@pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
def test_an_upgrade_is_not_granted(upgrade: str, running: Running) -> None:
    said = running.say(head(f"Upgrade: {upgrade}", "Connection: Upgrade", "Content-Length: 2") + b"{}")
    assert b"HTTP/1.1 101" not in said


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 100, b"PRI * HTTP/2.0\r\n\r\n"]
)
def test_what_is_no_http_is_closed(junk: bytes, running: Running) -> None:
    said = running.say(junk)
    assert status(said) in {400, 408, 404, 405, 0}
    assert running.desk.asked == []
