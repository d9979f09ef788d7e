"""Set a scene: a sandbox workspace, our connection to it, and people who talk there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from connector.event import Entity
from connector.link import Marker, effect_key
from connector.sandbox import Call
from connector.system import Action, Change, Target, Written
from connector.systems.slack import SYSTEM
from connector.systems.slack.sandbox import SCOPES, new_sandbox
from connector.systems.slack.settings import Source
from connector.systems.slack.settings import Target as Into
from tests.systems.direct import Bench, bench

CONNECTION: Mapping[str, Any] = {"auth": {"token": "env:TOKEN"}, "webhook": {"secret": "env:SIGNING"}}
SECRETS = {"TOKEN": "xoxb-sandbox", "SIGNING": "signing"}
ANN, BEN = "xoxp-ann", "xoxp-ben"
GENERAL, ALERTS = "C0000001", "C0000002"
INTO = Into(ALERTS)
FROM = Source((GENERAL,))


def scene(scopes: frozenset[str] = SCOPES, *, pace: bool = False, **connection: Any) -> Bench:
    sandbox = new_sandbox(webhook_secret=SECRETS["SIGNING"], scopes=scopes, pace=pace)
    return bench(SYSTEM, sandbox, {**CONNECTION, **connection}, SECRETS)


def call(here: Bench, method: str, token: str = ANN, **arguments: Any) -> Any:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    request = Call("POST", f"/api/{method}", {}, headers, json.dumps(arguments).encode())
    return json.loads(here.sandbox(request, here.clock()).body)


def say(here: Bench, text: str, channel: str = GENERAL, token: str = ANN, **more: Any) -> str:
    """Let a person post; returns the ts, and a second goes by."""
    answer = call(here, "chat.postMessage", token, channel=channel, text=text, **more)
    assert answer["ok"], answer
    here.clock.move(timedelta(seconds=1))
    return str(answer["ts"])


def mark(word: str) -> Marker:
    return Marker("test", "jira", effect_key("uid", "jira:issue:1", word))


def target() -> Target:
    assert SYSTEM.target is not None
    return SYSTEM.target


def creation(here: Bench, text: str = "WEB-1 is broken", word: str = "create", into: Into = INTO) -> Change:
    shaped = target().shape(here.site, into, {"Text": text}, None)
    return Change(Action.CREATE, mark(word).effect, mark(word), fields=shaped.fields)


def started(here: Bench, text: str = "WEB-1 is broken", word: str = "create") -> Written:
    return target().write(here.site, INTO, creation(here, text, word))


def reply(entity: Entity, body: str = "a reply", word: str = "comment", **more: Any) -> Change:
    return Change(Action.COMMENT, mark(word).effect, mark(word), entity=entity, body=body, **more)


def actions(here: Bench) -> list[str]:
    return [effect.action for effect in here.sandbox.ledger.effects]
