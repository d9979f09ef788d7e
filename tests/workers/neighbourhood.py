"""Sandboxes behind one port, with people who act in them, for tests that set up against the real thing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from connector.sandbox import Call
from connector.systems.github.sandbox import new_sandbox as new_github
from connector.systems.jira.sandbox import new_sandbox as new_jira
from connector.systems.slack.sandbox import new_sandbox as new_slack
from workers.sandbox import Served

TOKENS = {"JIRA_TOKEN": "jira-bot-token", "GITHUB_TOKEN": "ghp_bot", "SLACK_TOKEN": "xoxb-sandbox"}

CONNECTIONS = """\
version: 1
instance: test
connections:
  jira:
    system: jira
    url: {jira}
    auth: {{email: bot@example.com, token: env:JIRA_TOKEN}}
    http: {{private_addresses: [127.0.0.0/8]}}
  github:
    system: github
    url: {github}
    auth: {{token: env:GITHUB_TOKEN}}
    http: {{private_addresses: [127.0.0.0/8]}}
"""
"""Of its two trackers; to be filled in with their URLs."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The sandboxes as they are served; ``jira`` and ``github`` let a person do something there."""

    served: Served
    context: str

    def url(self, name: str) -> str:
        return self.served.url(name) + (self.context if name == "jira" else "")

    def github(self, method: str, path: str, document: Any = None) -> Any:
        return self._does("github", method, path, document, "Bearer ghp_alice")

    def jira(self, method: str, path: str, document: Any = None) -> Any:
        pair = base64.b64encode(b"ada@example.com:jira-ada-token").decode()
        return self._does("jira", method, f"{self.context}/rest/api/2{path}", document, f"Basic {pair}")

    def _does(self, name: str, method: str, path: str, document: Any, who: str) -> Any:
        body = b"" if document is None else json.dumps(document).encode()
        headers = {"authorization": who, "content-type": "application/json"}
        answer = self.served.answer(Call(method, f"/{name}{path}", {}, headers, body))
        assert answer.status < 300, answer.body
        return json.loads(answer.body) if answer.body else None

    def issue(self, title: str, *labels: str, body: str = "It **breaks**.") -> str:
        """Open an issue in acme/web; returns its key."""
        made = self.github("POST", "/repos/acme/web/issues", {"title": title, "body": body, "labels": list(labels)})
        return f"acme/web#{made['number']}"

    def effects(self) -> dict[str, list[str]]:
        """Return what was ever done in each sandbox."""
        return {name: [one.action for one in box.ledger.effects] for name, box in self.served.sandboxes.items()}


@contextmanager
def neighbourhood(flavour: str = "cloud", **more: Any) -> Iterator[Neighbourhood]:
    """Serve GitHub, Slack and a Jira of a flavour."""
    context = "" if flavour == "cloud" else "/jira"
    with Served() as served:
        served.add("github", new_github(url=served.url("github")))
        served.add("slack", new_slack(url=served.url("slack")))
        served.add("jira", new_jira(url=served.url("jira") + context, flavour=flavour, context=context, **more))
        yield Neighbourhood(served, context)
