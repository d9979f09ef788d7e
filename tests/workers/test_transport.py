from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.errors import ConnectorError, RateLimited, Rejected, Retryable, Scope
from connector.ports import Request, Response
from tests.workers.builders import TOKEN, a_connection, a_system, reveal
from tests.workers.peers import Certificates, Peer, answer, certificates
from workers.addresses import Guard
from workers.logs import redact
from workers.transport import Refused, Transport, Unlimited, retry_after
from workers.unpacking import LARGEST
from workers.wire import Hop, _check_peer, tls

READ = Request("GET", "/thing")
WRITE = Request("POST", "/thing", json={"a": 1})


def transport(
    url: str, *, system: Mapping[str, Any] | None = None, guard: Guard | None = None, **http: Any
) -> Transport:
    connection = a_connection(url, **http)
    return Transport(
        a_system(**(system or {})),
        connection,
        reveal,
        limiter=Unlimited(),
        guard=guard or Guard(connection.http.private_addresses),
    )


def test_a_request_carries_method_path_query_body_and_credentials() -> None:
    with Peer(answer(201, b'{"id":7}', X_Thing="b")) as peer:
        response = transport(f"{peer.url}/jira/")(
            Request("POST", "/rest/x", query={"a": "ü&", "b": ["1", "2"]}, json={"k": "é"}, headers={"x-extra": "1"})
        )
    assert response.status == 201
    assert response.json() == {"id": 7}
    assert response.headers["x-thing"] == "b"
    head, _, body = peer.seen[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /jira/rest/x?a=%C3%BC%26&b=1&b=2 HTTP/1.1"
    assert f"Authorization: Bearer {TOKEN}".encode() in lines
    assert b"Content-Type: application/json" in lines
    assert b"x-extra: 1" in lines
    assert any(line.startswith(b"User-Agent: jira-connector/") for line in lines)
    assert body == '{"k":"é"}'.encode()


def test_a_connection_is_kept_for_the_next_call_of_its_thread() -> None:
    with Peer(answer()) as peer:
        send = transport(peer.url)
        send(READ)
        send(WRITE)
        send(READ)
        assert peer.connections == 1
        other = threading.Thread(target=send, args=(READ,))
        other.start()
        other.join()
        assert peer.connections == 2


def test_a_refused_connection_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(Retryable) as raised:
        transport(f"http://127.0.0.1:{port}")(WRITE)
    assert (raised.value.sent, raised.value.cause) == (False, "connect")


def test_a_connection_cut_after_a_write_may_have_sent_it_and_it_is_not_repeated() -> None:
    with Peer(lambda *_: False) as peer:
        with pytest.raises(Retryable) as raised:
            transport(peer.url)(WRITE)
        assert (raised.value.sent, raised.value.cause) == (True, "reset")
        assert len(peer.seen) == 1


def test_an_answer_cut_half_way_is_no_answer() -> None:
    def half(_peer: Peer, sock: socket.socket, _request: bytes) -> bool:
        sock.sendall(answer(200, b"x" * 100)[:-50])
        return False

    with Peer(half) as peer, pytest.raises(Retryable) as raised:
        transport(peer.url)(WRITE)
    assert raised.value.sent is True


class ClosesIdle:
    """Answer the first request of the first connection, then close it only when the second arrives."""

    def __init__(self) -> None:
        self.requests = 0

    def __call__(self, _peer: Peer, sock: socket.socket, _request: bytes) -> bool:
        self.requests += 1
        if self.requests == 2:
            return False
        sock.sendall(answer())
        return True


def test_a_read_on_a_connection_that_had_gone_idle_is_asked_again() -> None:
    with Peer(ClosesIdle()) as peer:
        send = transport(peer.url)
        send(READ)
        assert send(READ).status == 200
        assert peer.connections == 2


def test_a_write_on_a_connection_that_had_gone_idle_is_unknown() -> None:
    with Peer(ClosesIdle()) as peer:
        send = transport(peer.url)
        send(READ)
        with pytest.raises(Retryable) as raised:
            send(WRITE)
        assert raised.value.sent is True
        assert len(peer.seen) == 2


def test_a_read_that_timed_out_is_not_asked_again() -> None:
    def once(peer: Peer, sock: socket.socket, _request: bytes) -> bool:
        if len(peer.seen) > 1:
            return not peer.over.wait(5)
        sock.sendall(answer())
        return True

    with Peer(once) as peer:
        send = transport(peer.url, read=0.2)
        send(READ)
        with pytest.raises(Retryable) as raised:
            send(READ)
        assert raised.value.cause == "timeout"
        assert len(peer.seen) == 2


# --- deadlines -----------------------------------------------------------------------------------------
DRIPPED = {
    "headers": answer(200, b"{}", **{f"x-{n}": "y" * 50 for n in range(20)}),
    "body": answer(200, b"x" * 5000),
    "chunks": answer(200, b"1\r\nx\r\n" * 500, transfer_encoding="chunked"),
    "interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 500,
    "nothing": b"",
}


@pytest.mark.parametrize("what", DRIPPED)
@pytest.mark.parametrize("secure", [False, True])
def test_a_slow_drip_ends_at_the_total_deadline(what: str, secure: bool, tmp_path: Path) -> None:
    authority = certificates(tmp_path)

    def drip(peer: Peer, sock: socket.socket, _request: bytes) -> bool:
        fast = 0 if what in {"headers", "interim answers", "nothing"} else DRIPPED[what].index(b"\r\n\r\n") + 4
        sock.sendall(DRIPPED[what][:fast])
        peer.drip(sock, DRIPPED[what][fast:], 0.02)
        peer.over.wait(5)
        return False

    with Peer(drip, tls=authority.server() if secure else None) as peer:
        began = time.monotonic()
        with pytest.raises(Retryable) as raised:
            transport(peer.url, total=0.3, ca_file=authority.ca_file)(WRITE)
        assert time.monotonic() - began < 1.5
    assert (raised.value.sent, raised.value.cause) == (True, "timeout")


def test_a_silent_target_ends_at_the_read_deadline() -> None:
    with Peer(lambda peer, *_: peer.over.wait(5)) as peer:
        began = time.monotonic()
        with pytest.raises(Retryable) as raised:
            transport(peer.url, read=0.2, total=30)(READ)
        assert time.monotonic() - began < 1.5
    assert (raised.value.sent, raised.value.cause) == (True, "timeout")


def test_a_target_that_reads_nothing_ends_at_the_total_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        began = time.monotonic()
        with pytest.raises(Retryable) as raised:
            transport(f"http://127.0.0.1:{deaf.getsockname()[1]}", total=0.3)(
                Request("POST", "/", body=b"x" * 50_000_000)
            )
        assert time.monotonic() - began < 1.5
    assert raised.value.sent is True


def test_a_tls_handshake_that_hangs_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        began = time.monotonic()
        with pytest.raises(Retryable) as raised:
            transport(f"https://127.0.0.1:{deaf.getsockname()[1]}", connect=0.2)(WRITE)
        assert time.monotonic() - began < 1.5
    assert raised.value.sent is False


def test_no_call_begins_that_the_lease_leaves_no_time_for() -> None:
    with Peer(answer()) as peer:
        send = transport(peer.url)
        send.deadline = time.monotonic() + 1.0
        with pytest.raises(Retryable) as raised:
            send(WRITE)
        assert (raised.value.sent, raised.value.cause) == (False, "lease")
        assert peer.seen == []
        send.deadline = time.monotonic() + 60
        assert send(WRITE).status == 200


def test_a_lease_is_one_threads_own() -> None:
    with Peer(answer()) as peer:
        send = transport(peer.url)
        send.deadline = time.monotonic() - 1
        answers: list[Response] = []
        other = threading.Thread(target=lambda: answers.append(send(READ)))
        other.start()
        other.join()
        assert answers[0].status == 200


def test_a_lease_shorter_than_the_total_ends_the_call() -> None:
    def drip(peer: Peer, sock: socket.socket, _request: bytes) -> bool:
        peer.drip(sock, answer(200, b"x" * 5000), 0.01)
        return False

    with Peer(drip) as peer:
        connection = a_connection(peer.url)
        # A clock of ten ticks a second: three of its seconds are 0.3 of ours.
        send = Transport(
            a_system(),
            connection,
            reveal,
            limiter=Unlimited(),
            guard=Guard(("127.0.0.0/8",)),
            clock=lambda: time.monotonic() * 10,
        )
        send.deadline = time.monotonic() * 10 + 3.0
        began = time.monotonic()
        with pytest.raises(Retryable):
            send(READ)
        assert time.monotonic() - began < 1.5


# --- sizes ---------------------------------------------------------------------------------------------
def test_a_body_of_exactly_the_cap_is_fine() -> None:
    with Peer(answer(200, b"x" * LARGEST)) as peer:
        assert len(transport(peer.url)(READ).body) == LARGEST


def test_a_compressed_bomb_is_cut_at_the_cap() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join([packer.compress(b"\0" * 1_000_000) for _ in range(400)]) + packer.flush()
    with Peer(answer(200, bomb, content_encoding="gzip")) as peer:
        tracemalloc.start()
        with pytest.raises(Rejected) as raised:
            transport(peer.url)(READ)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert raised.value.cause == "too_large"
    assert peak < 4 * LARGEST


def test_a_compressed_answer_is_read() -> None:
    with Peer(answer(200, gzip.compress(b'{"a":1}'), content_encoding="gzip")) as peer:
        assert transport(peer.url)(READ).json() == {"a": 1}


def test_a_compressed_answer_of_several_members_is_read_whole() -> None:
    with Peer(answer(200, gzip.compress(b'{"a"') + gzip.compress(b":1}"), content_encoding="gzip")) as peer:
        assert transport(peer.url)(READ).json() == {"a": 1}


def test_a_bomb_of_many_small_members_is_cut_at_the_cap() -> None:
    bomb = gzip.compress(b"\0" * 1_000_000) * 400
    with Peer(answer(200, bomb, content_encoding="gzip")) as peer, pytest.raises(Rejected) as raised:
        transport(peer.url)(READ)
    assert raised.value.cause == "too_large"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(b"x" * 100)[:-9]),
        ("br", b"x"),
        ("gzip, gzip", b"x"),
        ("zstd", b"x"),
    ],
)
def test_an_answer_that_cannot_be_unpacked_is_no_answer(encoding: str, body: bytes) -> None:
    with Peer(answer(200, body, content_encoding=encoding)) as peer, pytest.raises(Retryable) as raised:
        transport(peer.url)(WRITE)
    assert (raised.value.sent, raised.value.cause) == (True, "garbled")


