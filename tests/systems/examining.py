"""Build connectors for examinations, and read what they found."""

from __future__ import annotations

from connector.compiling import needs_of
from connector.config import Connector
from connector.examining import Finding, Level, Needs
from connector.loading import load
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from tests.systems.direct import Bench
from workers.files import ready_made

CONNECTIONS = """\
version: 1
connections:
  github: {system: github, auth: {token: env:X}}
  jira: {system: jira, url: "https://x.atlassian.net", auth: {email: a@b.c, token: env:X}}
  slack: {system: slack, auth: {token: env:X}}
"""


def connector(to: str, mapping: str, more: str = "", source: str = "github, repository: a/b") -> Connector:
    text = (
        f"version: 1\nname: web\nfrom: {{connection: {source}}}\nto: {{connection: {to}}}\nmapping: {mapping}\n{more}"
    )
    config = load({"c.yaml": CONNECTIONS, "web.yaml": text}, SYSTEMS, TRANSFORMS, ready_made())
    return config.connectors["web"]


def examine(here: Bench, one: Connector, needs: Needs | None = None) -> list[Finding]:
    assert here.system.target is not None
    assert here.system.target.examine is not None
    return list(here.system.target.examine(here.site, one.target.settings, needs or needs_of(one)))


def bad(found: list[Finding], level: Level = Level.PROBLEM) -> list[tuple[str, str]]:
    return [(one.cause, ".".join(map(str, one.path))) for one in found if one.level is level]


def told(found: list[Finding], path: str, level: Level = Level.PROBLEM) -> Finding:
    (one,) = [one for one in found if ".".join(map(str, one.path)) == path and one.level is level]
    return one
