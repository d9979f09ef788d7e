"""Keep the webhooks that administrators of a sandboxed Jira installed, through the API of its flavour and version.

Cloud and Data Center up to 9 answer at ``/rest/webhooks/1.0/webhook``, Data Center from 10 at
``/rest/jira-webhook/1.0/webhooks``; where the other is asked for, there is nothing (404).  Who has not the global
permission *Administer Jira* gets 403.  A secret is never shown: Cloud says ``isSigned``, Data Center nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connector.sandbox import Answer, Ledger
from connector.systems.jira.sandbox.actions import Refused
from connector.systems.jira.sandbox.asked import At
from connector.systems.jira.sandbox.content import Issue
from connector.systems.jira.sandbox.site import Json, Site

_OLD: Final = re.compile(r"/rest/webhooks/1\.0/webhook(?:/(?P<number>\d+))?/?")
_NEW: Final = re.compile(r"/rest/jira-webhook/1\.0/webhooks(?:/(?P<number>\d+))?/?")
_FILTER: Final = "issue-related-events-section"


@dataclass(slots=True)
class Registered:
    """One webhook."""

    id: int
    name: str
    url: str
    events: list[str]
    filter: str
    secret: str
    enabled: bool
    hides: bool
    by: str
    updated: datetime


class Registry:
    """The webhooks, and the routes that change them."""

    def __init__(self, site: Site, ledger: Ledger, fits: Callable[[str, Issue, datetime], bool]) -> None:
        self.site, self.ledger, self.fits = site, ledger, fits
        self.hooks: dict[int, Registered] = {}
        self._issued = 0

    @property
    def modern(self) -> bool:
        """Whether this is a Data Center of the new family."""
        return not self.site.cloud and self.site.release >= (10,)

    def is_here(self, path: str) -> bool:
        """Tell whether a path belongs to either family."""
        return path.startswith(("/rest/webhooks/", "/rest/jira-webhook/"))

    def answer(self, at: At, path: str) -> Answer:
        """Answer a call that has been authenticated."""
        match = (_NEW if self.modern else _OLD).fullmatch(path)
        if match is None:
            raise Refused(404, "null for uri")
        if at.who not in self.site.administrators:
            raise Refused(403, "You must be a Jira administrator to manage webhooks.")
        number = match["number"]
        if number is None:
            match at.call.method:
                case "GET":
                    return Answer.of(200, [self._shown(one) for one in self.hooks.values()])
                case "POST":
                    return Answer.of(201, self._shown(self._create(at)))
                case _:
                    raise Refused(405, "Method Not Allowed")
        hook = self.hooks.get(int(number))
        if hook is None:
            raise Refused(404, "The webhook does not exist.")
        match at.call.method:
            case "GET":
                return Answer.of(200, self._shown(hook))
            case "PUT":
                self._fill(at, hook)
                self._wrote(at, "edit_webhook", hook)
                return Answer.of(200, self._shown(hook))
            case "DELETE":
                del self.hooks[hook.id]
                self._wrote(at, "delete_webhook", hook)
                return Answer(204)
            case _:
                raise Refused(405, "Method Not Allowed")

    def wanting(self, event: str, issue: Issue, now: datetime) -> Iterator[Registered]:
        """Yield who is to be told of an event."""
        for hook in self.hooks.values():
            if hook.enabled and event in hook.events and (not hook.filter or self.fits(hook.filter, issue, now)):
                yield hook

    def _create(self, at: At) -> Registered:
        self._issued += 1
        hook = Registered(self._issued, "", "", [], "", "", enabled=True, hides=False, by=at.who, updated=at.now)
        self._fill(at, hook)
        self.hooks[hook.id] = hook
        self._wrote(at, "create_webhook", hook)
        return hook

    def _fill(self, at: At, hook: Registered) -> None:
        """Replace what it is by what was sent; a secret that is not mentioned stays."""
        sent = at.body()
        name, url, events = sent.get("name"), sent.get("url"), sent.get("events")
        if not isinstance(name, str) or not name:
            raise Refused(400, "The name of a webhook is required.")
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise Refused(400, "The URL of a webhook must be absolute.")
        if not isinstance(events, list) or not all(isinstance(one, str) for one in events):
            raise Refused(400, "The events of a webhook must be a list.")
        filters, configured = sent.get("filters"), sent.get("configuration")
        hook.name, hook.url, hook.events = name, url, events
        hook.filter = str(filters.get(_FILTER) or "") if isinstance(filters, dict) else ""
        hook.enabled = bool(sent.get("active" if self.modern else "enabled", True))
        hook.hides = bool(sent.get("excludeBody"))
        given: Any = sent.get("secret")
        if self.modern:
            given = configured.get("SECRET") if isinstance(configured, dict) else None
        if given is not None:
            hook.secret = str(given)
        hook.updated = at.now

    def _wrote(self, at: At, action: str, hook: Registered) -> None:
        self.ledger.add(at.now, at.who, action, "", url=hook.url)

    def _shown(self, hook: Registered) -> Json:
        millis = round(hook.updated.timestamp() * 1000)
        shared: Json = {"name": hook.name, "url": hook.url, "events": list(hook.events)}
        if self.modern:
            return {
                "id": hook.id, **shared, "createdDate": millis, "updatedDate": millis, "active": hook.enabled,
                "configuration": {"EXCLUDE_BODY": str(hook.hides).lower()}, "scopeType": "global",
                "sslVerificationRequired": True,
            }  # fmt: skip
        signed = {"isSigned": bool(hook.secret)} if self.site.cloud else {}
        return {
            **shared, "excludeBody": hook.hides, "filters": {_FILTER: hook.filter}, "enabled": hook.enabled,
            "self": f"{self.site.url}/rest/webhooks/1.0/webhook/{hook.id}", "lastUpdated": millis,
            "lastUpdatedUser": hook.by, **signed,
        }  # fmt: skip