def endless(data: bytes, times: int) -> Any:
    def handle(_peer: Peer, sock: socket.socket, _request: bytes) -> bool:
        for _ in range(times):
            sock.sendall(data)
        return False

    return handle


def test_an_endless_body_is_cut() -> None:
    start = b"HTTP/1.1 200 X\r\n\r\n"
    with Peer(endless(start + b"x" * 1_000_000, 100)) as peer, pytest.raises(Rejected) as raised:
        transport(peer.url)(READ)
    assert raised.value.cause == "too_large"


def test_a_write_whose_answer_is_too_large_is_unknown_not_refused() -> None:
    with Peer(answer(200, b"x" * (LARGEST + 1))) as peer, pytest.raises(Retryable) as raised:
        transport(peer.url)(WRITE)
    assert raised.value.sent is True


@pytest.mark.parametrize(
    "flood",
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, 200),
        (b"HTTP/1.1 200 X\r\n" + b"x-a: b\r\n" * 100_000, 1),
        (b"HTTP/1.1 200 X\r\nx-a: " + b"b" * 1_000_000, 30),
    ],
)
def test_a_flood_that_never_becomes_a_body_is_cut(flood: tuple[bytes, int]) -> None:
    with Peer(endless(*flood)) as peer:
        began = time.monotonic()
        with pytest.raises(ConnectorError):
            transport(peer.url, total=10)(READ)
        assert time.monotonic() - began < 5


