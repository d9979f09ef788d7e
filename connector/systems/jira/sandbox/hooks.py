"""Send what happens as webhooks, in the bodies, with the headers and the patience of the real ones.

Bodies are v2 shaped on both flavours.  Cloud signs, numbers its deliveries and repeats them; Data
Center signs and sends once, tells a new comment a second time inside ``jira:issue_updated``, and its
comment events carry no issue.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Protocol

from connector.sandbox import Hook
from connector.systems.jira.sandbox.content import Comment, Issue
from connector.systems.jira.sandbox.site import Json, Site

_RETRIES: Final = (timedelta(minutes=10),) * 5
_RETRY_ON: Final = frozenset({408, 409, 425, 429, *range(500, 600)})
_BESIDE_COMMENT: Final = frozenset({"summary", "issuetype", "project", "assignee", "priority", "status"})


class Wanting(Protocol):
    """A webhook that somebody installed."""

    url: str
    secret: str
    hides: bool


class Registry(Protocol):
    """Knows who is to be told; see `connector.systems.jira.sandbox.registered`."""

    def wanting(self, event: str, issue: Issue, now: datetime, /) -> Iterable[Wanting]:
        """Return the webhooks that an event goes to."""
        ...


class Outbox:
    """The webhooks that are still to be handed out.

    Each goes to whoever subscribed to the whole sandbox, signed with ``secret``, and to every webhook of the
    ``registry`` that wants it, signed with that one's own.
    """

    def __init__(self, site: Site, secret: str, *, twins: bool) -> None:
        self.site = site
        self.secret = secret
        self.registry: Registry | None = None
        self.twins = twins and not site.cloud
        self.sent = 0
        self.waiting: list[Hook] = []

    def take(self) -> list[Hook]:
        """Hand out what waits, once."""
        out, self.waiting = self.waiting, []
        return out

    def issue(
        self, now: datetime, actor: str, event: str, issue: Issue, *, what: str = "", changelog: Json | None = None
    ) -> None:
        """Tell that an issue was created, updated or deleted."""
        body: Json = {"timestamp": _millis(now), "webhookEvent": f"jira:issue_{event}"}
        if what:
            body["issue_event_type_name"] = what
        body |= {"user": self.site.person(actor), "issue": self.site.document(issue, "2")}
        if changelog is not None:
            body["changelog"] = changelog
        self._post(now, body, issue)

    def comment(self, now: datetime, actor: str, event: str, *, issue: Issue, comment: Comment) -> None:
        """Tell that a comment was created, updated or deleted."""
        shown = self.site.comment(issue, comment, "2")
        body: Json = {"timestamp": _millis(now), "webhookEvent": f"comment_{event}", "comment": shown}
        if self.site.cloud:
            body["issue"] = self.site.document(issue, "2", _BESIDE_COMMENT)
        self._post(now, body, issue)
        if self.twins and event != "deleted":
            what = {"created": "issue_commented", "updated": "issue_comment_edited"}[event]
            twin: Json = {
                "timestamp": _millis(now),
                "webhookEvent": "jira:issue_updated",
                "issue_event_type_name": what,
                "user": self.site.person(actor),
                "issue": self.site.document(issue, "2"),
                "comment": shown,
            }
            self._post(now, twin, issue)

    def _post(self, now: datetime, body: Mapping[str, object], issue: Issue) -> None:
        self.sent += 1
        event = str(body["webhookEvent"])
        raw = json.dumps(body, ensure_ascii=False).encode()
        self.waiting.append(self._hook(event, raw, self.secret))
        for one in self.registry.wanting(event, issue, now) if self.registry is not None else ():
            self.waiting.append(replace(self._hook(event, b"" if one.hides else raw, one.secret), url=one.url))

    def _hook(self, event: str, raw: bytes, secret: str) -> Hook:
        headers = {"content-type": "application/json", "user-agent": "Atlassian Webhook HTTP Client"}
        if secret:
            headers["x-hub-signature"] = "sha256=" + hmac.new(secret.encode(), raw, sha256).hexdigest()
        name = f"{event}-{self.sent}"
        if not self.site.cloud:
            return Hook(name, headers, raw)
        headers |= {
            "x-atlassian-webhook-identifier": sha256(f"hook {self.sent}".encode()).hexdigest()[:32],
            "x-atlassian-webhook-flow": "Primary",
        }
        return Hook(name, headers, raw, _RETRIES, _RETRY_ON, {"x-atlassian-webhook-retry": "1"})


def _millis(at: datetime) -> int:
    return round(at.timestamp() * 1000)
