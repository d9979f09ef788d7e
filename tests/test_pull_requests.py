"""A pull request moves the issues it names, and is never taken for an issue itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from connector.config import Config
from connector.event import Entity, Event, Kind, event_id
from connector.loading import load
from connector.planning import Known, plan
from connector.registry import SYSTEMS
from connector.routing import routes
from connector.transforms import TRANSFORMS
from tests.configuring import TEMPLATES
from workers.tools import tools

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
PULL = Entity(
    "github", "pull_request", "7#12", key="acme/web#12", url="https://github.com/acme/web/pull/12", scope="acme/web"
)


@pytest.fixture(scope="module")
def loaded() -> Config:
    text = """
version: 1
connections:
  github: {system: github, auth: {token: env:A}}
  jira: {system: jira, url: https://acme.atlassian.net, auth: {email: a@b.c, token: env:B}}
connectors:
  - {name: bugs, template: github-to-jira, from: {repositories: [acme/web]}, to: {project: WEB}}
"""
    return load({"all.yaml": text}, SYSTEMS, TRANSFORMS, TEMPLATES)


def pull(kind: Kind = Kind.PULL_REQUEST_CREATED, **data: Any) -> Event:
    known = {"title": "WEB-12 fix it", "state": "open", "labels": ["bug"], **data}
    return Event(event_id(PULL, kind), kind, PULL, NOW, known)


def planned(loaded: Config, event: Event) -> Any:
    return plan(loaded.connectors["bugs"], event, Known(), tools(), instance="t", now=NOW)


def test_it_names_issues_of_the_targets_project_only(loaded: Config) -> None:
    got = planned(loaded, pull(title="WEB-12, OPS-3 and web-4; also WEB-7.", body=None))
    assert got.named == ("WEB-12", "WEB-7")


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (pull(), "In Progress"),
        (pull(Kind.PULL_REQUEST_MERGED, state="closed", merged=True), "Done"),
        (pull(Kind.PULL_REQUEST_UPDATED, state="closed", merged=True), "Done"),
        (pull(Kind.PULL_REQUEST_CLOSED, state="closed"), None),
    ],
)
def test_its_state_decides_on_the_status(loaded: Config, event: Event, status: str | None) -> None:
    got = planned(loaded, event)
    assert got.wanted == ({"Status": status} if status else None)
    assert not got.create


def test_a_comment_on_it_creates_nothing(loaded: Config) -> None:
    comment = pull(Kind.COMMENT_CREATED, comment={"id": "1", "body": {"format": "markdown", "content": "hm"}})
    assert planned(loaded, comment).skip
    assert [route.reason for route in routes(loaded, SYSTEMS, comment, tools())] != [""]


def test_a_comment_on_an_issue_is_taken(loaded: Config) -> None:
    comment = pull(
        Kind.COMMENT_CREATED, comment={"id": "1", "body": {"format": "markdown", "content": "hm"}, "author": {}}
    )
    issue = replace(comment, entity=replace(PULL, type="issue"))
    assert [route.reason for route in routes(loaded, SYSTEMS, issue, tools())] == [""]


def test_one_that_names_nothing_is_skipped(loaded: Config) -> None:
    assert planned(loaded, pull(title="tidy up")).skip
