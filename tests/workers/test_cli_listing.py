"""``connector fields`` and its neighbours: what is at a connection, for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.commanding import Terminal
from tests.workers.neighbourhood import TOKENS, Neighbourhood, neighbourhood

CONNECTIONS = """\
version: 1
instance: test
connections:
  jira:
    system: jira
    url: {jira}
    flavour: {flavour}
    auth: {auth}
    http: {{private_addresses: [127.0.0.0/8]}}
  github:
    system: github
    url: {github}
    auth: {{token: env:GITHUB_TOKEN}}
    http: {{private_addresses: [127.0.0.0/8]}}
  slack:
    system: slack
    url: {slack}
    auth: {{token: env:SLACK_TOKEN}}
    http: {{private_addresses: [127.0.0.0/8]}}
"""
AUTH = {"cloud": "{email: bot@example.com, token: env:JIRA_TOKEN}", "data-center": "{token: env:JIRA_TOKEN}"}
CONNECTOR = """\
version: 1
name: web
template: github-to-jira
from: {repositories: [acme/web]}
to: {project: WEB}
"""


@pytest.fixture(scope="module", params=["cloud", "data-center"])
def around(request: pytest.FixtureRequest) -> Iterator[Neighbourhood]:
    with neighbourhood(request.param) as found:
        found.jira(
            "POST", "/issue", {"fields": {"project": {"key": "WEB"}, "issuetype": {"name": "Bug"}, "summary": "A"}}
        )
        yield found


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, around: Neighbourhood) -> Terminal:
    there = Terminal(tmp_path, monkeypatch)
    there.set(**TOKENS)
    flavour = "data-center" if around.context else "cloud"
    urls = {name: around.url(name) for name in ("jira", "github", "slack")}
    there.write("connections/all.yaml", CONNECTIONS.format(flavour=flavour, auth=AUTH[flavour], **urls))
    there.write("connectors/web.yaml", CONNECTOR)
    return there


# --- fields ------------------------------------------------------------------------------------------------
def test_fields_are_shown_with_a_line_to_paste(terminal: Terminal) -> None:
    said = terminal("fields", "jira", "--project", "WEB", "--type", "Bug").stdout
    (row,) = [line for line in said.splitlines() if "customfield_10002" in line]
    assert "Severity" in row
    assert "Minor, Major" in row
    assert "\n  Severity: {from: labels, first: {minor: Minor, major: Major}}\n" in said
    assert "\n  Status: {from: state_category, map: {new: To Do, active: In Progress, done: Done}}\n" in said


def test_the_lines_of_a_whole_list_are_a_mapping_that_loads(terminal: Terminal) -> None:
    rows = terminal.json("fields", "jira", "--project", "WEB", "--type", "Bug")
    mapping = "".join(f"  {row['mapping']}\n" for row in rows if row["mapping"])
    connector = "name: all\nfrom: {connection: github, repositories: [acme/web]}\n"
    terminal.write(
        "connectors/all.yaml",
        f"version: 1\n{connector}to: {{connection: jira, project: WEB, type: Bug}}\nmapping:\n{mapping}",
    )
    terminal("check")


def test_scripts_get_fields_with_their_options_and_ids(terminal: Terminal) -> None:
    (row,) = terminal.json("fields", "jira", "--project", "WEB", "--type", "Bug", "--search", "sever")
    assert row["id"] == "customfield_10002"
    assert row["options"] == [{"id": "10500", "name": "Minor"}, {"id": "10501", "name": "Major"}]
    assert row["screens"] == ["create"]


def test_a_field_that_no_screen_shows_is_found_by_searching(terminal: Terminal) -> None:
    assert "none looked at" in terminal("fields", "jira", "--project", "WEB", "--search", "creator").stdout
    assert terminal.json("fields", "jira", "--project", "WEB", "--search", "no such thing") == []
    assert "no fields like this" in terminal("fields", "jira", "--project", "WEB", "--search", "nothing like").stdout


def test_fields_of_a_repository_show_its_labels(terminal: Terminal) -> None:
    rows = {row["id"]: row for row in terminal.json("fields", "github", "--repository", "acme/web")}
    assert "bug" in {one["name"] for one in rows["labels"]["options"]}
    assert "Text: body" in terminal("fields", "slack").stdout


# --- statuses ------------------------------------------------------------------------------------------------
def test_statuses_show_where_they_lead_and_what_is_not_known(terminal: Terminal) -> None:
    said = terminal("statuses", "jira", "--project", "WEB", "--type", "Bug").stdout
    (row,) = [line for line in said.splitlines() if "10000" in line]
    assert "In Progress (Start), Done" in row
    assert "told by WEB-1." in said
    assert "Not known: where In Progress, In Review, Done, Closed lead" in said
    found = terminal.json("statuses", "jira", "--project", "WEB")
    assert {one["category"] for one in found["statuses"]} == {"new", "active", "done"}
    assert {one["to"] for one in found["transitions"]} == {"In Progress", "Done"}
    assert found["not_told"] == ["In Progress", "In Review", "Done", "Closed"]


def test_one_issue_tells_where_it_can_go(terminal: Terminal) -> None:
    found = terminal.json("statuses", "jira", "--project", "WEB", "--issue", "WEB-1")
    assert {one["told_by"] for one in found["transitions"]} == {"WEB-1"}
    assert (
        "there is no issue WEB-99"
        in terminal("statuses", "jira", "--project", "WEB", "--issue", "WEB-99", code=1).stderr
    )


# --- the simple lists --------------------------------------------------------------------------------------------
def test_projects_repositories_channels_and_people_are_listed(terminal: Terminal) -> None:
    assert [row["key"] for row in terminal.json("projects", "jira", "--search", "we")] == ["WEB"]
    assert "acme/web" in terminal("repositories", "github").stdout
    (general,) = terminal.json("channels", "slack", "--search", "general")
    assert general == {**general, "name": "#general", "id": "C0000001", "member": True}
    assert [row["name"] for row in terminal.json("users", "jira", "--project", "WEB", "--search", "ada")] == ["Ada"]
    assert "alice" in terminal("users", "github", "--repository", "acme/web").stdout
    assert "U0BOT" in terminal("users", "slack").stdout


def test_nothing_found_is_said_in_words(terminal: Terminal) -> None:
    assert "shows no projects like this" in terminal("projects", "jira", "--search", "zebra").stdout
    assert terminal.json("projects", "jira", "--search", "zebra") == []


# --- what goes wrong ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("fields", "jria", "--project", "WEB"), "there is no connection 'jria'; did you mean 'jira'?"),
        (("fields", "jira"), "need --project (in use here: WEB; all there are: connector projects jira)"),
        (
            ("users", "github"),
            "need --repository (in use here: acme/web; all there are: connector repositories github)",
        ),
        (("statuses", "github"), "has no statuses; lists that it has: fields, repositories, users"),
        (("channels", "jira"), "has no channels; lists that it has: fields, projects, statuses, users"),
        (("fields", "slack", "--project", "WEB"), "--project means nothing for the fields of slack; there: --search"),
    ],
)
def test_wrong_questions_are_told_what_there_is(terminal: Terminal, command: tuple[str, ...], told: str) -> None:
    assert told in " ".join(terminal(*command, code=2).stderr.split())


def test_a_bad_answer_is_told_with_its_reason(terminal: Terminal) -> None:
    assert "there is no project NOPE" in terminal("fields", "jira", "--project", "NOPE", code=1).stderr
    assert "has no issue type 'Epic'" in terminal("fields", "jira", "--project", "WEB", "--type", "Epic", code=1).stderr
    terminal.set(JIRA_TOKEN="wrong")
    assert "Unauthorized" in terminal("projects", "jira", code=1).stderr
    terminal.set(JIRA_TOKEN="")
    assert "JIRA_TOKEN is not set" in terminal("projects", "jira", code=1).stderr
