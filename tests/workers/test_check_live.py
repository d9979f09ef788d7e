"""``check --live`` holds every connector against its target, and says of each finding where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.systems.github.sandbox import new_sandbox as new_github
from connector.systems.jira.sandbox import JiraSandbox
from connector.systems.jira.sandbox import new_sandbox as new_jira
from tests.workers.commanding import Terminal
from workers.sandbox import Served, wall_clock


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, monkeypatch)


@pytest.fixture
def jira(terminal: Terminal) -> Iterator[JiraSandbox]:
    """A Jira and a GitHub that are served, and a configuration that speaks to them."""
    made = new_jira(webhook_secret="s")
    with Served(
        {"jira": made, "github": new_github(webhook_secret="s", people={"github-token": "acme-bot"})}, now=wall_clock
    ) as served:
        here = "http: {private_addresses: [127.0.0.1/32]}"
        terminal.write(
            "connections/all.yaml",
            f"""\
version: 1
connections:
  jira:
    system: jira
    url: {served.url("jira")}
    auth: {{email: bot@example.com, token: env:JIRA_TOKEN}}
    {here}
  github:
    system: github
    url: {served.url("github")}
    auth: {{token: env:GITHUB_TOKEN}}
    {here}
""",
        )
        terminal.set(JIRA_TOKEN="jira-bot-token", GITHUB_TOKEN="github-token")
        yield made


CONNECTOR = """\
version: 1
name: web
template: github-to-jira
from: {repositories: [acme/web]}
to: {project: WEB}
mapping:
  Severity: {from: labels, first: {bad: Majr}}
"""


def test_findings_are_told_with_file_line_and_what_to_do(terminal: Terminal, jira: JiraSandbox) -> None:
    terminal.write("connectors/web.yaml", CONNECTOR)
    shown = terminal("check", "--live", code=1).stdout
    assert "ok  connector web: mapping.Summary exists" in shown
    assert "problem  connector web: mapping.Severity.first.bad: 'Majr' is no choice of Severity" in shown
    assert "did you mean 'Major'? It may have been renamed (connectors/web.yaml:7)" in shown
    (found,) = [one for one in terminal.json("check", "--live", code=1)["findings"] if one["level"] == "problem"]
    assert (found["path"], found["file"], found["line"]) == ("mapping.Severity.first.bad", "connectors/web.yaml", 7)
    # What the template says is told where it was chosen.
    jira.site.projects["WEB"].off_create = {"priority"}
    told = [
        one for one in terminal.json("check", "--live", code=1)["findings"] if one.get("path") == "mapping.Priority"
    ]
    assert (told[0]["file"], told[0]["line"]) == ("connectors/web.yaml", 3)
    assert "by the template github-to-jira" in told[0]["text"]
    assert jira.ledger.effects == []


def test_a_connector_that_fits_is_no_problem(terminal: Terminal, jira: JiraSandbox) -> None:
    terminal.write("connectors/web.yaml", CONNECTOR.replace("Majr", "Major"))
    found = terminal.json("check", "--live")["findings"]
    assert "problem" not in {one["level"] for one in found}
    assert jira.ledger.effects == []
