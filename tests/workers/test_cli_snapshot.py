"""``connector snapshot`` keeps the names that are there; ``connector check`` then finds wrong ones without credentials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.lock import FILE
from connector.systems.jira.sandbox import JiraSandbox
from tests.workers.commanding import Terminal
from tests.workers.neighbourhood import TOKENS, Neighbourhood, neighbourhood
from tests.workers.test_cli_listing import AUTH, CONNECTIONS

GOOD = """\
version: 1
name: web
template: github-to-jira
from: {repositories: [acme/web]}
to: {project: WEB}
mapping:
  Severity: {from: labels, first: {p0: Major, p1: Minor}}
"""
TALK = """\
version: 1
name: talk
template: jira-to-slack
from: {project: WEB}
to: {channel: '#alerts'}
"""


@pytest.fixture(params=["cloud", "data-center"])
def around(request: pytest.FixtureRequest) -> Iterator[Neighbourhood]:
    with neighbourhood(request.param) as found:
        yield found


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, around: Neighbourhood) -> Terminal:
    there = Terminal(tmp_path, monkeypatch)
    flavour = "data-center" if around.context else "cloud"
    urls = {name: around.url(name) for name in ("jira", "github", "slack")}
    there.write("connections/all.yaml", CONNECTIONS.format(flavour=flavour, auth=AUTH[flavour], **urls))
    there.write("connectors/web.yaml", GOOD)
    there.write("connectors/talk.yaml", TALK)
    return there


def taken(terminal: Terminal) -> str:
    """Take a snapshot, and forget the credentials."""
    terminal.set(**TOKENS)
    terminal("snapshot")
    terminal.set(**dict.fromkeys(TOKENS, ""))
    return (terminal.home / FILE).read_text()


def test_wrong_names_are_found_without_credentials_with_file_and_line(terminal: Terminal) -> None:
    taken(terminal)
    terminal("check")
    terminal.write("connectors/web.yaml", GOOD.replace("Severity", "Severty").replace("to: {", "# a line\nto: {"))
    terminal.write("connectors/talk.yaml", TALK + "mapping:\n  Txet: title\n")
    said = terminal("check", code=1).stdout
    (web,) = [line for line in said.splitlines() if "Severty" in line]
    assert "mapping.Severty: WEB / Bug has no such field; did you mean 'Severity'? (connectors/web.yaml:8)" in web
    found = [one for one in terminal.json("check", code=1)["findings"] if one["level"] == "problem"]
    assert [(one["file"], one["line"], one["path"]) for one in found] == [
        ("connectors/talk.yaml", 7, "mapping.Txet"),
        ("connectors/web.yaml", 8, "mapping.Severty"),
    ]


def test_what_a_template_brought_is_told_where_it_was_chosen(terminal: Terminal) -> None:
    text = taken(terminal)
    terminal.write(FILE, text.replace('"name": "Highest"', '"name": "Blocker"'))
    (found,) = [one for one in terminal.json("check", code=1)["findings"] if one["level"] == "problem"]
    assert (found["file"], found["line"]) == ("connectors/web.yaml", 3)
    assert found["path"] == "mapping.Priority.first.p0"
    assert found["text"].endswith("(by the template github-to-jira)")


def test_it_holds_no_people_and_no_secrets(terminal: Terminal, around: Neighbourhood) -> None:
    around.jira(
        "POST",
        "/issue",
        {"fields": {"project": {"key": "WEB"}, "issuetype": {"name": "Bug"}, "summary": "Confidential words"}},
    )
    text = taken(terminal).casefold()
    for word in ("ada", "grace", "alice", "bob", "@example", "confidential", "127.0.0.1", *TOKENS.values()):
        assert word not in text, word


def test_what_has_changed_since_is_told(terminal: Terminal, around: Neighbourhood) -> None:
    taken(terminal)
    around.github("POST", "/repos/acme/web/labels", {"name": "urgent"})
    jira = around.served.sandboxes["jira"]
    assert isinstance(jira, JiraSandbox)
    jira.require("customfield_10002")
    terminal.set(**TOKENS)
    said = terminal("snapshot").stdout
    assert "labels of github (repository acme/web): 5; new: urgent" in said
    assert "; changed: Severity" in said
    found = {one["list"]: one for one in terminal.json("snapshot")["lists"]}
    assert found["labels"] == {"connection": "github", "list": "labels", "of": {"repository": "acme/web"}, "rows": 5}


def test_a_connection_that_cannot_be_asked_keeps_what_was_known(terminal: Terminal) -> None:
    before = taken(terminal)
    terminal.set(**{**TOKENS, "JIRA_TOKEN": "wrong"})
    said = terminal("snapshot", code=1).stdout
    assert "fields of jira (project WEB, type Bug): Unauthorized" in said
    assert "what was known of it is kept" in said
    assert (terminal.home / FILE).read_text() == before


def test_without_anything_known_before_the_rest_is_written(terminal: Terminal) -> None:
    terminal.set(**{**TOKENS, "SLACK_TOKEN": "wrong"})
    assert "nothing is known of it" in terminal("snapshot", code=1).stdout
    terminal.set(**dict.fromkeys(TOKENS, ""))
    told = [one for one in terminal.json("check")["findings"] if one["what"] == FILE]
    assert [one["text"] for one in told] == [
        "knows nothing of the channels of slack (channel #alerts)",
        "knows nothing of the fields of slack",
    ]
    assert {one["level"] for one in told} == {"warning"}


def test_a_spoilt_lock_is_a_problem_that_a_new_one_mends(terminal: Terminal) -> None:
    good = taken(terminal)
    terminal.write(FILE, good.replace("rows:", "rowz:", 1))
    said = terminal("check", code=2).stderr
    assert f"{FILE}:" in said
    assert "lists[0].rows: is required; write it anew with connector snapshot" in said
    terminal.set(**TOKENS)
    assert "is written anew" in terminal("snapshot").stderr
    assert (terminal.home / FILE).read_text() == good


def test_asking_live_does_not_believe_the_lock(terminal: Terminal) -> None:
    text = taken(terminal)
    terminal.write(FILE, text.replace('"name": "Minor"', '"name": "Small"'))
    assert "'Minor' is no choice of Severity; there are Major, Small" in terminal("check", code=1).stdout
    terminal.set(**TOKENS)
    said = terminal("check", "--live").stdout
    assert "mapping.Severity exists" in said


def test_the_lock_is_no_part_of_the_configuration(terminal: Terminal, tmp_path: Path) -> None:
    before = terminal.json("check")["hash"]
    text = taken(terminal)
    assert terminal.json("check")["hash"] == before
    alone = tmp_path / "alone"
    terminal.write("alone/all.yaml", (tmp_path / "connections/all.yaml").read_text())
    terminal.write("alone/talk.yaml", TALK)
    (alone / FILE).write_text(text)
    assert terminal.json("--home", alone, "check")["connectors"] == ["talk"]


def test_a_lock_can_be_read_by_those_who_read_the_configuration(terminal: Terminal) -> None:
    taken(terminal)
    assert (terminal.home / FILE).stat().st_mode & 0o777 == (terminal.write("other.txt", "").stat().st_mode & 0o777)
    assert not list(terminal.home.glob(".lock-*"))
