"""A two-way connector over GitHub's and Jira's own code: both sides end equal, and nobody's edit is written over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer
from redis import Redis

from connector.loading import load
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from tests.systems.jira.places import Someone
from tests.workers.street import Street

TEXT = """
version: 1
instance: test
connections:
  git: {system: github, auth: {token: "env:T"}}
  jira: {system: jira, url: "https://acme.atlassian.net", auth: {email: a@b.example, token: "env:T"}}
connectors:
- version: 1
  name: pair
  from: {connection: git, repositories: [acme/web]}
  to: {connection: jira, project: WEB, type: Bug}
  direction: two-way
  comments: true
  back: {from: {project: WEB}, to: {repository: acme/web}, create: true}
  mapping:
    Summary: title
    Description: body
    Labels: {from: labels, conflict: union}
    Status:
      from: state
      map: {open: To Do, closed: Done}
      back: {from: state_category, map: {new: open, active: open, done: closed}}
"""


class Pairs(Street):
    """GitHub issues and Jira issues that are kept equal by one connector."""

    def __init__(self, client: Redis, text: str = TEXT) -> None:
        self.text = text
        super().__init__(client)
        self.declare(load({"a.yaml": text}, SYSTEMS, TRANSFORMS, {}).connectors["pair"])

    def on_git(self, number: int) -> Any:
        """Return a GitHub issue as it is."""
        return self.person("GET", f"/issues/{number}")

    @property
    def books_of(self) -> Any:
        return self.books(self.config.connectors["pair"])


@pytest.fixture
def pairs() -> Iterator[Pairs]:
    made = Pairs(FakeRedis(server=FakeServer(server_type="valkey")))
    yield made
    made.check_accounts()
    made.no_effect_is_double()


def settle(pairs: Pairs, rounds: int = 6) -> None:
    """Let webhooks travel to and fro until nobody has anything to say."""
    for _ in range(rounds):
        pairs.deliver_hooks()
        pairs.clock.move(3000)


def test_an_issue_made_here_is_made_there_and_edits_of_both_sides_meet(pairs: Pairs) -> None:
    number = pairs.report("Broken")
    settle(pairs)
    assert "Broken" in pairs.issues()
    pairs.person("PATCH", f"/issues/{number}", {"title": "Renamed here"})
    settle(pairs)
    assert "Renamed here" in pairs.issues()


@pytest.fixture
def ada(pairs: Pairs) -> Someone:
    return Someone(pairs.benches["jira"])


def on_jira(pairs: Pairs) -> Any:
    """Return the fields of the only Jira issue."""
    (issue,) = pairs.benches["jira"].sandbox.state().values()
    return issue["fields"]


def move(pairs: Pairs, issue: str, status: str) -> None:
    """Let Ada move an issue to a status, on whatever way the workflow has."""
    ada = Someone(pairs.benches["jira"])
    ways = ada.ask("GET", f"/issue/{issue}/transitions")["transitions"]
    (way,) = [one["id"] for one in ways if one["to"]["name"] == status]
    ada.moves_to(issue, way, **({"resolution": {"name": "Done"}} if status == "Done" else {}))


def questions(pairs: Pairs) -> dict[str, Any]:
    """Return what waits for a person, by field."""
    return {name: one for link in pairs.books_of.questions() for name, one in link.extra["conflicts"].items()}


def writes(pairs: Pairs) -> int:
    return sum(len(pairs.ours(name)) + len(pairs.benches[name].sandbox.ledger.effects) for name in ("git", "jira"))


@pytest.fixture
def pair(pairs: Pairs, ada: Someone) -> tuple[int, str]:
    """Return the number and the id of two issues that are equal."""
    number = pairs.report("Broken")
    settle(pairs)
    return number, str(pairs.issues()["Broken"]["id"])


def test_an_edit_of_each_side_comes_to_the_other(pairs: Pairs, ada: Someone, pair: tuple[int, str]) -> None:
    number, issue = pair
    ada.edits(issue, summary="Renamed there", labels=["urgent"])
    settle(pairs)
    assert pairs.on_git(number)["title"] == "Renamed there"
    assert [one["name"] for one in pairs.on_git(number)["labels"]] == ["urgent"]
    pairs.person("PATCH", f"/issues/{number}", {"title": "Renamed here"})
    settle(pairs)
    assert on_jira(pairs)["summary"] == "Renamed here"
    assert on_jira(pairs)["labels"] == ["urgent"]


def test_edits_of_different_fields_on_both_sides_both_hold(pairs: Pairs, ada: Someone, pair: tuple[int, str]) -> None:
    number, issue = pair
    ada.edits(issue, summary="Renamed there")
    pairs.person("PATCH", f"/issues/{number}", {"body": "Told anew here."})
    settle(pairs)
    assert pairs.on_git(number)["title"] == on_jira(pairs)["summary"] == "Renamed there"
    assert "Told anew here." in str(on_jira(pairs)["description"])
    assert not questions(pairs)


def test_edits_of_one_field_on_both_sides_wait_for_a_person(pairs: Pairs, ada: Someone, pair: tuple[int, str]) -> None:
    number, issue = pair
    ada.edits(issue, summary="Mine")
    pairs.person("PATCH", f"/issues/{number}", {"title": "No, mine"})
    settle(pairs)
    assert (pairs.on_git(number)["title"], on_jira(pairs)["summary"]) == ("No, mine", "Mine")
    asked = questions(pairs)["Summary"]
    assert (asked["wants"], asked["holds"], asked["held"], asked["why"]) == ("No, mine", "Mine", "Broken", "both")


def test_lists_are_merged_where_the_connector_says_so(pairs: Pairs, ada: Someone, pair: tuple[int, str]) -> None:
    number, issue = pair
    ada.edits(issue, labels=["urgent", "old"])
    settle(pairs)
    ada.edits(issue, labels=["urgent", "there"])
    pairs.person("PATCH", f"/issues/{number}", {"labels": ["urgent", "old", "here"]})
    settle(pairs)
    assert sorted(on_jira(pairs)["labels"]) == ["here", "there", "urgent"]
    assert sorted(one["name"] for one in pairs.on_git(number)["labels"]) == ["here", "there", "urgent"]


def test_a_status_of_many_words_is_not_pulled_back(pairs: Pairs, ada: Someone, pair: tuple[int, str]) -> None:
    number, issue = pair
    move(pairs, issue, "In Progress")
    settle(pairs)
    assert on_jira(pairs)["status"]["name"] == "In Progress"
    assert pairs.on_git(number)["state"] == "open"
    pairs.person("PATCH", f"/issues/{number}", {"title": "Renamed here"})
    settle(pairs)
    assert on_jira(pairs)["status"]["name"] == "In Progress"
    move(pairs, issue, "Done")
    settle(pairs)
    assert pairs.on_git(number)["state"] == "closed"
    pairs.person("PATCH", f"/issues/{number}", {"state": "open"})
    settle(pairs)
    assert on_jira(pairs)["status"]["name"] == "To Do"


def test_an_issue_born_at_the_target_is_made_at_the_source(pairs: Pairs, ada: Someone) -> None:
    ada.creates("Born there", description="Some *bold* words", labels=["bug"])
    settle(pairs)
    (made,) = pairs.person("GET", "/issues?state=all")
    assert (made["title"], made["labels"][0]["name"]) == ("Born there", "bug")
    assert "**bold**" in made["body"]
    pairs.person("PATCH", f"/issues/{made['number']}", {"title": "Renamed here"})
    settle(pairs)
    assert on_jira(pairs)["summary"] == "Renamed here"
    assert not questions(pairs)


def test_comments_travel_both_ways_once(pairs: Pairs, ada: Someone, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.comment(number, "From here")
    ada.comments(issue, "From there")
    settle(pairs)
    there = [str(one["body"]) for one in on_jira(pairs)["comment"]["comments"]]
    here = [one["body"] for one in pairs.person("GET", f"/issues/{number}/comments")]
    assert len(there) == 2
    assert sum("From there" in one for one in here) == 1
    assert sum("From here" in one for one in here) == 1


def test_quiet_is_quiet(pairs: Pairs, ada: Someone, pair: tuple[int, str]) -> None:
    number, issue = pair
    ada.edits(issue, summary="Renamed there")
    settle(pairs)
    pairs.person("PATCH", f"/issues/{number}", {"body": "Told *anew* here."})
    settle(pairs)
    before = writes(pairs)
    for _ in range(3):
        pairs.clock.move(60_000)
        pairs.poll("pair")
        settle(pairs, 2)
    assert writes(pairs) == before
