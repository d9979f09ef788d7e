from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from connector.errors import Unauthorized, Unreadable, Untrusted
from connector.event import Event
from connector.ports import Secret, SecretRef
from connector.system import Inbound, Received, Trust
from tests.workers.builders import NOW, TOKEN, a_system, created, reveal
from workers.doors import Door
from workers.inbox import Unavailable
from workers.logs import revealing
from workers.receiver import Limits, Receiver, create_app

SIGNED = {"content-type": "application/json", "x-signature": TOKEN}


@dataclass
class Kept:
    """An inbox in memory; ``fails`` is raised by everything, ``hangs`` makes it wait for ever."""

    accepted: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    unreadable: list[tuple[str, bytes, dict[str, str], str]] = field(default_factory=list)
    fails: Exception | None = None
    keep_fails: Exception | None = None
    hangs: bool = False

    async def accept(self, connection: str, events: Sequence[Event], /) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise self.fails
        self.accepted.append((connection, tuple(event.id for event in events)))

    async def keep_unreadable(self, connection: str, body: bytes, headers: Mapping[str, str], why: str, /) -> None:
        if self.keep_fails:
            raise self.keep_fails
        self.unreadable.append((connection, body, dict(headers), why))

    async def ready(self) -> bool:
        if self.hangs:
            await asyncio.Event().wait()
        return self.fails is None


class Desk:
    """A receiver with one connection called ``demo``."""

    def __init__(self, *, limits: Limits | None = None, largest: int = 100_000, **system: Any) -> None:
        self.inbox = Kept()
        self.ticks = 0.0
        self.asked: list[str] = []
        door = Door("demo", a_system(**system), None, revealing(reveal), largest)

        def resolve(name: str) -> Door | None:
            self.asked.append(name)
            return door if name == "demo" else None

        self.registry = CollectorRegistry()
        self.app: Receiver = create_app(
            self.inbox,
            resolve,
            clock=lambda: NOW,
            ticks=lambda: self.ticks,
            limits=limits,
            registry=self.registry,
        )

    def send(
        self,
        body: bytes | Sequence[bytes] = b"{}",
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = SIGNED,
        *,
        path: str = "/hooks/demo",
        method: str = "POST",
        query: bytes = b"",
        peer: str = "192.0.2.7",
        stops: str = "",
    ) -> Reply:
        """Send one request; ``stops`` (``hang`` or ``leave``) after the chunks of the body."""
        chunks = [body] if isinstance(body, bytes) else list(body)
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        sent: list[Any] = []
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode("utf-8", "surrogateescape"),
            "query_string": query,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
            "client": (peer, 50000),
        }
        incoming = iter(
            [
                {"type": "http.request", "body": chunk, "more_body": bool(stops) or number < len(chunks) - 1}
                for number, chunk in enumerate(chunks)
            ]
        )

        async def receive() -> Any:
            message = next(incoming, None)
            if message is None and stops == "hang":
                await asyncio.Event().wait()
            return message or {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        if not sent:
            return Reply(0, {}, b"")
        return Reply(
            sent[0]["status"],
            {name.decode(): value.decode() for name, value in sent[0]["headers"]},
            b"".join(message["body"] for message in sent[1:]),
        )


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


# --- the good way --------------------------------------------------------------------------------------
def test_a_signed_webhook_is_stored_and_then_answered() -> None:
    desk = Desk()
    reply = desk.send(b'{"issue":1}')
    assert (reply.status, reply.json) == (202, {"accepted": 1})
    assert desk.inbox.accepted == [("demo", (created(1).id,))]
    assert desk.app.counts["demo", "accepted"] == 1


def test_the_system_gets_the_raw_body_headers_and_query() -> None:
    seen: list[Inbound] = []

    def verify(_settings: Any, inbound: Inbound, *_: Any) -> Trust:
        seen.append(inbound)
        return Trust.HINT

    Desk(verify=verify).send([b'{"a": ', b" 1}"], query=b"secret=x&y=z")
    assert seen[0].body == b'{"a":  1}'
    assert seen[0].query == {"secret": "x", "y": "z"}
    assert seen[0].headers["content-type"] == "application/json"
    assert seen[0].peer == "192.0.2.7"


def test_an_ignored_event_is_answered_with_the_reason() -> None:
    desk = Desk(receive=lambda *_: Received(ignored="a ping"))
    reply = desk.send()
    assert (reply.status, reply.json) == (200, {"ignored": "a ping"})
    assert desk.inbox.accepted == []


def test_a_handshake_gets_the_reply_it_asks_for() -> None:
    desk = Desk(receive=lambda *_: Received(reply=("text/plain", b"challenge")))
    reply = desk.send()
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"challenge", "text/plain")


