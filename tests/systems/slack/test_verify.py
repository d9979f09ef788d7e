"""Only what carries Slack's signature of the raw body, made within five minutes, is believed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier

from connector.errors import Untrusted
from connector.system import Inbound, Trust
from connector.systems.slack import SYSTEM
from connector.systems.slack.sandbox import signature
from tests.systems.direct import reveals

SECRET = "secret"
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
SETTINGS = SYSTEM.connection().load({"auth": {"token": "env:T"}, "webhook": {"secret": "env:S"}})
REVEAL = reveals({"S": "secret", "T": "xoxb"})


def inbound(body: bytes = b"{}", at: datetime = NOW, secret: str = SECRET, **headers: str) -> Inbound:
    signed = {name.lower(): value for name, value in signature(secret, body, at).items()}
    return Inbound({**signed, **{name.replace("_", "-"): value for name, value in headers.items()}}, body)


def verified(request: Inbound, now: datetime = NOW) -> Trust:
    return SYSTEM.verify(SETTINGS, request, REVEAL, now)


def test_the_published_vector_is_accepted(reference_data: Path) -> None:
    vector = json.loads((reference_data / "signatures/vectors.json").read_text())["slack"]
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    now = datetime.fromtimestamp(int(vector["timestamp"]), UTC)
    request = Inbound(headers, vector["body"].encode())
    assert SYSTEM.verify(SETTINGS, request, reveals({"S": vector["secret"]}), now) is Trust.SIGNED


def test_the_vendors_own_library_accepts_what_the_sandbox_signs() -> None:
    class Frozen(SlackClock):
        def now(self) -> float:
            return NOW.timestamp()

    headers = signature("secret", b'{"a": 1}', NOW)
    assert SignatureVerifier("secret", Frozen()).is_valid_request(b'{"a": 1}', headers)


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_a_request_within_five_minutes_is_accepted(seconds: int) -> None:
    assert verified(inbound(at=NOW + timedelta(seconds=seconds))) is Trust.SIGNED


@pytest.mark.parametrize("seconds", [-86_400, -301, 301, 86_400])
def test_an_old_or_future_request_is_refused_though_well_signed(seconds: int) -> None:
    with pytest.raises(Untrusted, match="five minutes"):
        verified(inbound(at=NOW + timedelta(seconds=seconds)))


def test_the_time_is_part_of_what_is_signed() -> None:
    old = inbound(at=NOW - timedelta(hours=1))
    moved = Inbound({**old.headers, "x-slack-request-timestamp": str(int(NOW.timestamp()))}, old.body)
    with pytest.raises(Untrusted, match="does not fit"):
        verified(moved)


@pytest.mark.parametrize("when", ["", "soon", "-1", "1e9", "１７００００００００", "9" * 30, " 1700000000"])
def test_a_malformed_time_is_refused(when: str) -> None:
    with pytest.raises(Untrusted):
        verified(inbound(x_slack_request_timestamp=when))


@pytest.mark.parametrize("change", ["{0}, {0}", "sha1={0}", "v1={1}", "{1}", "v0={1} ", "V0={1}", "v0={2}"])
def test_only_one_well_formed_signature_is_looked_at(change: str) -> None:
    good = inbound().headers["x-slack-signature"]
    digest = good.removeprefix("v0=")
    with pytest.raises(Untrusted):
        verified(inbound(x_slack_signature=change.format(good, digest, digest.upper())))


def test_the_raw_bytes_are_signed_not_what_they_mean() -> None:
    request = inbound(b'{"a":1}')
    with pytest.raises(Untrusted):
        verified(Inbound(request.headers, b'{"a": 1}'))


def test_another_connections_signature_is_refused() -> None:
    with pytest.raises(Untrusted):
        verified(inbound(secret="another"))


def test_without_a_signing_secret_nothing_is_trusted() -> None:
    settings = SYSTEM.connection().load({"auth": {"token": "env:T"}})
    with pytest.raises(Untrusted):
        SYSTEM.verify(settings, inbound(), REVEAL, NOW)


def test_a_body_that_is_not_text_can_be_verified() -> None:
    assert verified(inbound(b"\xff\xfe")) is Trust.SIGNED