def test_interim_answers_without_end_are_cut_at_the_cap_not_at_the_deadline() -> None:
    with Peer(endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 40_000, 100)) as peer, pytest.raises(Rejected) as raised:
        transport(peer.url)(READ)
    assert raised.value.cause == "too_large"


# --- where it may go -----------------------------------------------------------------------------------
def test_an_internal_address_is_not_called_unless_permitted() -> None:
    with Peer(answer()) as peer:
        with pytest.raises(Rejected) as raised:
            transport(peer.url, private_addresses=())(READ)
        assert raised.value.cause == "address"
        assert peer.connections == 0


def test_plain_http_to_a_public_address_is_refused() -> None:
    guard = Guard((), lambda *_: ["140.82.121.3"])
    with pytest.raises(Rejected) as raised:
        transport("http://jira.example", guard=guard)(READ)
    assert raised.value.cause == "plain_http"


def test_a_name_is_resolved_once_and_the_checked_address_is_called() -> None:
    asked: list[str] = []

    def rebinding(host: str, _port: int, _seconds: float) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with Peer(answer()) as peer:
        send = transport(f"http://jira.example:{peer.port}", guard=Guard(("127.0.0.0/8",), rebinding))
        assert send(READ).status == 200
        assert asked == ["jira.example"]
        assert b"Host: jira.example" in peer.seen[0]
        send.close()
        with pytest.raises(Rejected):
            send(READ)


