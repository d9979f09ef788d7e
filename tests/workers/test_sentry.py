from __future__ import annotations

import base64
import gzip
import http.client
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from celery import Celery
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from connector.errors import Rejected
from tests.workers.peers import Peer, answer
from workers import sentry
from workers.logs import about, redact

CANARY = "sentry-canary-0987654321"


class Wire(Transport):
    """Keeps what would leave, as bytes."""

    def __init__(self) -> None:
        super().__init__({})
        self.sent: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent.append(envelope)

    @property
    def raw(self) -> bytes:
        return b"".join(envelope.serialize() for envelope in self.sent)

    @property
    def event(self) -> Any:
        return self.sent[-1].get_event()


@pytest.fixture
def wire() -> Iterator[Wire]:
    redact.remember(CANARY)
    there = Wire()
    assert sentry.start("https://key@sentry.example/1", release="1", transport=there)
    yield there
    # Off again, for the tests after this one too: an empty init would still mark outbound calls.
    sentry_sdk.init(trace_propagation_targets=[], default_integrations=False)


def test_nothing_starts_without_a_dsn() -> None:
    assert sentry.start("") is False


def test_no_message_to_the_broker_carries_the_projects_key(wire: Wire) -> None:
    app = Celery(broker="memory://")
    app.send_task("deliver", queue="doorbells")
    with app.connection() as connection, connection.SimpleQueue("doorbells") as queue:
        headers = queue.get(timeout=5).headers
    assert headers["task"] == "deliver"
    assert not [name for name in headers if "sentry" in name or name == "baggage"]
    assert "key" not in str(headers.get("headers"))


def test_no_outbound_call_carries_our_trace_ids(wire: Wire) -> None:
    with Peer(answer()) as here:
        connection = http.client.HTTPConnection("127.0.0.1", here.port)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        assert b"sentry-trace" not in here.seen[0].lower()
        assert b"baggage" not in here.seen[0].lower()


def fail(secret: str) -> None:
    body = {"Authorization": secret}
    raise Rejected(f"refused {body} with {base64.b64encode(('me:' + secret).encode()).decode()}", cause="required:x")


def test_neither_locals_nor_messages_nor_logs_carry_a_credential(wire: Wire) -> None:
    with about(connector="bugs", delivery="d1"):
        try:
            fail(CANARY)
        except Rejected as error:
            logging.getLogger("workers.x").warning("about to report %s", CANARY)
            sentry_sdk.capture_exception(error)
    assert len(wire.sent) == 1
    raw = wire.raw
    assert CANARY.encode() not in raw
    assert CANARY.encode() not in gzip.compress(raw)
    assert base64.b64encode(CANARY.encode())[4:-4] not in raw
    assert b'"vars"' not in raw


def test_one_cause_is_one_issue_and_names_its_connector(wire: Wire) -> None:
    with about(connector="bugs"):
        for number in range(2):
            sentry_sdk.capture_exception(Rejected(f"issue {number} refused", cause="required:priority"))
            assert wire.event["fingerprint"] == ["Rejected", "required:priority"]
            assert wire.event["tags"]["connector"] == "bugs"


def test_a_bug_of_ours_is_grouped_by_its_traceback(wire: Wire) -> None:
    sentry_sdk.capture_exception(KeyError("x"))
    assert "fingerprint" not in wire.event


def test_members_with_telling_names_are_hidden_whatever_they_hold() -> None:
    event: Any = {
        "extra": {"api_token": "never-seen-before", "deep": [{"Cookie": "c"}], "fine": "kept"},
        "user": {"id": 1},
    }
    clean: Any = sentry.scrub(event, {})
    assert "never-seen-before" not in str(clean)
    assert clean["extra"]["deep"] == [{"Cookie": "[redacted]"}]
    assert clean["extra"]["fine"] == "kept"
    assert "user" not in clean


def test_an_event_that_nests_without_end_is_cut() -> None:
    deep: Any = "end"
    for _ in range(100):
        deep = [deep]
    assert "end" not in str(sentry.scrub({"extra": {"deep": deep}}, {}))


def test_dead_letters_of_one_group_are_one_issue_told_once_a_minute(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentry, "_told", {})

    def report(group: str, delivery: str) -> bool:
        return sentry.report_dead(
            connector="web",
            team="payments",
            group=group,
            delivery=delivery,
            key="acme/web#1",
            error="Rejected",
            cause="required:priority",
            page=f"https://flower.example/dead-letters/web/{delivery}",
        )

    assert [report("g1", "d1"), report("g1", "d2"), report("g2", "d3")] == [True, False, True]
    assert len(wire.sent) == 2
    event = wire.sent[0].get_event()
    assert event is not None
    assert event["fingerprint"] == ["dead letter", "g1"]
    assert event["message"] == "web: Rejected required:priority"
    assert event["tags"]["page"] == "https://flower.example/dead-letters/web/d1"
    assert (event["tags"]["connector"], event["tags"]["entity"], event["tags"]["delivery"]) == (
        "web",
        "acme/web#1",
        "d1",
    )


def test_without_sentry_nothing_is_reported() -> None:
    told = {
        "connector": "web",
        "team": "",
        "group": "x",
        "delivery": "d",
        "key": "",
        "error": "e",
        "cause": "c",
        "page": "",
    }
    assert not sentry.report_dead(**told)
