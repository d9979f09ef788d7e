"""A sandbox with people in it, for the tests of GitHub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from connector.event import Event
from connector.link import Marker, effect_key
from connector.sandbox import Answer, Call
from connector.system import Action, Change, Inbound, Trust
from connector.systems.github import SYSTEM
from connector.systems.github.sandbox import GitHubSandbox, new_sandbox
from connector.systems.github.settings import Source, Target
from tests.systems.direct import Bench, bench

SECRET = "It's a Secret to Everybody"
SECRETS = {"TOKEN": "ghp_bot_canary_4711", "HOOK": SECRET, "OLD": "an older secret"}
CONNECTION: Mapping[str, Any] = {"auth": {"token": "env:TOKEN"}, "webhook": {"secret": "env:HOOK"}}
PEOPLE = {"ghp_bot_canary_4711": "acme-bot", "ghp_alice": "alice", "ghp_bob": "bob"}
INTO = Target("acme/web")
FROM = Source(("acme/web",))


def sandbox(**options: Any) -> GitHubSandbox:
    return new_sandbox(webhook_secret=SECRET, people=PEOPLE, **options)


def scene(connection: Mapping[str, Any] = CONNECTION, **options: Any) -> Bench:
    return bench(SYSTEM, sandbox(**options), connection, SECRETS)


def act(here: Bench, method: str, path: str, document: Any = None, *, who: str = "ghp_alice") -> Any:
    """Let a person do something through the same REST API; returns the answer's JSON."""
    answer = ask(here, method, path, document, who=who)
    assert answer.status < 300, answer.body
    return json.loads(answer.body) if answer.body else None


def ask(here: Bench, method: str, path: str, document: Any = None, *, who: str = "ghp_alice") -> Answer:
    path, _, query = path.partition("?")
    asked = dict(part.split("=", 1) for part in query.split("&") if part)
    body = b"" if document is None else json.dumps(document).encode()
    call = Call(method, path, {k: [v] for k, v in asked.items()}, {"authorization": f"Bearer {who}"}, body)
    answer: Answer = here.sandbox(call, here.clock())
    return answer


def later(here: Bench, seconds: int = 5) -> None:
    here.clock.move(timedelta(seconds=seconds))


def hooked(here: Bench) -> list[Event]:
    """Return the events of the webhooks that wait."""
    events: list[Event] = []
    for hook in here.sandbox.hooks(here.clock()):
        inbound = Inbound({k.lower(): v for k, v in hook.headers.items()}, hook.body)
        events.extend(SYSTEM.receive(here.site.connection, here.site.settings, inbound, Trust.SIGNED).events)
    return events


def received(name: str, payload: Any, trust: Trust = Trust.SIGNED) -> Any:
    """Read one payload."""
    inbound = Inbound({"x-github-event": name}, json.dumps(payload).encode())
    return SYSTEM.receive("github", None, inbound, trust)


def mark(word: str) -> Marker:
    return Marker("test", "jira", effect_key("uid", "jira:issue:1", word))


def creation(word: str = "one", **fields: Any) -> Change:
    marker = mark(word)
    return Change(Action.CREATE, marker.effect, marker, fields=fields)