def test_the_next_address_is_tried_when_the_first_does_not_answer() -> None:
    with Peer(answer()) as peer:
        guard = Guard(("127.0.0.0/8",), lambda *_: ["127.0.0.77", "127.0.0.1"])
        assert transport(f"http://jira.example:{peer.port}", guard=guard)(READ).status == 200


def test_an_absolute_url_on_the_own_host_is_fine_and_elsewhere_is_not() -> None:
    with Peer(answer()) as peer:
        send = transport(f"{peer.url}/prefix")
        assert send(Request("GET", f"{peer.url}/prefix/x?page=2")).status == 200
        assert peer.seen[0].startswith(b"GET /prefix/x?page=2 ")
        for url in (
            "https://evil.example/",
            f"http://127.0.0.1:{peer.port + 1}/",
            f"http://u:p@127.0.0.1:{peer.port}/",
        ):
            with pytest.raises(Rejected):
                send(Request("GET", url))
        assert len(peer.seen) == 1


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "/a\r\nX: y"),
        Request("GET", "/a", headers={"x-a": "b\r\nx-c: d"}),
        Request("GET", "/a", headers={"x-a\n": "b"}),
        Request("GET", "/a", headers={"x-a": "☃"}),
        Request("GET", "/a", headers={"Host": "evil.example"}),
        Request("GET", "/a", headers={"Transfer-Encoding": "chunked"}),
        Request("GET", "/issue/../../admin"),
        Request("GET", "/issue/%2e%2E/admin"),
        Request("GET", "/issue/..%2fadmin"),
    ],
)
def test_what_would_split_or_redirect_a_request_is_refused_before_anything_is_sent(request_: Request) -> None:
    with Peer(answer()) as peer:
        with pytest.raises(Rejected):
            transport(peer.url)(request_)
        assert peer.connections == 0


def test_a_credential_that_breaks_a_header_is_refused_without_being_told() -> None:
    with Peer(answer()) as peer:
        send = transport(peer.url, system={"authorize": lambda *_: {"Authorization": f"Bearer {TOKEN}\n"}})
        with pytest.raises(Rejected) as raised:
            send(READ)
    assert TOKEN not in str(raised.value)


# --- redirects -----------------------------------------------------------------------------------------
def redirects(status: int, location: str) -> Any:
    def handle(_peer: Peer, sock: socket.socket, request: bytes) -> bool:
        sock.sendall(answer(200) if b" /end " in request else answer(status, b"", location=location))
        return True

    return handle


def test_a_read_follows_a_redirect_on_its_own_host_with_credentials() -> None:
    with Peer(redirects(302, "/end")) as peer:
        assert transport(peer.url)(READ).status == 200
        assert TOKEN.encode() in peer.seen[1]


