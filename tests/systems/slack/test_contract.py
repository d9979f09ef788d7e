"""Slack keeps the laws of every system."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from connector.errors import ConnectorError, Forbidden, RateLimited, Rejected, Retryable, Stale, Unauthorized
from connector.event import Kind
from connector.sandbox import Sandbox
from connector.system import Inbound, System
from connector.systems.slack import SYSTEM
from connector.systems.slack.sandbox import new_sandbox, signature
from tests.systems.contract import SystemContract
from tests.systems.direct import Bench
from tests.systems.slack.scene import BEN, call


class TestSlack(SystemContract):
    system: ClassVar[System] = SYSTEM
    connection: ClassVar[Mapping[str, Any]] = {"auth": {"token": "env:TOKEN"}, "webhook": {"secret": "env:SIGNING"}}
    secrets: ClassVar[Mapping[str, str]] = {"TOKEN": "xoxb-sandbox", "SIGNING": "8f742231b10e8888"}
    source: ClassVar[Mapping[str, Any]] = {"channels": ["C0000001", "C0000002"]}
    target: ClassVar[Mapping[str, Any]] = {"channel": "#alerts"}
    wanted: ClassVar[Mapping[str, Any]] = {"Text": {"format": "markdown", "content": "WEB-1 **is broken**"}}
    edited: ClassVar[Mapping[str, Any]] = {"Text": {"format": "markdown", "content": "WEB-1 is repaired"}}
    asked: ClassVar[Mapping[str, Mapping[str, str]]] = {"channels": {}, "users": {}, "fields": {}}
    unpolled: ClassVar[frozenset[Kind]] = frozenset({Kind.MESSAGE_DELETED})
    statuses: ClassVar[Mapping[int, type[ConnectorError]]] = {
        200: Retryable,
        400: Rejected,
        401: Unauthorized,
        403: Forbidden,
        408: Retryable,
        409: Stale,
        422: Rejected,
        429: RateLimited,
        500: Retryable,
        503: Retryable,
    }

    def new(self) -> Sandbox:
        return new_sandbox(webhook_secret=self.secrets["SIGNING"])

    def live(self, here: Bench) -> None:
        step = timedelta(seconds=20)
        first = call(here, "chat.postMessage", channel="C0000001", text="The site is down")["ts"]
        here.clock.move(step)
        call(here, "chat.postMessage", BEN, channel="C0000001", thread_ts=first, text="I am looking")
        here.clock.move(step)
        call(here, "chat.update", channel="C0000001", ts=first, text="The site is *down*")
        here.clock.move(step)
        slip = call(here, "chat.postMessage", channel="C0000002", text="wrong channel")["ts"]
        here.clock.move(step)
        call(here, "chat.delete", channel="C0000002", ts=slip)

    def sign(self, inbound: Inbound, secret: str, now: datetime) -> Inbound:
        fresh = {name.lower(): value for name, value in signature(secret, inbound.body, now).items()}
        return Inbound({**inbound.headers, **fresh}, inbound.body)

    def signature_headers(self) -> tuple[str, ...]:
        return ("x-slack-signature",)
