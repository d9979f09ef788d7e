"""Keep the webhooks that were installed through the pretended GitHub's API, and answer for them.

Only who may administer a repository sees them; to everybody else there are none (404), as on GitHub.  Shapes are
those of GitHub's OpenAPI document (``hook``, ``hook-delivery-item``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from connector.sandbox import Answer, Call
from connector.systems.github.sandbox.change import Act, Changes, Invalid, invalid
from connector.systems.github.sandbox.lists import as_number, paged
from connector.systems.github.sandbox.show import Shower
from connector.systems.github.sandbox.state import Registered

MOST = 20
"""How many webhooks of a repository one event may have."""


class Registry:
    """The routes below ``/repos/{owner}/{repo}/hooks``."""

    def __init__(self, show: Shower, changes: Changes) -> None:
        self.show = show
        self.ledger = changes.ledger
        self.hooks = changes.hooks
        self.next_id = changes.world.next_id

    def answer(self, call: Call, act: Act, rest: list[str]) -> Answer | None:
        """Answer a call; None for what is not there, or not for this account."""
        one = act.one
        if one.admins is not None and act.user.login not in one.admins:
            return None
        match call.method, rest:
            case "GET", []:
                return paged(
                    self.show.url, call, one, list(one.webhooks.values()), lambda hook: self.show.webhook(one, hook)
                )
            case "POST", []:
                return self._create(act, _asked(call))
            case _, [number, *more]:
                hook = one.webhooks.get(as_number(number))
                return None if hook is None else self._one(call, act, hook, more)
        return None

    def _one(self, call: Call, act: Act, hook: Registered, rest: list[str]) -> Answer | None:
        one = act.one
        match call.method, rest:
            case "GET", []:
                return Answer.of(200, self.show.webhook(one, hook))
            case "PATCH", []:
                return self._edit(act, hook, _asked(call))
            case "DELETE", []:
                del one.webhooks[hook.id]
                self.ledger.add(act.now, act.user.login, "delete_webhook", one.full_name, url=hook.config["url"])
                return Answer(204)
            case "POST", ["pings"]:
                self.hooks.ping(act.one, act.user, hook)
                return Answer(204)
            case "GET", ["deliveries"]:
                size = min(max(as_number(call.first("per_page", "30"), 30), 1), 100)
                return Answer.of(200, [*hook.deliveries][:size])
        return None

    def _create(self, act: Act, asked: Mapping[str, Any]) -> Answer:
        one = act.one
        if asked.get("name", "web") != "web":
            raise invalid("name", "custom", "Hook", message="name must be 'web'")
        config, events = _config(asked), _events(asked.get("events", ["push"]))
        for other in one.webhooks.values():
            if _public(other.config) == _public(config) and set(other.events) & set(events):
                raise Invalid(
                    {"resource": "Hook", "code": "custom", "message": "Hook already exists on this repository"}
                )
        for event in events:
            if sum(event in other.events for other in one.webhooks.values()) >= MOST:
                message = f"The {event!r} event cannot have more than {MOST} hooks"
                raise Invalid({"resource": "Hook", "code": "custom", "message": message})
        hook = Registered(self.next_id(), config, events, bool(asked.get("active", True)), act.now, act.now)
        one.webhooks[hook.id] = hook
        self.ledger.add(act.now, act.user.login, "create_webhook", one.full_name, url=config["url"])
        self.hooks.ping(act.one, act.user, hook)
        return Answer.of(201, self.show.webhook(one, hook))

    def _edit(self, act: Act, hook: Registered, asked: Mapping[str, Any]) -> Answer:
        """Change what is given.  A ``config`` replaces the former one: without its secret, there is none any more."""
        if "config" in asked:
            hook.config = _config(asked)
        if "events" in asked:
            hook.events = _events(asked["events"])
        added, removed = _events(asked.get("add_events", [])), set(_events(asked.get("remove_events", [])))
        hook.events = [one for one in dict.fromkeys([*hook.events, *added]) if one not in removed]
        hook.active = bool(asked.get("active", hook.active))
        hook.updated = act.now
        self.ledger.add(act.now, act.user.login, "edit_webhook", act.one.full_name, url=hook.config["url"])
        return Answer.of(200, self.show.webhook(act.one, hook))


def _asked(call: Call) -> dict[str, Any]:
    try:
        asked = call.json()
    except json.JSONDecodeError:
        asked = None
    if not isinstance(asked, dict):
        raise invalid("body", "invalid", "Hook")
    return asked


def _config(asked: Mapping[str, Any]) -> dict[str, str]:
    given = asked.get("config")
    if not isinstance(given, dict) or not given.get("url"):
        raise invalid("url", "missing_field", "Hook")
    if urlsplit(str(given["url"])).scheme not in {"http", "https"}:
        raise invalid("url", "invalid", "Hook")
    plain = {"content_type": "form", "insecure_ssl": "0"}
    return {**plain, **{name: str(value) for name, value in given.items() if value is not None}}


def _public(config: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in config.items() if name != "secret"}


def _events(given: Any) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise invalid("events", "invalid", "Hook")
    return list(dict.fromkeys(given))
