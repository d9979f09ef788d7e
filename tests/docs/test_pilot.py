"""The pilot's guide is gone through, command by command, against served systems with a worker that works."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.workers.commanding import Terminal
from tests.workers.neighbourhood import TOKENS, Neighbourhood, neighbourhood
from workers.delivery import run_turn
from workers.poller import poll
from workers.process import this_process
from workers.tools import tools
from workers.wiring import Wiring

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "pilot.md").read_text()


@pytest.fixture
def town() -> Iterator[Neighbourhood]:
    with neighbourhood() as made:
        yield made


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey_url: str, town: Neighbourhood) -> Terminal:
    made = Terminal(tmp_path, monkeypatch)
    here = "http: {private_addresses: [127.0.0.1/32]}"
    jira = f"{{system: jira, url: {town.url('jira')}, auth: {{email: bot@example.com, token: env:JIRA_TOKEN}}, {here}}}"
    github = f"{{system: github, url: {town.url('github')}, auth: {{token: env:GITHUB_TOKEN}}, {here}}}"
    made.write("connections/all.yaml", f"version: 1\nconnections:\n  jira: {jira}\n  github: {github}\n")
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    made.write("connectors/web.yaml", text)
    made.set(STORE_URL=valkey_url, BROKER_URL="redis://127.0.0.1:1/1", **TOKENS)
    return made


def work() -> None:
    """Poll, and answer the doorbells, as a worker does that runs in the terminal's folder."""
    this_process.cache_clear()
    process = this_process()
    bells: list[tuple[str, str]] = []
    wiring = Wiring(
        settings=process.settings,
        store_url=process.store_url,
        source=process.source,
        reveal=process.reveal,
        ring=lambda connector, found: bells.extend((connector.name, bell.token) for bell in found),
        tools=tools(),
    )
    (connector,) = process.source.current.connectors.values()
    desk = wiring.desk()
    wiring.books(connector).client.delete(wiring.books(connector).tag + "polling")
    poll(desk, wiring.inbox(), connector)
    while bells:
        run_turn(desk, *bells.pop(0))


def change(town: Neighbourhood, number: str, **fields: str) -> None:
    """Change an issue in another second of GitHub's clock than it was made in: it tells no finer time."""
    path = f"/repos/acme/web/issues/{number}"
    made = datetime.fromisoformat(town.github("GET", path)["updated_at"])
    while (datetime.now(UTC) - made).total_seconds() < 1:
        time.sleep(0.05)
    town.github("PATCH", path, fields)


def commands() -> list[str]:
    """Return the lines of the page's shell blocks, in order."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_the_pilot_goes_as_its_page_says(terminal: Terminal, town: Neighbourhood) -> None:
    work()  # from here on its source is followed
    town.issue("The first", "bug")
    work()
    said: dict[str, str] = {}
    for line in commands():
        if line.startswith("connector shadow report") and not said.keys() & {"reported"}:
            key = town.issue("Broken", "bug")
            town.issue("No bug")
            work()
            change(town, key.partition("#")[2], title="Really broken")
            work()
            said["reported"] = key
        said[line] = terminal(*shlex.split(line)[1:]).stdout
    report: dict[str, Any] = json.loads(said["connector shadow report web-bugs --json"])
    assert report["would"]["create"] == 2
    assert report["fields"]["Summary"]["changed"] == 1
    assert report["skipped"] == {"filtered: when.labels: none of bug": 1}
    assert report["share"] == 1.0
    assert {"events", "first", "last", "refused", "losses", "lag_p95", "calls_each"} <= report.keys()
    assert "POST /rest/api/3/issue" in said["connector preview web-bugs acme/web#1 --requests"]
    assert said["connector shadow report web-bugs --markdown"].startswith("# What web-bugs would have done")
    assert "it will create about 2.0 items an hour" in said["connector promote web-bugs --dry-run"]
    assert "is live" in said["connector promote web-bugs --yes"]
    assert "in shadow mode" in said["connector demote web-bugs --yes"]
    assert "in force" in said["connector mapping history web-bugs"]
    assert town.effects()["jira"] == []


def test_what_the_page_says_of_going_live_is_true(terminal: Terminal, town: Neighbourhood) -> None:
    work()
    town.issue("Seen in shadow", "bug")
    work()
    terminal("promote", "web-bugs", "--yes")
    work()
    assert town.effects()["jira"] == []
    town.issue("Seen live", "bug")
    work()
    assert town.effects()["jira"][0] == "add_issue"
    (version,) = terminal.json("mapping", "history", "web-bugs")
    assert (version["delivered"], version["in_force"]) == (1, True)
    (row,) = [one for one in terminal.json("audit", "web-bugs") if one["action"] == "create"]
    assert row["made_by"] == version["version"]