# --- trust ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "signature",
    [
        [],
        [("x-signature", "wrong")],
        [("x-signature", TOKEN[:-1])],
        [("x-signature", TOKEN)] * 2,
        [("x-signature", "")],
    ],
)
def test_what_is_not_proven_is_refused_the_same_way_and_nothing_is_stored(signature: list[tuple[str, str]]) -> None:
    desk = Desk()
    reply = desk.send(headers=[("content-type", "application/json"), *signature])
    assert (reply.status, reply.body) == (401, b'{"error":"not trusted"}')
    assert TOKEN not in reply.body.decode()
    assert desk.inbox == Kept()
    assert desk.app.counts["demo", "untrusted"] == 1


def test_the_signature_is_checked_before_the_body_is_parsed() -> None:
    assert Desk().send(b"[" * 1000, {"content-type": "application/json"}).status == 401


def test_without_a_secret_to_check_against_the_sender_must_come_again() -> None:
    def verify(*_: Any) -> Trust:
        raise Unauthorized("no secret env:X")

    desk = Desk(verify=verify)
    reply = desk.send()
    assert reply.status == 503
    assert int(reply.headers["retry-after"]) > 0
    assert desk.inbox == Kept()


def test_an_unverified_request_that_breaks_our_check_is_not_kept() -> None:
    def verify(*_: Any) -> Trust:
        raise KeyError("bug")

    desk = Desk(verify=verify)
    assert desk.send().status == 503
    assert desk.inbox == Kept()


# --- what no honest source sends -----------------------------------------------------------------------
@pytest.mark.parametrize(
    "path",
    [
        "/hooks/",
        "/hooks/../../etc/passwd",
        "/hooks/%2e%2e",
        "/hooks/%64emo",
        "/hooks/demo%00",
        "/hooks/demo;rm",
        "/hooks/demo/",
        "/hooks/demo.",
        "/hooks/demo\n",
        "/hooks/DEMO",
        "/hooks/d\u0435mo",
        "/hooks/demo\u0301",
        "/hooks/" + "a" * 300,
        "/other",
    ],
)
def test_only_an_exact_name_opens_a_door(path: str) -> None:
    desk = Desk()
    method = "POST" if path.startswith("/hooks/") else "GET"
    assert desk.send(path=path, method=method).status == 404
    assert not desk.asked


def test_a_connection_that_is_not_there_answers_like_a_wrong_signature() -> None:
    desk = Desk()

    def verify(*_: Any) -> Trust:
        raise Untrusted("no")

    unknown, forged = desk.send(path="/hooks/unknown"), Desk(verify=verify).send()
    assert (unknown.status, unknown.body) == (forged.status, forged.body) == (401, forged.body)
    assert desk.inbox == Kept()
    assert {connection for connection, _ in desk.app.counts} == {""}, "names that anybody makes up are no labels"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "TRACE", "OPTIONS", "HEAD"])
def test_only_post_is_taken(method: str) -> None:
    reply = Desk().send(method=method)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 202),
        ("application/json; charset=utf-8", 202),
        ("application/vnd.demo+json", 202),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
        ("text/json+json", 415),
    ],
)
def test_only_json_is_taken(kind: str, status: int) -> None:
    assert Desk().send(headers={**SIGNED, "content-type": kind}).status == status


def test_a_form_is_taken_where_the_system_says_so_and_its_payload_is_checked() -> None:
    desk = Desk(features={"forms": "yes"})
    form = {**SIGNED, "content-type": "application/x-www-form-urlencoded"}
    assert desk.send(b"payload=%7B%22a%22%3A1%7D", form).status == 202
    assert desk.send(b"payload=%7B%22a%22%3A1%2C%22a%22%3A2%7D", form).status == 400
    assert desk.send(b"token=x&text=hello", form).status == 202


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "gzip, gzip"])
def test_compressed_bodies_are_refused(encoding: str) -> None:
    assert Desk().send(headers={**SIGNED, "content-encoding": encoding}).status == 415


@pytest.mark.parametrize("body", [b'{"a":1,"a":2}', b"[" * 70 + b"]" * 70, b'{"a":NaN}', b'{"a":1e400}'])
def test_json_that_means_two_things_is_told_so(body: bytes) -> None:
    desk = Desk()
    assert desk.send(body).status == 400
    assert desk.inbox == Kept()


def test_a_declared_length_over_the_cap_is_refused_before_the_body() -> None:
    desk = Desk(largest=1000)
    reply = desk.send([], {**SIGNED, "content-length": "1001"}, stops="hang")
    assert (reply.status, reply.headers["connection"]) == (413, "close")


