"""The sandbox behaves as Jira does: errors, searches, histories, webhooks, limits, permissions."""

from __future__ import annotations

import hmac
import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from connector.sandbox import Call, Fault
from tests.systems.direct import Bench
from tests.systems.jira.places import SECRETS, Someone, later, place


def keys(here: Bench, jql: str, **query: str) -> list[str]:
    found = Someone(here, api="2").ask("GET", "/search" if not here.sandbox.site.cloud else "/search/jql", None, jql=jql,
                                       fields="summary", **query)  # fmt: skip
    return [issue["key"] for issue in found["issues"]]


@pytest.fixture
def here() -> Bench:
    made = place()
    ada = Someone(made)
    ada.creates("First bug", labels=["red", "p1"], priority={"name": "High"})
    later(made, minutes=10)
    ada.creates(
        "Second thing", issuetype={"name": "Bug"}, assignee={"accountId": made.sandbox.site.by_login["grace"].id}
    )
    later(made, minutes=10)
    Someone(made, "grace").creates("Third", labels=["blue"])
    ada.moves_to("WEB-1", "11")
    ada.moves_to("WEB-3", "31", resolution={"name": "Fixed"})
    ada.creates("Elsewhere", project="OPS")
    return made


@pytest.mark.parametrize(
    ("jql", "found"),
    [
        ("project = WEB ORDER BY key", ["WEB-1", "WEB-2", "WEB-3"]),
        ("project in (WEB, OPS) ORDER BY key DESC", ["WEB-3", "WEB-2", "WEB-1", "OPS-1"]),
        ("project != WEB", ["OPS-1"]),
        ("project not in (OPS) AND status = 'In Progress'", ["WEB-1"]),
        ('status in ("to do", Done) and project = "web" order by key asc', ["WEB-2", "WEB-3"]),
        ("statusCategory = done", ["WEB-3"]),
        ("labels = red", ["WEB-1"]),
        ("labels in (red, blue) ORDER BY created DESC", ["WEB-3", "WEB-1"]),
        ("labels is EMPTY AND project = WEB", ["WEB-2"]),
        ("resolution is not EMPTY", ["WEB-3"]),
        ("issuetype = Bug", ["WEB-2"]),
        ("creator = currentUser() AND project = WEB ORDER BY key", ["WEB-1", "WEB-2"]),
        ("assignee is not empty", ["WEB-2"]),
        ("reporter = grace", ["WEB-3"]),
        ("summary ~ 'THING'", ["WEB-2"]),
        ("priority = High", ["WEB-1"]),
        ("key = WEB-2 OR key = WEB-3 ORDER BY key", ["WEB-2", "WEB-3"]),
        ("NOT (project = OPS OR labels = red) ORDER BY key", ["WEB-2", "WEB-3"]),
        ("created >= -15m AND project = WEB ORDER BY key", ["WEB-2", "WEB-3"]),
        ('created < "2026-11-24 10:05" AND project = WEB', ["WEB-1"]),
        ('updated >= "2026-11-24 10:20" AND project = WEB ORDER BY updated ASC, key ASC', ["WEB-1", "WEB-3"]),
        ("updated <= now() AND updated > -1d AND key = OPS-1", ["OPS-1"]),
    ],
)  # fmt: skip
def test_a_search_finds(here: Bench, jql: str, found: list[str]) -> None:
    assert keys(here, jql) == found


@pytest.mark.parametrize(
    "jql",
    ["", "ORDER BY key", "project", "project =", "project = WEB AND", "colour = red", "project = (WEB", "updated >= soon",
     "project IN WEB", "project = WEB garbage", "summary > 3", "creator = membersOf()", "labels is 3", "project ^ WEB"],
)  # fmt: skip
def test_a_search_that_cannot_be_read_is_refused_in_jiras_shape(here: Bench, jql: str) -> None:
    answer = Someone(here).call("GET", "/search/jql", None, jql=jql)
    assert answer.status == 400
    assert json.loads(answer.body)["errorMessages"]


def test_a_new_search_answers_ids_only_unless_asked(here: Bench) -> None:
    found = Someone(here).ask("GET", "/search/jql", None, jql="project = WEB")
    assert found["issues"][0] == {"id": "10001"}
    assert "total" not in found


def test_the_old_search_is_gone_from_cloud(here: Bench) -> None:
    assert Someone(here).call("GET", "/search", None, jql="project = WEB").status == 410


