"""The public client library ``jira`` works against the sandbox, unmodified, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jira import JIRA
from jira.exceptions import JIRAError

from connector.systems.jira.sandbox import JiraSandbox, new_sandbox
from tests.systems.served import serve_built

FLAVOURS = ("cloud", "cloud v3", "data-center")


@pytest.fixture(params=FLAVOURS)
def served(request: pytest.FixtureRequest) -> Iterator[tuple[JIRA, JiraSandbox]]:
    flavour, _, version = str(request.param).partition(" ")
    with serve_built(lambda url: new_sandbox(url=url, flavour=flavour)) as (url, sandbox):
        options: dict[str, str | bool | Any] = {"server": url, "rest_api_version": version.strip("v") or "2"}
        if flavour == "cloud":
            client = JIRA(options=options, basic_auth=("ada@example.com", "jira-ada-token"), max_retries=0)
        else:
            client = JIRA(options=options, token_auth="jira-ada-token", max_retries=0)
        yield client, sandbox
        client.close()  # type: ignore[no-untyped-call] # the library has no hints there


def text(client: JIRA, words: str) -> Any:
    if client._options["rest_api_version"] != "3":
        return words
    return {
        "type": "doc",
        "version": 1,
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": words}]}],
    }


def test_an_issue_is_created_edited_and_read(served: tuple[JIRA, JiraSandbox]) -> None:
    client, sandbox = served
    issue = client.create_issue(
        project="WEB", summary="From the client", issuetype={"name": "Bug"}, description=text(client, "It breaks"),
        priority={"name": "High"}, labels=["a", "b"], customfield_10002={"value": "Major"},
    )  # fmt: skip
    assert issue.key == "WEB-1"
    assert issue.fields.status.name == "To Do"
    assert issue.fields.priority.name == "High"
    assert issue.fields.customfield_10002.value == "Major"
    issue.update(summary="Changed", fields={"labels": ["c"]})
    again = client.issue("WEB-1")
    assert (again.fields.summary, again.fields.labels) == ("Changed", ["c"])
    assert [effect.action for effect in sandbox.ledger.effects] == ["add_issue", "edit_issue"]


def test_comments_are_added_changed_and_removed(served: tuple[JIRA, JiraSandbox]) -> None:
    client, sandbox = served
    issue = client.create_issue(project="WEB", summary="x", issuetype={"name": "Task"})
    comment = client.add_comment(issue, text(client, "Hello"))
    comment.update(body=text(client, "Hello again"))
    assert [one.id for one in client.comments(issue)] == [comment.id]
    comment.delete()
    assert client.comments(client.issue(issue.key)) == []
    assert [e.action for e in sandbox.ledger.effects][1:] == ["add_comment", "edit_comment", "delete_comment"]


def test_a_transition_is_taken_by_name_with_its_screen(served: tuple[JIRA, JiraSandbox]) -> None:
    client, _ = served
    issue = client.create_issue(project="WEB", summary="x", issuetype={"name": "Task"})
    assert {one["name"] for one in client.transitions(issue)} == {"Start", "Done"}
    assert "resolution" in client.transitions(issue, expand="transitions.fields")[1]["fields"]
    with pytest.raises(JIRAError) as caught:
        client.transition_issue(issue, "31")
    assert caught.value.status_code == 400
    # The library parses the empty answer of a transition, and says so by an error; it is taken all the same.
    done = client._session.post(
        client._get_url(f"issue/{issue.key}/transitions"),
        json={"transition": {"id": "31"}, "fields": {"resolution": {"name": "Fixed"}}},
    )
    assert done.status_code == 204
    assert client.issue(issue.key).raw["fields"]["resolution"]["name"] == "Fixed"


def test_a_search_pages_through_everything(served: tuple[JIRA, JiraSandbox]) -> None:
    client, _ = served
    for number in range(7):
        client.create_issue(project="WEB", summary=f"Issue {number}", issuetype={"name": "Task"}, prefetch=False)
    client.create_issue(project="OPS", summary="Elsewhere", issuetype={"name": "Task"}, prefetch=False)
    found = client.search_issues("project = WEB AND created >= -5m ORDER BY key DESC", maxResults=False)
    assert [issue.key for issue in found] == [f"WEB-{number}" for number in range(7, 0, -1)]
    assert len(client.search_issues("project = WEB", maxResults=3)) == 3
    with pytest.raises(JIRAError) as caught:
        client.search_issues("nonsense = 1")
    assert caught.value.status_code == 400
    assert "nonsense" in str(caught.value)


def test_an_issue_is_assigned_and_unassigned(served: tuple[JIRA, JiraSandbox]) -> None:
    client, _ = served
    issue = client.create_issue(project="WEB", summary="x", issuetype={"name": "Task"})
    client.assign_issue(issue, "grace@example.com" if client._is_cloud else "grace")
    assert client.issue(issue.key).raw["fields"]["assignee"]["displayName"] == "Grace"
    client.assign_issue(issue, None)
    assert client.issue(issue.key).fields.assignee is None


def test_the_site_is_described(served: tuple[JIRA, JiraSandbox]) -> None:
    client, _ = served
    assert client.myself()["displayName"] == "Ada"
    assert {project.key for project in client.projects()} == {"WEB", "OPS"}
    assert client.project("WEB").name == "Project WEB"
    assert {field["id"] for field in client.fields()} >= {"summary", "status", "customfield_10001"}
    assert {one.name for one in client.priorities()} >= {"High", "Low"}
    assert {one.name for one in client.statuses()} >= {"To Do", "Done"}
    assert client.server_info()["deploymentType"] == ("Cloud" if client._is_cloud else "Server")
    assert client.my_permissions(projectKey="WEB")["permissions"]["CREATE_ISSUES"]["havePermission"]
    if not client._is_cloud:
        types = client.project_issue_types("WEB")
        bug = next(one for one in types if one.name == "Bug")
        assert "summary" in {field.fieldId for field in client.project_issue_fields("WEB", bug.id)}


def test_remote_links_and_properties(served: tuple[JIRA, JiraSandbox]) -> None:
    client, _ = served
    issue = client.create_issue(project="WEB", summary="x", issuetype={"name": "Task"})
    client.add_simple_link(issue.key, {"url": "https://acme.example/1", "title": "One"})
    assert [link.object.title for link in client.remote_links(issue)] == ["One"]
    client.add_issue_property(issue, "mine", {"a": 1})
    assert client.issue_property(issue, "mine").value.a == 1


def test_a_wrong_token_is_told(served: tuple[JIRA, JiraSandbox]) -> None:
    client, sandbox = served
    sandbox.revoke("jira-ada-token")
    with pytest.raises(JIRAError) as caught:
        client.issue("WEB-1")
    assert caught.value.status_code == 401
