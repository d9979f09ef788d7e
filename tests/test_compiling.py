"""What a connector needs of its target, and what cannot come back, is told from its file alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connector.compiling import fed, needs_of
from connector.config import Comments, Connector, End, Message, References
from connector.event import Kind
from connector.examining import Fed, Finding, Gives, Level, meant, misfit, overlong
from connector.listed import Takes
from connector.loading import load
from connector.mapping import Rule, Step
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from tests.systems.examining import CONNECTIONS
from workers.files import ready_made


def connector(*rules: Rule, **more: Any) -> Connector:
    return Connector("web", "web", End("git", None), End("jira", None), mapping=rules, **more)


@pytest.mark.parametrize(
    ("rule", "gives"),
    [
        (Rule("F", path="title"), Gives.LINE),
        (Rule("F", path="body"), Gives.TEXT),
        (Rule("F", path="labels"), Gives.WORDS),
        (Rule("F", path="labels[0]"), Gives.ANYTHING),
        (Rule("F", path="raw.issue.id"), Gives.ANYTHING),
        (Rule("F", template="{{ title }}"), Gives.WORDING),
        (Rule("F", path="labels", steps=(Step("join"),)), Gives.LINE),
        (Rule("F", path="labels", steps=(Step("drop", {"items": ["x"]}), Step("first"))), Gives.WORD),
        (Rule("F", path="title", steps=(Step("extract", {"pattern": "x"}), Step("number"))), Gives.NUMBER),
        (Rule("F", path="title", steps=(Step("extract", {"pattern": "x"}),)), Gives.ANYTHING),
        (Rule("F", path="created", steps=(Step("date", {"to": "date"}),)), Gives.DATE),
        (Rule("F", path="created", steps=(Step("date", {"": "%Y"}),)), Gives.LINE),
        (Rule("F", path="body", steps=(Step("truncate", {"length": 9}),)), Gives.LINE),
        (Rule("F", path="assignees", people={"ann": "a"}), Gives.PEOPLE),
        (Rule("F", path="state", table={"open": "To Do"}), Gives.ANYTHING),
    ],
)
def test_what_a_rule_gives_is_known_as_far_as_it_can_be(rule: Rule, gives: Gives) -> None:
    assert fed(rule).gives is gives


def test_the_values_that_stand_in_a_rule_are_named_with_their_places() -> None:
    found = fed(Rule("Status", path="state", table={"open": "To Do"}, default="Done"))
    assert {(one.path, one.value) for one in found.named} == {
        (("mapping", "Status", "map", "open"), "To Do"),
        (("mapping", "Status", "default"), "Done"),
    }
    assert found.closed
    # What a transform makes of them is not said in the file.
    stepped = fed(Rule("F", path="labels", first={"p0": "high"}, steps=(Step("upper"),)))
    assert (stepped.named, stepped.closed) == ((), False)


@pytest.mark.parametrize(
    ("rule", "always"),
    [
        (Rule("F", path="title"), True),
        (Rule("F", path="body"), False),
        (Rule("F", path="title", when="draft"), False),
        (Rule("F", path="labels", first={"a": 1}), False),
        (Rule("F", path="labels", first={"a": 1}, default=2), True),
        (Rule("F", path="milestone", default=None), False),
        (Rule("F", value=3), True),
        (Rule("F", value=None), False),
        (Rule("F", template="{{ title }}"), True),
    ],
)
def test_whether_a_rule_always_gives_something(rule: Rule, always: bool) -> None:
    assert fed(rule).always is always


def test_what_a_connector_needs_follows_from_what_it_says() -> None:
    bare = needs_of(connector(creates=False, relates=False))
    assert (bare.creates, bare.updates, bare.comments, bare.edits, bare.deletes, bare.relates) == (False,) * 6
    full = connector(
        Rule("Summary", path="title"),
        comments=Comments(copied=True, deletes=True),
        references=References(status={"merged": "Done"}),
    )
    needs = needs_of(full)
    assert (needs.creates, needs.updates, needs.comments, needs.edits, needs.deletes) == (True,) * 5
    assert [one.value for one in needs.statuses] == ["Done"]
    told = connector(messages=(Message(frozenset({Kind.ISSUE_UPDATED}), "x"),))
    assert (needs_of(told).comments, needs_of(told).edits) == (True, False)


# --- both ways -----------------------------------------------------------------------------------------------
TWO_WAY = """\
version: 1
name: web
template: github-jira-two-way
from: {repositories: [acme/web]}
to: {project: WEB}
back: {from: {project: WEB}, to: {repository: acme/web}}
mapping:
  Priority: {from: labels, first: {p0: Highest}, direction: "->"}
  Assignee: {from: assignee, people: {ann: a@b.c}}
"""


def test_each_face_of_a_two_way_connector_has_needs_of_its_own() -> None:
    texts = {"c.yaml": CONNECTIONS, "web.yaml": TWO_WAY}
    one = load(texts, SYSTEMS, TRANSFORMS, ready_made()).connectors["web"]
    ahead = {fed.name: fed for fed in needs_of(one).fields}
    assert {name for name, fed in ahead.items() if fed.both_ways} == {"Summary", "Description", "Labels", "Assignee"}
    assert one.back is not None
    back = {fed.name: fed for fed in needs_of(one.back).fields}
    assert set(back) == {"title", "body", "labels", "state", "assignees"}
    # What is found there is told at the rule that was turned round.
    assert back["state"].path == ("mapping", "Status")
    assert {(named.path, named.value) for named in back["state"].named} == {
        (("mapping", "Status"), "open"),
        (("mapping", "Status"), "closed"),
    }
    assert [named.value for named in back["assignees"].people] == ["ann"]
    assert needs_of(one.back).creates is False


# --- what fits -----------------------------------------------------------------------------------------------
FED = Fed("F", ("mapping", "F"), Gives.LINE)


def verdict(gives: Gives, takes: Takes) -> Level | None:
    found: Finding | None = misfit(replace(FED, gives=gives), takes)
    return found.level if found else None


@pytest.mark.parametrize("takes", [one for one in Takes if one is not Takes.ANY])
def test_every_kind_of_field_refuses_something_and_takes_what_is_unknown(takes: Takes) -> None:
    assert verdict(Gives.ANYTHING, takes) is None
    assert Level.PROBLEM in {verdict(gives, takes) for gives in Gives}
    assert misfit(replace(FED, gives=Gives.PEOPLE, closed=True), takes) is None


def test_only_long_text_without_a_cut_is_too_long() -> None:
    long = replace(FED, gives=Gives.TEXT)
    assert overlong(long, 255) is not None
    assert overlong(replace(long, cut=300), 255) is not None
    assert overlong(replace(long, cut=255), 255) is None
    assert overlong(replace(long, closed=True), 255) is None
    assert overlong(FED, 255) is None


@pytest.mark.parametrize(("word", "expected"), [("Majr", "Major"), ("major ", "Major"), ("Blue", ""), ("", "")])
def test_what_was_meant_is_guessed_only_where_it_is_near(word: str, expected: str) -> None:
    assert meant(word, ["Major", "Minor"]) == expected