def test_the_index_lags_and_a_direct_read_does_not() -> None:
    here = place(index_lag=timedelta(seconds=30))
    issue = Someone(here).creates()
    assert keys(here, "project = WEB") == []
    assert Someone(here).ask("GET", f"/issue/{issue}")["key"] == "WEB-1"
    later(here, seconds=61)
    assert keys(here, "project = WEB") == ["WEB-1"]
    Someone(here).edits(issue, summary="new")
    assert keys(here, "updated >= '2026-11-24 10:01' AND project = WEB") == []


# --- errors ----------------------------------------------------------------------------------------
ADF = {"type": "doc", "version": 1, "content": []}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "summary"),
        ({"summary": "a\nb"}, "summary"),
        ({"summary": "x" * 300}, "summary"),
        ({"summary": "x", "colour": "red"}, "colour"),
        ({"summary": "x", "resolution": {"name": "Fixed"}}, "resolution"),
        ({"summary": "x", "priority": {"name": "Mega"}}, "priority"),
        ({"summary": "x", "labels": ["a b"]}, "labels"),
        ({"summary": "x", "labels": "a"}, "labels"),
        ({"summary": "x", "assignee": {"accountId": "nobody"}}, "assignee"),
        ({"summary": "x", "customfield_10001": "3"}, "customfield_10001"),
        ({"summary": "x", "customfield_10020": [1]}, "customfield_10020"),
        ({"summary": "x", "customfield_10005": {"value": "Europe", "child": {"value": "Tokyo"}}}, "customfield_10005"),
        ({"summary": "x", "customfield_10006": "2026-12-01T10:00:00"}, "customfield_10006"),
        ({"summary": "x", "duedate": "soon"}, "duedate"),
        ({"summary": "x", "parent": {"key": "WEB-99"}}, "parent"),
        ({"summary": "x", "description": "text"}, "description"),
        ({"summary": "x", "components": ["Frontend"]}, "components"),
        ({"summary": "x", "project": {"key": "NOPE"}}, "project"),
        ({"summary": "x", "issuetype": {"name": "Epos"}}, "issuetype"),
    ],
)
def test_a_wrong_value_is_refused_under_its_fields_key(fields: dict[str, Any], field: str) -> None:
    here = place()
    base = {"project": {"key": "WEB"}, "issuetype": {"name": "Task"}}
    answer = Someone(here, api="3").call("POST", "/issue", {"fields": {**base, **fields}})
    assert answer.status == 400
    assert list(json.loads(answer.body)["errors"]) == [field]
    assert here.sandbox.ledger.effects == []


def test_a_long_text_is_refused_in_each_versions_own_way() -> None:
    here = place()
    issue = Someone(here).creates()
    long = {**ADF, "content": [{"type": "paragraph", "content": [{"type": "text", "text": "x" * 33_000}]}]}
    new = Someone(here, api="3").call("POST", f"/issue/{issue}/comment", {"body": long})
    old = Someone(here).call("POST", f"/issue/{issue}/comment", {"body": "x" * 33_000})
    assert json.loads(new.body)["errorMessages"] == ["CONTENT_LIMIT_EXCEEDED"]
    assert list(json.loads(old.body)["errors"]) == ["comment"]


def test_what_may_not_be_seen_looks_as_if_it_were_not_there() -> None:
    here = place()
    issue = Someone(here).creates()
    here.sandbox.deny("WEB", "grace")
    grace = Someone(here, "grace")
    assert grace.call("GET", f"/issue/{issue}").status == grace.call("GET", "/issue/99999").status == 404
    assert [project["key"] for project in grace.ask("GET", "/project")] == ["OPS"]
    assert grace.ask("GET", "/search/jql", None, jql="project in (WEB)", fields="key")["issues"] == []


def test_nobody_gets_in_without_an_account() -> None:
    here = place()
    for headers in ({}, {"authorization": "Bearer jira-bot-token"}, {"authorization": "Basic !!"}):
        answer = here.sandbox(Call("GET", "/rest/api/3/myself", {}, headers), here.clock())
        assert answer.status == 401
        assert answer.headers["content-type"].startswith("text/html")
    assert here.sandbox(Call("GET", "/rest/api/3/serverInfo"), here.clock()).status == 200


# --- history and webhooks --------------------------------------------------------------------------
def test_an_edit_that_changes_nothing_is_no_event() -> None:
    here = place()
    ada = Someone(here)
    issue = ada.creates("Same")
    here.sandbox.hooks(here.clock())
    ada.edits(issue, summary="Same")
    assert here.sandbox.hooks(here.clock()) == []
    assert [effect.action for effect in here.sandbox.ledger.effects] == ["add_issue"]


