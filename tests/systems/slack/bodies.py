"""Build bodies as Slack's Events API sends them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connector.link import Marker, effect_key
from connector.system import Inbound, Received, Trust
from connector.systems.slack import SYSTEM

CHANNEL = "C012AB3CD"
SETTINGS = SYSTEM.connection().load({"auth": {"token": "env:T"}, "webhook": {"secret": "env:S"}})
MARKER = Marker("test", "jira", effect_key("uid", "jira:issue:1", "create"))


def message(text: str = "Hello", own: str = "1700000000.000100", **more: Any) -> dict[str, Any]:
    return {"type": "message", "user": "U061F7AUR", "text": text, "ts": own, "channel": CHANNEL, **more}


def changed(new: Mapping[str, Any], old: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    event = {"type": "message", "subtype": "message_changed", "channel": CHANNEL, "hidden": True, "message": new}
    before = {} if old is None else {"previous_message": old}
    return {**event, **before, "ts": "1700000500.000100", "event_ts": "1700000500.000100", **more}


def deleted(own: str, **more: Any) -> dict[str, Any]:
    event = {"type": "message", "subtype": "message_deleted", "channel": CHANNEL, "hidden": True, "deleted_ts": own}
    return {**event, "ts": "1700000600.000100", "event_ts": "1700000600.000100", **more}


def metadata(marker: Marker = MARKER) -> dict[str, Any]:
    return {"event_type": "jira_connector", "event_payload": {"marker": str(marker)}}


def callback(event: Any, **more: Any) -> dict[str, Any]:
    body = {"token": "t", "team_id": "T1", "api_app_id": "A1", "type": "event_callback", "event": event}
    return {**body, "event_id": "Ev1", "event_time": 1700000000, **more}


def received(body: Any, content_type: str = "application/json", connection: str = "slack") -> Received:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SYSTEM.receive(connection, SETTINGS, Inbound({"content-type": content_type}, raw), Trust.SIGNED)