def test_an_undeclared_body_over_the_cap_is_cut() -> None:
    desk = Desk(largest=1000)
    reply = desk.send([b"x" * 600, b"x" * 600], stops="hang")
    assert (reply.status, reply.headers["connection"]) == (413, "close")
    assert desk.app._buffered == 0


def test_no_connection_may_ask_for_more_than_25_megabytes() -> None:
    desk = Desk(largest=10**9)
    assert desk.send(headers={**SIGNED, "content-length": str(26 * 1024 * 1024)}).status == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "٣", "9" * 30, "1, 1"])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    headers = [(n.encode(), v.encode()) for n, v in {**SIGNED, "content-length": length}.items()]
    desk = Desk()
    pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in headers]
    assert desk.send(headers=pairs).status == 400


def test_a_body_that_drips_is_given_up() -> None:
    desk = Desk(limits=Limits(body=timedelta(milliseconds=50)))
    reply = desk.send([b"{"], stops="hang")
    assert (reply.status, reply.headers["connection"]) == (408, "close")
    assert desk.app._buffered == 0


def test_a_sender_who_leaves_gets_no_answer_and_is_counted() -> None:
    desk = Desk()
    assert desk.send([b"{"], stops="leave").status == 0
    assert desk.app.counts["demo", "gone"] == 1
    assert desk.inbox == Kept()


def test_bodies_under_way_have_a_common_bound() -> None:
    desk = Desk(limits=Limits(buffered=500))
    assert desk.send(b"{}" + b" " * 600).status == 503
    assert desk.send(headers={**SIGNED, "content-length": "600"}).status == 503
    assert desk.send().status == 202
    assert desk.app._buffered == 0


# --- floods --------------------------------------------------------------------------------------------
def test_a_peer_with_many_bad_signatures_may_send_no_large_bodies() -> None:
    desk = Desk(largest=1_000_000)
    bad, large = {**SIGNED, "x-signature": "bad"}, {**SIGNED, "content-length": "500000"}
    for _ in range(20):
        assert desk.send(headers=bad).status == 401
    reply = desk.send([], large, stops="hang")
    assert reply.status == 429
    assert int(reply.headers["retry-after"]) >= 1
    assert desk.send([b"{}"], SIGNED).status == 429  # of unknown length
    small = {**SIGNED, "content-length": "2"}
    assert desk.send(headers=small).status == 202, "an honest sender behind the same proxy is not locked out"
    assert desk.send([b"{}" + b" " * 499_998], large, peer="192.0.2.8").status == 202
    desk.ticks += 3
    assert desk.send([b"{}" + b" " * 499_998], large).status == 202


def test_a_flood_of_bad_signatures_is_not_a_flood_of_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            desk.send(headers={**SIGNED, "x-signature": "bad", "content-length": "2"})
    assert len(caplog.records) == 20
    assert desk.app.counts["demo", "untrusted"] == 100


# --- our own faults ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "error", [Unreadable("odd"), KeyError("issue"), RecursionError(), ValueError(f"token {TOKEN}")]
)
def test_what_our_code_trips_over_is_kept_and_the_sender_is_content(error: Exception) -> None:
    def receive(*_: Any) -> Received:
        raise error

    desk = Desk(receive=receive)
    reply = desk.send(b'{"odd":1}')
    assert reply.status == 202
    ((connection, body, headers, why),) = desk.inbox.unreadable
    assert (connection, body) == ("demo", b'{"odd":1}')
    assert "x-signature" not in headers
    assert TOKEN not in why
    assert desk.app.counts["demo", "unreadable"] == 1


@pytest.mark.parametrize("body", [b"\xff\xfe not utf-8", b"hello", b""])
def test_a_trusted_body_that_is_not_json_is_kept_raw(body: bytes) -> None:
    desk = Desk()
    assert desk.send(body).status == 202
    assert desk.inbox.unreadable[0][1] == body


def test_half_a_surrogate_pair_reaches_the_system_as_a_whole_character_but_is_verified_raw() -> None:
    seen: list[bytes] = []

    def verify(_settings: Any, inbound: Inbound, *_: Any) -> Trust:
        seen.append(inbound.body)
        return Trust.SIGNED

    def receive(_connection: str, _settings: Any, inbound: Inbound, _trust: Trust) -> Received:
        seen.append(inbound.body)
        return Received(events=(created(1),))

    Desk(verify=verify, receive=receive).send(rb'{"a":"\ud800"}')
    assert seen == [rb'{"a":"\ud800"}', rb'{"a":"\ufffd"}']


