"""Declare the two configurations that histories play in: a chain of three systems, and a ring of two."""

from __future__ import annotations

from functools import cache
from typing import Final

from connector.config import Config
from connector.loading import load
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from workers.files import ready_made

CONNECTIONS: Final = """\
version: 1
instance: test
connections:
  git:
    system: github
    auth: {token: env:GIT_TOKEN}
    webhook: {secret: env:GIT_HOOK}
  jira:
    system: jira
    url: http://sandbox
    auth: {email: bot@example.com, token: env:JIRA_TOKEN}
    webhook: {secret: env:JIRA_HOOK}
    index_lag: 90s
    LIMITS
  chat:
    system: slack
    auth: {token: env:CHAT_TOKEN}
    webhook: {secret: env:CHAT_HOOK}
"""
SECRETS: Final = {
    "GIT_TOKEN": "ghp_bot",
    "GIT_HOOK": "git secret",
    "JIRA_TOKEN": "jira-bot-token",
    "JIRA_HOOK": "jira secret",
    "CHAT_TOKEN": "xoxb-sandbox",
    "CHAT_HOOK": "chat secret",
}
BUGS: Final = """\
version: 1
name: bugs
template: github-to-jira
from: {connection: git, repositories: [acme/web]}
to: {connection: jira, project: WEB, type: Bug}
when: null
references: null
comments: {audience: public, edits: true, text: "{{ comment.body }}"}
brake: off
OPTIONS
"""
NEWS: Final = """\
version: 1
name: news
template: jira-to-slack
from: {connection: jira, project: WEB}
to: {connection: chat, channel: "#alerts"}
mapping: {Text: title}
comments: {audience: public, edits: true, text: "{{ comment.body }}"}
expire: null
brake: off
OPTIONS
"""
BACK: Final = """\
version: 1
name: back
template: jira-to-github-status
from: {connection: jira, project: WEB}
to: {connection: git, repository: acme/web}
comments: {audience: public, edits: true, text: "{{ comment.body }}"}
brake: off
OPTIONS
"""
TOWNS: Final = {"chain": (BUGS, NEWS), "ring": (BUGS, BACK)}

OPTIONS: Final = ("concurrency: 4", "concurrency: 2", "concurrency: 3\non_dead: block", "attempts: 6")
"""What a reload changes; the first is in force at the beginning."""


@cache
def configuration(town: str, options: int = 0, limits: str = "") -> Config:
    """Load a configuration by the product's own loader; ``limits`` are those of the Jira connection (YAML)."""
    texts = {
        f"connectors/{number}.yaml": text.replace("OPTIONS", OPTIONS[options])
        for number, text in enumerate(TOWNS[town])
    }
    texts["connections/all.yaml"] = CONNECTIONS.replace("LIMITS", f"limits: {limits}" if limits else "")
    return load(texts, SYSTEMS, TRANSFORMS, ready_made())