def test_a_write_follows_no_redirect() -> None:
    with Peer(redirects(307, "/end")) as peer:
        with pytest.raises(Rejected) as raised:
            transport(peer.url)(WRITE)
        assert raised.value.cause == "redirect"
        assert len(peer.seen) == 1


def test_see_other_after_a_write_is_unknown_because_it_may_be_done() -> None:
    with Peer(redirects(303, "/end")) as peer, pytest.raises(Retryable) as raised:
        transport(peer.url)(WRITE)
    assert raised.value.sent is True


def test_redirects_in_a_ring_end() -> None:
    with Peer(redirects(302, "/again")) as peer:
        with pytest.raises(Rejected) as raised:
            transport(peer.url)(READ)
        assert raised.value.cause == "redirects"
        assert len(peer.seen) == 4


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "https://127.0.0.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://good@evil.example/",
        "https://evil.example:22/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://127.0.0.1:1/",
        "https://evil.example:99999/",
        "https://ev%69l.example/",
        "https://[bad/",
    ],
)
def test_a_redirect_to_where_nothing_may_go_is_refused(location: str) -> None:
    with Peer(redirects(302, location)) as peer:
        with pytest.raises(Rejected):
            transport(peer.url)(READ)
        assert len(peer.seen) == 1


class Elsewhere:
    """Send every redirect to another origin, which real ones may only be on port 443."""

    def __init__(self, home: Any, port: int) -> None:
        self.hop = home.hop
        self._port = port

    def redirected(self, _hop: Hop, _location: str) -> Hop:
        return Hop(("http", "127.0.0.1", self._port), "/end", own=True)


def test_another_origin_sees_no_credential_and_no_header_of_a_system() -> None:
    with Peer(answer()) as there, Peer(redirects(302, "https://elsewhere.example/end")) as here:
        send = transport(here.url)
        send._home = Elsewhere(send._home, there.port)  # type: ignore[assignment]
        assert send(Request("GET", "/", headers={"x-api-key": "k", "accept": "text/plain"})).status == 200
        assert TOKEN.encode() not in there.seen[0]
        lines = {line.partition(b":")[0].lower() for line in there.seen[0].split(b"\r\n")[1:] if line}
        assert lines == {b"host", b"user-agent", b"accept-encoding", b"accept"}


def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    authority = certificates(tmp_path)
    with Peer(redirects(302, "http://127.0.0.1/"), tls=authority.server()) as peer, pytest.raises(Rejected) as raised:
        transport(peer.url, ca_file=authority.ca_file)(READ)
    assert raised.value.cause == "redirect"


def test_a_search_by_post_that_is_sent_elsewhere_becomes_a_get() -> None:
    with Peer(redirects(303, "/end")) as peer:
        assert transport(peer.url)(replace(WRITE, endpoint="search")).status == 200
        assert peer.seen[1].startswith(b"GET /end ")
        assert b"ontent-" not in peer.seen[1]


# --- TLS -----------------------------------------------------------------------------------------------
@pytest.fixture
def authority(tmp_path: Path) -> Certificates:
    return certificates(tmp_path)


def test_a_private_authority_is_trusted_where_it_is_named(authority: Certificates) -> None:
    with Peer(answer(), tls=authority.server()) as peer:
        assert transport(peer.url, ca_file=authority.ca_file)(WRITE).status == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("wrong", ["unknown authority", "expired", "self-signed", "other name", "TLS 1.1"])
def test_a_target_that_does_not_prove_itself_gets_no_byte(wrong: str, authority: Certificates) -> None:
    context = authority.server(
        "other.example" if wrong == "other name" else "127.0.0.1",
        expired=wrong == "expired",
        self_signed=wrong == "self-signed",
    )
    if wrong == "TLS 1.1":
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Peer(answer(), tls=context) as peer:
        ca_file = "" if wrong == "unknown authority" else authority.ca_file
        with pytest.raises(Retryable) as raised:
            transport(peer.url, ca_file=ca_file)(WRITE)
        assert peer.seen == []
    assert raised.value.sent is False
    assert ("http.ca_file" in str(raised.value)) is (wrong in {"unknown authority", "self-signed"})
    assert raised.value.cause in {"tls", "reset"}


