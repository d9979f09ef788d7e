"""GitHub keeps the laws of a system."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from connector.event import Kind
from connector.sandbox import Sandbox
from connector.system import Inbound, System
from connector.systems.github import SYSTEM
from tests.systems.contract import SystemContract
from tests.systems.direct import Bench
from tests.systems.github.scene import CONNECTION, SECRETS, act, later, sandbox


class TestGitHub(SystemContract):
    system: ClassVar[System] = SYSTEM
    connection: ClassVar[Mapping[str, Any]] = CONNECTION
    secrets: ClassVar[Mapping[str, str]] = SECRETS
    source: ClassVar[Mapping[str, Any]] = {"repositories": ["Acme/Web"]}
    target: ClassVar[Mapping[str, Any]] = {"repository": "acme/web"}
    wanted: ClassVar[Mapping[str, Any]] = {
        "Title": "It breaks",
        "Body": {"format": "markdown", "content": "When I **click**."},
        "Labels": ["Bug", "jira"],
        "Assignees": ["Bob"],
        "Milestone": "V1.0",
        "State": "open",
    }
    edited: ClassVar[Mapping[str, Any]] = {
        "Title": "It still breaks",
        "Body": {"format": "markdown", "content": "Always."},
        "State": {"state": "closed", "state_reason": "not_planned"},
    }
    asked: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "repositories": {},
        **{kind: {"repository": "acme/web"} for kind in ("fields", "labels", "milestones", "users")},
    }
    unpolled: ClassVar[frozenset[Kind]] = frozenset({Kind.ISSUE_DELETED, Kind.COMMENT_DELETED})

    def new(self) -> Sandbox:
        return sandbox()

    def live(self, here: Bench) -> None:
        repo = "/repos/acme/web"
        issue = act(here, "POST", f"{repo}/issues", {"title": "One", "body": "first", "labels": ["bug"]})
        one = f"{repo}/issues/{issue['number']}"
        later(here)
        act(here, "PATCH", one, {"title": "One and a half", "assignees": ["bob"]}, who="ghp_bob")
        later(here)
        said = act(here, "POST", f"{one}/comments", {"body": "Hello"})
        gone = act(here, "POST", f"{one}/comments", {"body": "Oops"})
        later(here)
        act(here, "PATCH", f"{repo}/issues/comments/{said['id']}", {"body": "Hello again"})
        act(here, "DELETE", f"{repo}/issues/comments/{gone['id']}")
        later(here)
        act(here, "PATCH", one, {"state": "closed"})
        other = act(here, "POST", f"{repo}/issues", {"title": "Two"})
        later(here)
        here.sandbox.delete_issue("acme/web", other["number"], "alice", here.clock())
        for head, ending in (("fix", "merge"), ("try", "close")):
            pull = act(here, "POST", f"{repo}/pulls", {"title": f"WEB-1 {head}", "head": head, "base": "main"})
            path = f"{repo}/pulls/{pull['number']}"
            later(here)
            act(here, "PATCH", path, {"title": f"WEB-1 {head} it"})
            act(here, "POST", f"{repo}/issues/{pull['number']}/comments", {"body": "Looks good"}, who="ghp_bob")
            later(here)
            if ending == "merge":
                act(here, "PUT", f"{path}/merge", {})
            else:
                act(here, "PATCH", path, {"state": "closed"})
            later(here)

    def sign(self, inbound: Inbound, secret: str, now: datetime) -> Inbound:
        digest = hmac.digest(secret.encode(), inbound.body, "sha256").hex()
        return Inbound({**inbound.headers, "x-hub-signature-256": f"sha256={digest}"}, inbound.body)

    def signature_headers(self) -> tuple[str, ...]:
        return ("x-hub-signature-256",)
