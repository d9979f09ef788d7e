"""Say how events are switched on in Slack: by a person, in the app's settings.

A bot token cannot change its own app: that takes a token of another kind, an app configuration token of a
person.  So there is nothing to converge, only a snippet to paste (Slack, "App manifest reference").
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import yaml

from connector.ports import Reveal, SecretRef
from connector.systems.slack.settings import Connection
from connector.webhooks import Webhooks

EVENTS: Final = frozenset({"message.channels", "message.groups"})


def _signing(settings: Connection) -> SecretRef | None:
    return settings.webhook.secret[0] if settings.webhook else None


def _knock(settings: Connection, reveal: Reveal, now: datetime) -> tuple[Mapping[str, str], bytes]:
    """Make the handshake that Slack checks a Request URL with; it holds no event."""
    body = json.dumps({"type": "url_verification", "challenge": "jira-connector"}).encode()
    headers = {"content-type": "application/json"}
    secret = _signing(settings)
    if secret is not None:
        when = str(int(now.timestamp()))
        signed = b"v0:" + when.encode() + b":" + body
        digest = hmac.new(reveal(secret).reveal().encode(), signed, hashlib.sha256).hexdigest()
        headers |= {"x-slack-request-timestamp": when, "x-slack-signature": f"v0={digest}"}
    return headers, body


def _manual(settings: Connection, url: str, _places: Sequence[str]) -> str:
    snippet = {
        "settings": {
            "event_subscriptions": {"request_url": url, "bot_events": sorted(EVENTS)},
            "socket_mode_enabled": False,
        }
    }
    manifest = "".join(f"  {line}\n" for line in yaml.safe_dump(snippet, sort_keys=False).splitlines())
    return (
        "As an administrator of the app, open https://api.slack.com/apps > your app > App Manifest and merge in:\n"
        f"{manifest}"
        "or Event Subscriptions: Enable Events, this Request URL, these bot events (message.groups only for private\n"
        "channels), Save. Slack tries the address at once, so the receiver must run and have the signing secret\n"
        f"(Basic Information > Signing Secret) as {_signing(settings) or 'its webhook.secret'}."
    )


WEBHOOKS: Final = Webhooks(
    events=EVENTS,
    signing=_signing,
    knock=_knock,
    manual=_manual,
    # The signing secret is made by Slack and belongs to the app.
    chosen=False,
)