def test_a_private_authority_is_the_only_one_and_old_tls_is_never_offered(authority: Certificates) -> None:
    with Peer(answer(), tls=authority.server()) as peer:
        transport(peer.url, ca_file=authority.ca_file)(READ)
    assert len(tls(authority.ca_file).get_ca_certs()) == 1
    assert tls("").minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_socket_that_reached_another_peer_than_the_checked_one_is_refused() -> None:
    with Peer(answer()) as peer, socket.create_connection(("127.0.0.1", peer.port)) as opened:
        _check_peer(opened, "127.0.0.1")
        with pytest.raises(OSError, match="instead of"):
            _check_peer(opened, "140.82.121.3")


def test_verification_can_nowhere_be_switched_off() -> None:
    for path in (Path(__file__).parents[2] / "workers").rglob("*.py"):
        text = path.read_text()
        for word in ("verify=False", "CERT_NONE", "check_hostname = False", "_create_unverified"):
            assert word not in text, path


# --- proxies -------------------------------------------------------------------------------------------
def test_the_environments_proxy_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(answer(500)) as proxy, Peer(answer()) as peer:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert transport(peer.url)(READ).status == 200
        assert proxy.connections == 0


def test_a_proxy_is_used_where_the_connection_names_one() -> None:
    with Peer(answer()) as proxy:
        send = transport("http://127.0.0.1:9/base", proxy=proxy.url.replace("//", "//user:pass@"))
        assert send(READ).status == 200
        assert proxy.seen[0].startswith(b"GET http://127.0.0.1:9/base/thing ")
        assert b"Proxy-Authorization: Basic" in proxy.seen[0]


