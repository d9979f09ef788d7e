"""Jira keeps the contract of every system, as Cloud and as Data Center."""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar

from connector.event import Kind
from connector.system import Inbound
from connector.systems.jira import SYSTEM
from connector.systems.jira.sandbox import JiraSandbox
from tests.systems.contract import SystemContract
from tests.systems.direct import Bench
from tests.systems.jira.places import CONNECTIONS, SECRETS, Someone, sandbox


class TestJiraCloud(SystemContract):
    system = SYSTEM
    flavour: ClassVar[str] = "cloud"
    connection = CONNECTIONS["cloud"]
    secrets = SECRETS
    source: ClassVar[Mapping[str, Any]] = {"project": "WEB"}
    target: ClassVar[Mapping[str, Any]] = {"project": "WEB", "type": "Bug"}
    wanted: ClassVar[Mapping[str, Any]] = {
        "Summary": "It breaks",
        "Description": {"format": "markdown", "content": "It **breaks** often."},
        "Priority": "High",
        "labels": ["from github", "p1"],
        "Team Milestone": "M1",
        "Severity": "major",
    }
    edited: ClassVar[Mapping[str, Any]] = {"Summary": "It broke"}
    asked: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "projects": {},
        "types": {"project": "WEB"},
        "fields": {"project": "WEB", "type": "Bug"},
        "statuses": {"project": "WEB"},
        "transitions": {"project": "WEB"},
        "users": {"project": "WEB"},
    }
    unpolled = frozenset({Kind.ISSUE_DELETED, Kind.COMMENT_DELETED})

    def new(self) -> JiraSandbox:
        # Without the second webhook of each comment: two bodies of one event are the subject of test_receive.
        return sandbox(self.flavour, comment_twins=False)

    def live(self, here: Bench) -> None:
        ada = Someone(here)
        issue = ada.creates("Login fails", description="It *fails*.")
        here.clock.move(timedelta(seconds=2))
        comment = ada.comments(issue, "I see it too")
        here.clock.move(timedelta(seconds=2))
        ada.edits(issue, summary="Login fails on Mondays", priority={"name": "High"})
        here.clock.move(timedelta(seconds=2))
        ada.moves_to(issue, "11")
        here.clock.move(timedelta(seconds=2))
        ada.ask("PUT", f"/issue/{issue}/comment/{comment}", {"body": "I see it _too_"})
        here.clock.move(timedelta(seconds=2))
        gone = ada.comments(issue, "Never mind")
        ada.ask("DELETE", f"/issue/{issue}/comment/{gone}")
        here.clock.move(timedelta(seconds=2))
        ada.ask("DELETE", f"/issue/{ada.creates('A mistake')}")

    def sign(self, inbound: Inbound, secret: str, now: datetime) -> Inbound:
        digest = hmac.new(secret.encode(), inbound.body, sha256).hexdigest()
        return dataclasses.replace(inbound, headers={**inbound.headers, "x-hub-signature": f"sha256={digest}"})

    def signature_headers(self) -> tuple[str, ...]:
        return ("x-hub-signature",)


class TestJiraDataCenter(TestJiraCloud):
    flavour = "data-center"
    connection = CONNECTIONS["data-center"]
