"""Build systems and connections for tests of the network's edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from marshmallow import Schema

from connector.config import Connection, Http
from connector.errors import ConnectorError, Rejected, Retryable, Untrusted
from connector.event import Entity, Event, Kind, event_id
from connector.ports import Request, Response, Reveal, Secret, SecretRef
from connector.system import Inbound, Received, System, Trust

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
TOKEN = "canary-0123456789-token"


def reveal(_ref: SecretRef) -> Secret:
    return Secret(TOKEN)


def refusal(_request: Request, response: Response) -> ConnectorError | None:
    if response.status >= 500:
        return Retryable("the target failed", sent=True, status=response.status)
    if response.status >= 400:
        return Rejected("the target refused", status=response.status)
    return None


def authorize(_settings: Any, reveal_: Reveal) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {reveal_(SecretRef('env', 'TOKEN')).reveal()}"}


def verify(_settings: Any, inbound: Inbound, reveal_: Reveal, _now: datetime) -> Trust:
    if inbound.headers.get("x-signature") != reveal_(SecretRef("env", "TOKEN")).reveal():
        raise Untrusted("the signature does not fit")
    return Trust.SIGNED


def created(number: int) -> Event:
    entity = Entity("demo", "issue", str(number))
    return Event(event_id(entity, Kind.ISSUE_CREATED), Kind.ISSUE_CREATED, entity, NOW, {"title": "t"})


def receive(_connection: str, _settings: Any, _inbound: Inbound, _trust: Trust) -> Received:
    return Received(events=(created(1),))


def absent(*_: Any) -> Any:
    message = "not asked for in these tests"
    raise AssertionError(message)


SYSTEM = System(
    name="demo",
    title="Demo",
    kinds=frozenset({Kind.ISSUE_CREATED}),
    connection=Schema,
    source=None,
    target_schema=None,
    base_url=str,
    authorize=authorize,
    refusal=refusal,
    limits=lambda _settings: (),
    probe=absent,
    verify=verify,
    receive=receive,
    selects=absent,
    complete=absent,
    find=absent,
)


def a_system(**changes: Any) -> System:
    return replace(SYSTEM, **changes)


def a_connection(url: str, **http: Any) -> Connection:
    """Connect to ``url``; time spans are given in seconds, loopback is permitted."""
    for name in ("connect", "read", "total"):
        if name in http:
            http[name] = timedelta(seconds=http[name])
    return Connection("demo", "demo", url, Http(**{"private_addresses": ("127.0.0.0/8",), **http}))