def test_a_webhook_and_the_history_name_a_change_alike() -> None:
    here = place()
    ada = Someone(here)
    issue = ada.creates()
    here.sandbox.hooks(here.clock())
    ada.edits(issue, labels=["a"], priority={"name": "Low"})
    (hook,) = here.sandbox.hooks(here.clock())
    body = json.loads(hook.body)
    (entry,) = ada.ask("GET", f"/issue/{issue}", None, expand="changelog")["changelog"]["histories"]
    assert body["changelog"] == {"id": entry["id"], "items": entry["items"]}
    assert {item["field"]: item["toString"] for item in entry["items"]} == {"labels": "a", "priority": "Low"}


def test_a_cloud_webhook_is_signed_numbered_and_repeated() -> None:
    here = place()
    Someone(here).creates()
    (hook,) = here.sandbox.hooks(here.clock())
    digest = hmac.new(SECRETS["HOOK"].encode(), hook.body, sha256).hexdigest()
    assert hook.headers["x-hub-signature"] == f"sha256={digest}"
    assert hook.headers["x-atlassian-webhook-identifier"]
    assert len(hook.retries) == 5
    assert {408, 409, 425, 429, 503} <= hook.retry_on
    assert 404 not in hook.retry_on
    assert hook.headers_on_retry == {"x-atlassian-webhook-retry": "1"}


def test_a_data_center_webhook_is_sent_once_and_tells_a_comment_twice() -> None:
    here = place("data-center")
    ada = Someone(here)
    ada.comments(ada.creates())
    hooks = here.sandbox.hooks(here.clock())
    assert all(hook.retries == () for hook in hooks)
    assert "x-atlassian-webhook-identifier" not in hooks[0].headers
    assert [json.loads(hook.body)["webhookEvent"] for hook in hooks] == [
        "jira:issue_created",
        "comment_created",
        "jira:issue_updated",
    ]
    assert "issue" not in json.loads(hooks[1].body)


def test_webhook_bodies_are_v2_shaped_whatever_was_written() -> None:
    here = place()
    doc = {
        **ADF,
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": "Hi", "marks": [{"type": "strong"}]}]}],
    }
    Someone(here, api="3").creates("x", description=doc)
    (hook,) = here.sandbox.hooks(here.clock())
    assert isinstance(json.loads(hook.body)["issue"]["fields"]["description"], str)


# --- limits and faults -------------------------------------------------------------------------------
def test_too_many_calls_in_a_second_are_refused_with_the_reason() -> None:
    here = place(rate=3)
    ada = Someone(here)
    answers = [ada.call("GET", "/myself") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["X-RateLimit-Remaining"] == "2"
    assert answers[3].headers["RateLimit-Reason"] == "jira-burst-based"
    later(here, seconds=1)
    assert ada.call("GET", "/myself").status == 200


def test_too_many_writes_of_one_issue_are_refused_for_that_issue() -> None:
    here = place(issue_rate=2)
    ada = Someone(here)
    one, other = ada.creates(), ada.creates()
    for number in range(2):
        ada.edits(one, summary=f"Change {number}")
    refused = ada.call("PUT", f"/issue/{one}", {"fields": {"summary": "more"}})
    assert (refused.status, refused.headers["RateLimit-Reason"]) == (429, "jira-per-issue-on-write")
    ada.edits(other, summary="fine")
    later(here, seconds=3)
    ada.edits(one, summary="fine again")


def test_a_fault_spoils_what_it_matches_and_as_often_as_it_says() -> None:
    here = place()
    ada = Someone(here)
    here.sandbox.faults.on.append(Fault("apply_then_drop", method="POST", path=r".*/issue", times=1))
    assert ada.call("GET", "/myself").status == 200
    fields = {"project": {"key": "WEB"}, "issuetype": {"name": "Task"}, "summary": "x"}
    assert ada.call("POST", "/issue", {"fields": fields}).drop
    assert len(here.sandbox.ledger.effects) == 1
    assert ada.call("POST", "/issue", {"fields": fields}).status == 201


def test_the_ledger_sees_what_was_added_twice() -> None:
    here = place()
    ada = Someone(here)
    mark = "jc1:test:github:" + "a" * 32
    body = {
        "fields": {"project": {"key": "WEB"}, "issuetype": {"name": "Task"}, "summary": "x"},
        "properties": [{"key": "jc.sync", "value": {"marker": mark}}],
    }
    ada.ask("POST", "/issue", body)
    assert here.sandbox.ledger.duplicates() == []
    ada.ask("POST", "/issue", body)
    assert here.sandbox.ledger.duplicates() == [mark]


def test_the_state_is_json() -> None:
    here = place()
    ada = Someone(here)
    ada.comments(ada.creates(customfield_10006="2026-12-01T10:00:00.000+0100"))
    assert json.loads(json.dumps(here.sandbox.state()))["WEB-1"]["fields"]["summary"] == "A bug"
