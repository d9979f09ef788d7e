"""What of a connection is not for a team is refused when the configuration is loaded, both ways of a two-way connector."""

from __future__ import annotations

import pytest

from connector.errors import ConfigError
from connector.loading import load
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS

CONNECTIONS = """\
version: 1
connections:
  jira:
    system: jira
    url: https://acme.atlassian.net
    auth: {email: bot@acme.example, token: "env:JIRA_TOKEN"}
    teams: {web: {projects: [WEB, W-*]}}
  github:
    system: github
    auth: {token: "env:GITHUB_TOKEN"}
    teams: {web: {repositories: [acme/web, acme/ui-*]}}
  slack:
    system: slack
    auth: {token: "env:SLACK_TOKEN"}
    teams: {web: {channels: ["#web"]}}
"""


def told(connector: str) -> list[str]:
    try:
        load(
            {"c.yaml": CONNECTIONS, "x.yaml": f"version: 1\nname: x\nowner: {{team: web}}\n{connector}"},
            SYSTEMS,
            TRANSFORMS,
        )
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("connector", "why"),
    [
        (
            "from: {connection: github, repositories: [Acme/Web, acme/ui-kit]}\nto: {connection: jira, project: WEB}\n",
            "",
        ),
        (
            "from: {connection: github, repositories: [acme/web, acme/pay]}\nto: {connection: jira, project: WEB}\n",
            "from: team 'web' may use connection github, but of repositories not acme/pay; it may: acme/web, acme/ui-*",
        ),
        (
            "from: {connection: github, repositories: acme/web}\nto: {connection: jira, project: PAY}\n",
            "to: team 'web' may use connection jira, but of projects not PAY; it may: WEB, W-*",
        ),
        (
            "from: {connection: jira, projects: SEC}\nto: {connection: slack, channel: '#web'}\n",
            "from: team 'web' may use connection jira, but of projects not SEC",
        ),
        (
            "from: {connection: jira, projects: WEB}\nto: {connection: slack, channel: '#board'}\n",
            "to: team 'web' may use connection slack, but of channels not #board",
        ),
    ],
)
def test_every_system_names_its_places(connector: str, why: str) -> None:
    found = told(connector)
    assert any(why in one for one in found) if why else found == []


TWO_WAY = """\
direction: two-way
from: {connection: github, repositories: [acme/web]}
to: {connection: jira, project: WEB}
mapping:
  Summary: title
"""


@pytest.mark.parametrize(
    ("back", "why"),
    [
        ("{from: {projects: [WEB]}, to: {repository: acme/web}}", ""),
        ("{from: {projects: [WEB]}, to: {repository: acme/pay}}", "back.to: team 'web' may use connection github"),
        ("{from: {projects: [SEC]}, to: {repository: acme/web}}", "back.from: team 'web' may use connection jira"),
    ],
)
def test_the_way_back_is_held_against_teams_too(back: str, why: str) -> None:
    found = told(f"{TWO_WAY}back: {back}\n")
    assert any(why in one for one in found) if why else found == []