def test_https_goes_through_a_proxy_by_connect_and_the_proxy_sees_no_credential(authority: Certificates) -> None:
    inner = authority.server("jira.example")

    def tunnel(_peer: Peer, sock: socket.socket, _request: bytes) -> bool:
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with inner.wrap_socket(sock, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(answer(200, b'{"tunnelled":true}'))
        return False

    with Peer(tunnel) as proxy:
        send = transport("https://jira.example", proxy=proxy.url, ca_file=authority.ca_file)
        assert send(READ).json() == {"tunnelled": True}
        assert proxy.seen[0].startswith(b"CONNECT jira.example:443 ")
        assert TOKEN.encode() not in proxy.seen[0]


def test_a_proxy_that_refuses_the_tunnel_sent_nothing() -> None:
    with Peer(answer(403)) as proxy, pytest.raises(Retryable) as raised:
        transport("https://jira.example", proxy=proxy.url)(WRITE)
    assert raised.value.sent is False


def test_an_internal_address_is_not_reached_through_a_proxy_either() -> None:
    with Peer(answer()) as proxy:
        with pytest.raises(Rejected):
            transport("https://0x7f000001", proxy=proxy.url, private_addresses=())(READ)
        assert proxy.connections == 0


# --- limits, refusals, records -------------------------------------------------------------------------
class Recording(Unlimited):
    def __init__(self, refuse: ConnectorError | None = None) -> None:
        self.refuse = refuse
        self.heard: list[tuple[int, str]] = []

    def take(self, _request: Request, /) -> None:
        if self.refuse:
            raise self.refuse

    def learn(self, _request: Request, response: Response | None, error: ConnectorError | None, /) -> None:
        self.heard.append((response.status if response else 0, type(error).__name__ if error else ""))


def test_without_a_token_nothing_is_sent_and_nothing_learnt() -> None:
    with Peer(answer()) as peer:
        connection = a_connection(peer.url)
        limiter = Recording(RateLimited("later", scope=Scope.CONNECTION))
        send = Transport(a_system(), connection, reveal, limiter=limiter, guard=Guard(("127.0.0.0/8",)))
        with pytest.raises(RateLimited):
            send(READ)
        assert peer.connections == 0
        assert limiter.heard == []


def test_the_limiter_and_the_metrics_hear_of_every_outcome() -> None:
    def handle(_peer: Peer, sock: socket.socket, request: bytes) -> bool:
        if b"/cut" in request:
            return False
        sock.sendall(answer(422 if b"/bad" in request else 200))
        return True

    with Peer(handle) as peer:
        connection, limiter = a_connection(peer.url), Recording()
        calls: list[tuple[str, int]] = []
        send = Transport(
            a_system(),
            connection,
            reveal,
            limiter=limiter,
            guard=Guard(("127.0.0.0/8",)),
            on_call=lambda request, status, *_: calls.append((request.path, status)),
        )
        send(Request("GET", "/good"))
        with pytest.raises(Rejected):
            send(Request("POST", "/bad"))
        with pytest.raises(Retryable):
            send(Request("POST", "/cut"))
    assert limiter.heard == [(200, ""), (422, "Rejected"), (0, "Retryable")]
    assert calls == [("/good", 200), ("/bad", 422), ("/cut", 0)]
    assert send.calls == 3


def test_a_refusal_carries_a_short_redacted_record_of_the_answer() -> None:
    redact.remember(TOKEN)
    body = f'{{"error":"{TOKEN} is wrong"}}'.encode() + b"x" * 10_000
    headers = {"X_RateLimit_Remaining": "3", "Set_Cookie": "session=1"}
    with Peer(answer(400, body, **headers)) as peer, pytest.raises(Rejected) as raised:
        transport(peer.url)(Request("POST", "/thing?key=1"))
    cause = raised.value.__cause__
    assert isinstance(cause, Refused)
    assert (cause.method, cause.path, cause.status) == ("POST", "/thing", 400)
    assert len(cause.snippet) <= 2048
    assert TOKEN not in cause.snippet
    assert cause.headers["x-ratelimit-remaining"] == "3"
    assert "set-cookie" not in cause.headers
    assert TOKEN not in str(cause)


def test_retry_after_is_read_even_where_the_system_did_not() -> None:
    with Peer(answer(503, b"", retry_after="120")) as peer, pytest.raises(Retryable) as raised:
        transport(peer.url)(WRITE)
    assert raised.value.retry_after == timedelta(seconds=120)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("1.5", 1.5),
        ("Tue, 24 Nov 2026 09:01:00 GMT", 60),
        ("Tue, 24 Nov 2026 08:00:00 GMT", 0),
        ("999999999", 86400),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_a_day_at_most(value: str, seconds: float | None) -> None:
    wanted = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after(value, datetime(2026, 11, 24, 9, 0, tzinfo=UTC)) == wanted


def test_no_cookie_is_ever_sent_back() -> None:
    with Peer(answer(200, b"{}", Set_Cookie="session=1; Path=/")) as peer:
        send = transport(peer.url)
        send(READ)
        send(READ)
        assert b"cookie" not in peer.seen[1].lower()


def test_no_credential_of_a_netrc_file_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password netrc-password\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with Peer(answer()) as peer:
        transport(peer.url, system={"authorize": lambda *_: {}})(READ)
        assert b"authorization" not in peer.seen[0].lower()


def test_many_threads_share_a_transport() -> None:
    with Peer(answer(200, b'{"ok":1}')) as peer:
        send = transport(peer.url)
        right: list[bool] = []

        def work() -> None:
            right.extend(send(WRITE).json() == {"ok": 1} for _ in range(20))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert right == [True] * 160
        assert peer.connections == 8


@pytest.mark.parametrize(("scope", "endpoint"), [(Scope.ENDPOINT, "search"), (Scope.CONNECTION, "")])
def test_a_limit_of_one_endpoint_class_names_it(scope: Scope, endpoint: str) -> None:
    refusal = {"refusal": lambda _request, _response: RateLimited("slow down", scope=scope)}
    with Peer(answer(429)) as peer, pytest.raises(RateLimited) as raised:
        transport(peer.url, system=refusal)(replace(READ, endpoint="search"))
    assert raised.value.endpoint == endpoint
