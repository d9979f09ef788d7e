"""Under load, a good change, a version that some cannot read, a rename and a removal: nothing lost, nothing doubled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.town import CONNECTORS, ROOT, Town, until
from workers.demo.stage import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

NEWER = """\
from datetime import timedelta
from connector.grammar import ConnectorSchema

ConnectorSchema._declared_fields["poll_every"].least = timedelta(seconds=1)
"""
"""What makes the next version of the product of this one: it knows something that this one refuses, ``poll: 4s``."""

LATE = "template: github-to-jira\nfrom: {repositories: [acme/late]}\nto: {project: OPS}\n"


class Capital(Town):
    """A town that follows what is published; one of its workers can be of the next version."""

    connectors = {**{name: CONNECTORS[name] for name in ("web", "dc")}, "late": LATE}  # noqa: RUF012 - as its parent

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.hurry = {**Town.hurry, "CONNECTOR_CONFIG_SOURCE": "store"}

    def _subscribe(self) -> None:
        # They have started with nothing; a source is told to come again until there is something.
        assert self.get(self.receiver_port, "/healthz")[0] == 200
        told = self.connector("apply", "--yes", "--message", "the first").stdout
        assert "processes follow it" in told
        self.served.subscribe("github", f"http://127.0.0.1:{self.receiver_port}/hooks/github")

    @property
    def newer(self) -> str:
        """PYTHONPATH of the next version."""
        folder = self.home / "newer"
        if not folder.exists():
            folder.mkdir()
            (folder / "sitecustomize.py").write_text(NEWER)
        return f"{folder}:{ROOT}"

    def upgrade(self, name: str) -> None:
        """Replace a worker by one of the next version."""
        self.stop(name)
        self.ports[name] = free_port()
        self.spawn(name, "work", "--name", name, HEALTH_PORT=str(self.ports[name]), PYTHONPATH=self.newer)
        self.wait_until_ready(name)

    def following(self) -> dict[int, int]:
        """Return how many processes work with each version."""
        numbers = [one["number"] for one in self.json("versions")["followers"]]
        return {number: numbers.count(number) for number in set(numbers)}


class Load(threading.Thread):
    """People who report, comment and close without pause, in two repositories."""

    def __init__(self, town: Town) -> None:
        super().__init__(daemon=True)
        self.town = town
        self.over = threading.Event()
        self.reported: list[tuple[str, str, str]] = []
        """Title, the Jira it belongs in, and the words of its comment."""

    def run(self) -> None:
        number = 0
        while not self.over.wait(0.25):
            number += 1
            repository, system = (("acme/web", "jira"), ("acme/dc", "dc"))[number % 2]
            title = self.town.title("Load")
            issue = self.town.report(title, repository=repository)
            self.town.comment(repository, issue, f"word {number:04} of {system}")
            self.reported.append((title, system, f"word {number:04} of {system}"))

    def stop(self) -> None:
        self.over.set()
        self.join(20)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Capital]:
    with Capital(tmp_path / "home") as running:
        yield running


def dead_ends(town: Town, load: Load) -> list[str]:
    """Return what is not exactly once where it belongs."""
    wrong = []
    for title, system, words in load.reported:
        found = town.issues(title, system)
        said = [one for one in town.comments(title, system) if words in one]
        if len(found) != 1 or len(said) != 1:
            wrong.append(f"{title} in {system}: {len(found)} issues, {len(said)} comments")
    return wrong


def test_changes_under_load_lose_and_double_nothing(town: Capital) -> None:
    load = Load(town)
    load.start()
    try:
        # A good change: everybody follows, and what is delivered from now on is delivered by it.
        town.declare("web", CONNECTORS["web"] + 'mapping: {Description: {template: "second: {{ body }}"}}\n')
        told = town.connector("plan")
        assert "mapping.Description: body → " in told.stdout
        assert "processes follow it" in town.connector("apply", "--yes").stdout
        assert town.following() == {2: 4}
        title = town.title("Changed")
        town.report(title)
        assert "second: " in str(town.issue(title)["fields"]["description"])

        # N and N-1: what only the next version can read is followed there, and refused here, and both go on.
        town.upgrade("w2")
        town.declare("dc", CONNECTORS["dc"] + "poll: 4s\n")
        assert "poll: must lie" in town.connector("apply", "--yes", code=2).stderr
        refused = town.connector("apply", "--yes", code=1, PYTHONPATH=town.newer)
        assert "1 of 4 processes follow it" in refused.stdout
        assert "poll" in refused.stderr
        assert town.following() == {2: 3, 3: 1}
        for name in ("receive", "w1", "schedule"):
            assert "is refused" in town.log(name), name
        assert "refuses 3" in town.connector("status").stderr
        # An N-1 process that starts now works too.
        town.kill("w1")
        town.work("w1")
        town.wait_until_ready("w1")
        town.connector("rollback", "--yes")
        until(lambda: set(town.following()) == {4}, told=lambda: town.json("versions")["followers"])

        # A rename: links, mailboxes and what waits just then go along.
        (town.home / "connectors" / "dc.yaml").unlink()
        town.declare("onprem", CONNECTORS["dc"] + "renamed_from: dc\n")
        with town.fault("dc", "status", status=503, method="POST"):
            waiting = town.title("Waits")
            town.report(waiting, repository="acme/dc")
            assert "renamed from dc" in town.connector("apply", "--yes").stdout
        town.issue(waiting, "dc")

        # A removal: refused while it has work, and with --drain only after the last of it.
        titles = [town.title("Late") for _ in range(8)]
        after = town.title("Too late")
        with ThreadPoolExecutor(1) as pool:
            with town.fault("jira", "status", status=503, method="POST", path="/rest/api/3/issue"):
                for each in titles:
                    town.report(each, repository="acme/late")
                until(lambda: town.counts("late")["in_flight"] >= 8, told=lambda: town.counts("late"))
                (town.home / "connectors" / "late.yaml").unlink()
                assert "late (" in town.connector("apply", "--yes", code=1).stderr
                applied = pool.submit(town.connector, "apply", "--yes", "--drain")
                until(lambda: set(town.following()) == {6}, told=lambda: town.json("versions"))
                # It finishes what it has, and takes nothing new.
                town.report(after, repository="acme/late")
            assert "is in force" in applied.result(60).stdout
        assert [len(town.issues(each)) for each in titles] == [1] * 8
    finally:
        load.stop()
    assert len(load.reported) > 20
    until(lambda: not dead_ends(town, load), 60, told=lambda: dead_ends(town, load)[:5])
    for name in ("web", "onprem"):
        counts: dict[str, Any] = town.settled(name)
        assert counts["dead"] == 0, counts
    assert town.issues(after) == []
    town.no_effect_is_double()
    numbers = [(one["number"], one["draining"]) for one in town.json("versions")["versions"]]
    assert numbers == [(7, []), (6, ["late"]), (5, []), (4, []), (3, []), (2, []), (1, [])]