def test_a_bug_in_routing_keeps_the_payload() -> None:
    desk = Desk()
    desk.inbox.fails = KeyError("connector")
    assert desk.send(b'{"x":1}').status == 202
    assert desk.inbox.unreadable[0][1] == b'{"x":1}'


# --- the store -----------------------------------------------------------------------------------------
def test_a_store_that_refuses_is_never_a_success() -> None:
    desk = Desk()
    desk.inbox.fails = Unavailable("full", timedelta(seconds=30))
    reply = desk.send()
    assert (reply.status, reply.headers["retry-after"]) == (503, "30")
    assert desk.app.counts["demo", "unavailable"] == 1


def test_before_a_configuration_is_known_no_source_is_told_that_nobody_wants_it() -> None:
    desk = Desk()

    def unknown(_name: str) -> Door | None:
        raise Unavailable("nothing is published yet")

    desk.app.resolve = unknown
    reply = desk.send()
    assert (reply.status, "retry-after" in reply.headers) == (503, True)


def test_a_store_that_hangs_is_given_up_in_time() -> None:
    desk = Desk(limits=Limits(store=timedelta(milliseconds=50)))
    desk.inbox.hangs = True
    assert desk.send().status == 503


@pytest.mark.parametrize("error", [Unavailable("full"), OSError("gone"), KeyError("bug")])
def test_what_can_not_even_be_kept_is_never_a_success(error: Exception) -> None:
    desk = Desk()
    desk.inbox.keep_fails = error
    assert desk.send(b"not json").status == 503
    desk.inbox.fails = KeyError("bug")
    assert desk.send().status == 503


def test_a_large_body_is_read_off_the_event_loop() -> None:
    threads: list[str] = []

    def verify(*_: Any) -> Trust:
        threads.append(threading.current_thread().name)
        return Trust.SIGNED

    desk = Desk(verify=verify, largest=1_000_000)
    assert desk.send(b"{}" + b" " * 200_000).status == 202
    assert threads[0].startswith("large-bodies")
    assert desk.send().status == 202
    assert not threads[1].startswith("large-bodies")


def test_an_untrusted_large_body_counts_against_its_sender() -> None:
    def verify(*_: Any) -> Trust:
        raise Untrusted("no")

    desk = Desk(verify=verify, largest=1_000_000)
    assert desk.send(b" " * 200_000).status == 401
    assert len(desk.app.suspects._seen) == 1


# --- who sends -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("peer", "forwarded", "wanted"),
    [
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "nonsense"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
    ],
)
def test_forwarded_addresses_are_believed_of_our_own_proxies_only(peer: str, forwarded: str, wanted: str) -> None:
    seen: list[str] = []

    def verify(_settings: Any, inbound: Inbound, *_: Any) -> Trust:
        seen.append(inbound.peer)
        return Trust.SIGNED

    desk = Desk(verify=verify, limits=Limits(proxies=(ipaddress.ip_network("10.0.0.0/8"),)))
    desk.send(headers={**SIGNED, "x-forwarded-for": forwarded}, peer=peer)
    assert seen == [wanted]


# --- pages ---------------------------------------------------------------------------------------------
def test_health_does_not_depend_on_the_store_and_readiness_does() -> None:
    desk = Desk(limits=Limits(store=timedelta(milliseconds=50)))
    assert desk.send(path="/readyz", method="GET").status == 200
    desk.inbox.fails = Unavailable("down")
    assert desk.send(path="/readyz", method="GET").status == 503
    desk.inbox.hangs = True
    assert desk.send(path="/readyz", method="GET").status == 503
    assert desk.send(path="/healthz", method="GET").status == 200
    assert desk.send(path="/healthz", method="DELETE").status == 405


def test_metrics_count_outcomes_by_connection() -> None:
    desk = Desk()
    desk.send()
    desk.send(headers={**SIGNED, "x-signature": "bad"})
    text = desk.send(path="/metrics", method="GET").body.decode()
    assert 'connector_webhooks_total{connection="demo",outcome="accepted"} 1.0' in text
    assert 'connector_webhooks_total{connection="demo",outcome="untrusted"} 1.0' in text
    assert TOKEN not in text


def test_the_clock_of_the_check_is_the_one_handed_in() -> None:
    seen: list[datetime] = []

    def verify(_settings: Any, _inbound: Inbound, reveal_: Any, now: datetime) -> Trust:
        assert isinstance(reveal_(SecretRef("env", "X")), Secret)
        seen.append(now)
        return Trust.SIGNED

    Desk(verify=verify).send()
    assert seen == [NOW]
