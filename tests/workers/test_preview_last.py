"""``connector preview --last``: the newest items go the way of a delivery up to the last call, and are told in lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.commanding import Terminal
from tests.workers.neighbourhood import CONNECTIONS, TOKENS, Neighbourhood, neighbourhood


@pytest.fixture(scope="module")
def around() -> Iterator[Neighbourhood]:
    with neighbourhood() as found:
        found.issue("Not for Jira")
        found.issue("Broken", "bug", "p0")
        found.issue("Worse", "bug")
        yield found


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, around: Neighbourhood) -> Terminal:
    there = Terminal(tmp_path, monkeypatch)
    there.set(**TOKENS)
    there.write("connections/all.yaml", CONNECTIONS.format(jira=around.url("jira"), github=around.url("github")))
    there.write(
        "connectors/web.yaml",
        "version: 1\nname: web\ntemplate: github-to-jira\nfrom: {repositories: [acme/web]}\nto: {project: WEB}\n",
    )
    return there


def test_the_newest_come_first_with_what_would_become_of_each(terminal: Terminal, around: Neighbourhood) -> None:
    before = around.effects()
    assert before["github"]
    said = terminal("preview", "web", "--last", "2").stdout
    rows = [line for line in said.splitlines() if "acme/web#" in line]
    assert ["acme/web#3" in rows[0], "acme/web#2" in rows[1]] == [True, True]
    assert "create" in rows[0]
    assert "Priority" in rows[1]
    assert around.effects() == before


def test_scripts_get_each_with_its_verdict_and_its_fields(terminal: Terminal) -> None:
    third, second, first = terminal.json("preview", "web", "--last", "10")
    assert [one["verdict"] for one in (third, second, first)] == ["create", "create", "skip"]
    assert "filtered" in first["skipped"]
    assert {field["name"] for field in second["steps"][0]["fields"]} >= {"Summary", "Priority"}


def test_one_that_would_fail_does_not_hide_the_others(terminal: Terminal) -> None:
    terminal.write(
        "connectors/web.yaml",
        "version: 1\nname: web\ntemplate: github-to-jira\nfrom: {repositories: [acme/web]}\nto: {project: WEB}\n"
        "mapping:\n  Priority: {from: labels, first: {p0: Nonsense}}\n",
    )
    found = {one["event"]["entity"]: one for one in terminal.json("preview", "web", "--last", "3")}
    assert found["acme/web#2"]["verdict"] == "fail"
    assert "Nonsense" in found["acme/web#2"]["error"]
    assert found["acme/web#3"]["verdict"] == "create"
    assert "Rejected" in terminal("preview", "web", "--last", "3").stdout


def test_a_refused_credential_is_said_once(terminal: Terminal) -> None:
    terminal.set(GITHUB_TOKEN="ghp_nobody")
    assert "Unauthorized" in terminal("preview", "web", "--last", "3", code=1).stderr


@pytest.mark.parametrize("given", [(), ("acme/web#1", "--last", "2")])
def test_an_item_or_a_number_is_needed_and_not_both(terminal: Terminal, given: tuple[str, ...]) -> None:
    assert "either an item" in terminal("preview", "web", *given, code=2).stderr


@pytest.mark.parametrize("number", ["0", "101", "x"])
def test_a_number_that_makes_no_sense_is_refused(terminal: Terminal, number: str) -> None:
    assert "--last" in terminal("preview", "web", "--last", number, code=2).stderr
