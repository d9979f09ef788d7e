"""Build Jira benches for tests: a sandbox of either flavour, the bot's site, and people who act in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from connector.sandbox import Answer, Call
from connector.systems.jira import SYSTEM
from connector.systems.jira.sandbox import JiraSandbox, new_sandbox
from tests.systems.direct import Bench, bench

SECRETS = {"TOKEN": "jira-bot-token", "HOOK": "It's a Secret to Everybody", "OLD": "an older secret"}

CONNECTIONS: Mapping[str, Mapping[str, Any]] = {
    "cloud": {
        "url": "http://sandbox",
        "auth": {"email": "bot@example.com", "token": "env:TOKEN"},
        "webhook": {"secret": "env:HOOK"},
        "index_lag": "90s",
    },
    "data-center": {
        "url": "http://sandbox/jira",
        "flavour": "data-center",
        "auth": {"token": "env:TOKEN"},
        "webhook": {"secret": "env:HOOK"},
        "index_lag": "90s",
    },
}
CONTEXT = {"cloud": "", "data-center": "/jira"}


def sandbox(flavour: str = "cloud", **more: Any) -> JiraSandbox:
    context = CONTEXT[flavour]
    url = f"http://sandbox{context}"
    return new_sandbox(webhook_secret=SECRETS["HOOK"], url=url, flavour=flavour, context=context, **more)


def place(flavour: str = "cloud", connection: Mapping[str, Any] | None = None, **more: Any) -> Bench:
    return bench(SYSTEM, sandbox(flavour, **more), {**CONNECTIONS[flavour], **(connection or {})}, SECRETS)


class Someone:
    """A person at a sandbox, who speaks v2 (wiki markup) with a token of their own."""

    def __init__(self, here: Bench, login: str = "ada", api: str = "2") -> None:
        self.here, self.api = here, api
        token = f"jira-{login}-token"
        jira: JiraSandbox = here.sandbox
        pair = base64.b64encode(f"{jira.site.tokens[token].email}:{token}".encode()).decode()
        self.headers = {"authorization": f"Basic {pair}", "content-type": "application/json"}

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Answer:
        raw = b"" if body is None else json.dumps(body).encode()
        full = f"{self.here.sandbox.context}/rest/api/{self.api}{path}"
        answer: Answer = self.here.sandbox(
            Call(method, full, {name: [value] for name, value in query.items()}, self.headers, raw), self.here.clock()
        )
        return answer

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        answer = self.call(method, path, body, **query)
        assert answer.status < 300, f"{method} {path}: {answer.status} {answer.body.decode()}"
        return json.loads(answer.body) if answer.body else None

    def creates(self, summary: str = "A bug", project: str = "WEB", **fields: Any) -> str:
        made = self.ask(
            "POST",
            "/issue",
            {"fields": {"project": {"key": project}, "issuetype": {"name": "Task"}, "summary": summary, **fields}},
        )
        return str(made["id"])

    def edits(self, issue: str, **fields: Any) -> None:
        self.ask("PUT", f"/issue/{issue}", {"fields": fields})

    def comments(self, issue: str, text: str = "Hello", **more: Any) -> str:
        return str(self.ask("POST", f"/issue/{issue}/comment", {"body": text, **more})["id"])

    def moves_to(self, issue: str, transition: str, **fields: Any) -> None:
        self.ask("POST", f"/issue/{issue}/transitions", {"transition": {"id": transition}, "fields": fields})


def later(here: Bench, **span: float) -> None:
    here.clock.move(timedelta(**span))
