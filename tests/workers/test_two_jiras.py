"""A Jira of one's own and Jira Cloud, kept equal by the template: wiki markup here, Atlassian's documents there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer

from connector.loading import load
from connector.registry import SYSTEMS
from connector.systems import jira
from connector.transforms import TRANSFORMS
from tests.configuring import TEMPLATES
from tests.systems.direct import bench
from tests.systems.jira import places
from tests.systems.jira.places import Someone
from tests.workers.street import Shared, Street

TEXT = """
version: 1
instance: test
connections:
  jira: {system: jira, flavour: data-center, url: "https://jira.example", auth: {token: "env:T"}}
  jira-copy: {system: jira, url: "https://acme.atlassian.net", auth: {email: a@b.example, token: "env:T"}}
connectors:
- version: 1
  name: moves
  template: jira-to-jira
  from: {project: WEB}
  to: {project: WEB}
  back: {from: {project: WEB}, to: {project: WEB, type: Task}, create: true}
"""


class TwoJiras(Street):
    """Two Jiras with one connector between them, and Ada, who works in both."""

    def __init__(self) -> None:
        super().__init__(FakeRedis(server=FakeServer(server_type="valkey")))
        clock = Shared(self.clock)
        self.benches = {
            name: bench(
                jira.SYSTEM,
                places.sandbox(flavour, **({"comment_twins": True} if flavour == "data-center" else {})),
                places.CONNECTIONS[flavour],
                places.SECRETS,
                clock=clock,
                name=name,
            )
            for name, flavour in (("jira", "data-center"), ("jira-copy", "cloud"))
        }
        self.systems.clear()
        self.systems.update(dict.fromkeys(self.benches, jira.SYSTEM))
        self.declare(load({"a.yaml": TEXT}, SYSTEMS, TRANSFORMS, TEMPLATES).connectors["moves"])
        self.here, self.there = Someone(self.benches["jira"]), Someone(self.benches["jira-copy"], api="3")

    def settle(self, rounds: int = 6) -> None:
        for _ in range(rounds):
            self.deliver_hooks("jira", "jira-copy")
            self.later(3)

    def issue(self, name: str) -> dict[str, Any]:
        """Return the fields of the only issue of one side."""
        ((_, found),) = self.benches[name].sandbox.state().items()
        fields: dict[str, Any] = found["fields"]
        return fields

    def both(self, field: str) -> tuple[Any, Any]:
        return self.issue("jira")[field], self.issue("jira-copy")[field]


@pytest.fixture
def jiras() -> Iterator[TwoJiras]:
    made = TwoJiras()
    yield made
    made.check_accounts()
    made.no_effect_is_double()


def paragraph(text: str) -> dict[str, Any]:
    return {"type": "paragraph", "content": [{"type": "text", "text": text}]}


def test_an_issue_of_either_side_is_made_on_the_other_and_followed(jiras: TwoJiras) -> None:
    issue = jiras.here.creates("Born here", description="h2. Why\n\nIt is *broken*.", labels=["old"])
    jiras.settle()
    assert jiras.both("summary") == ("Born here", "Born here")
    assert jiras.issue("jira-copy")["description"]["content"][0]["type"] == "heading"
    jiras.there.edits(str(jiras.benches["jira-copy"].sandbox.state()["WEB-1"]["id"]), summary="Renamed there")
    jiras.settle()
    assert jiras.both("summary") == ("Renamed there", "Renamed there")
    jiras.here.edits(issue, labels=["old", "urgent"], priority={"name": "High"})
    jiras.settle()
    assert jiras.both("labels") == (["old", "urgent"], ["old", "urgent"])
    assert [one["name"] for one in jiras.both("priority")] == ["High", "High"]


def test_status_follows_by_name(jiras: TwoJiras) -> None:
    issue = jiras.here.creates("Born here")
    jiras.settle()
    (way,) = [
        one["id"]
        for one in jiras.here.ask("GET", f"/issue/{issue}/transitions")["transitions"]
        if one["to"]["name"] == "In Progress"
    ]
    jiras.here.moves_to(issue, way)
    jiras.settle()
    assert [one["name"] for one in jiras.both("status")] == ["In Progress", "In Progress"]


def test_text_that_the_other_side_cannot_hold_survives_an_edit_there(jiras: TwoJiras) -> None:
    panel = {"type": "panel", "attrs": {"panelType": "info"}, "content": [paragraph("Mind the gap")]}
    status = {"type": "status", "attrs": {"text": "READY", "color": "green"}}
    kept = {"type": "paragraph", "content": [{"type": "text", "text": "It is "}, status]}
    document = {"type": "doc", "version": 1, "content": [paragraph("First"), panel, kept, paragraph("Last")]}
    jiras.there.creates("Born there", description=document)
    jiras.settle()
    wiki = jiras.issue("jira")["description"]
    assert "Mind the gap" in wiki
    issue = str(jiras.benches["jira"].sandbox.state()["WEB-1"]["id"])
    jiras.here.edits(issue, description=wiki.replace("Last", "Last but not least"))
    jiras.settle()
    assert jiras.issue("jira-copy")["description"]["content"] == [
        paragraph("First"),
        panel,
        kept,
        paragraph("Last but not least"),
    ]


def test_comments_of_both_sides_are_on_both_once(jiras: TwoJiras) -> None:
    issue = jiras.here.creates("Born here")
    jiras.settle()
    jiras.here.comments(issue, "Said here")
    copy = str(jiras.benches["jira-copy"].sandbox.state()["WEB-1"]["id"])
    Someone(jiras.benches["jira-copy"]).comments(copy, "Said there")
    jiras.settle()
    for name in jiras.benches:
        said = [str(one["body"]) for one in jiras.issue(name)["comment"]["comments"]]
        assert len(said) == 2, said
        assert sum("Said here" in one for one in said) == sum("Said there" in one for one in said) == 1


def test_quiet_is_quiet(jiras: TwoJiras) -> None:
    jiras.here.creates(
        "Born here", description="* a list\n** of two\n\n{code:java}\n\tint i;\n{code}\n\n||a||b||\n|1|2|"
    )
    jiras.settle()
    before = [len(one.sandbox.ledger.effects) for one in jiras.benches.values()]
    for _ in range(3):
        jiras.later(120)
        jiras.poll("moves")
        jiras.settle(2)
    assert [len(one.sandbox.ledger.effects) for one in jiras.benches.values()] == before
