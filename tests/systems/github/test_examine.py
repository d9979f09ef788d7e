"""A repository is examined before anything is written to it."""

from __future__ import annotations

import pytest

from connector.config import Connector
from connector.examining import Level
from tests.systems.direct import Bench
from tests.systems.examining import bad, connector, examine, told
from tests.systems.github.scene import act, scene


def into(mapping: str, more: str = "") -> Connector:
    return connector("github, repository: acme/web", mapping, more, source="jira, project: WEB")


@pytest.fixture
def here() -> Bench:
    found = scene()
    act(found, "POST", "/repos/acme/web/milestones", {"title": "Old times", "state": "closed"})
    return found


GOOD = "{Title: title, Body: body, Labels: {value: [bug]}, Milestone: {value: v2.0}, Assignees: {value: [alice]}}"


def test_a_mapping_that_fits_has_no_problem(here: Bench) -> None:
    found = examine(here, into(GOOD))
    assert bad(found) == []
    assert bad(found, Level.WARNING) == []
    assert len([one for one in found if one.text == "exists"]) == 5
    assert [request.method for request in here.transport.sent if request.writes] == []


def test_a_repository_that_is_gone_archived_or_without_issues_is_a_problem(here: Bench) -> None:
    repository = here.sandbox.world.repository("acme/web")
    repository.archived = repository.has_issues = True
    assert bad(examine(here, into(GOOD))) == [("archived", "to.repository")]
    repository.archived = repository.has_issues = False
    assert bad(examine(here, into(GOOD))) == [("no_issues", "to.repository")]
    repository.hidden_from = {"acme-bot"}
    assert bad(examine(here, into(GOOD))) == [("not_found", "to.repository")]


def test_a_repository_that_was_renamed_is_told_with_its_new_name(here: Bench) -> None:
    here.sandbox.rename("acme/web", "site")
    found = examine(here, into("{Title: title}"))
    assert bad(found) == []
    assert told(found, "to.repository", Level.WARNING).act == "write acme/site"


def test_what_github_drops_without_a_word_is_a_problem(here: Bench) -> None:
    here.sandbox.world.repository("acme/web").writers = {"alice"}
    assert bad(examine(here, into(GOOD))) == [
        ("permission:push", "mapping.Assignees"),
        ("permission:push", "mapping.Labels"),
        ("permission:push", "mapping.Milestone"),
    ]
    back = into("{State: {from: state_category, map: {done: closed}, default: open}}", "create: false")
    assert bad(examine(here, back)) == [("permission:push", "to.repository")]


def test_labels_milestones_and_people_are_looked_up(here: Bench) -> None:
    here.sandbox.world.repository("acme/web").assignable = {"alice"}
    mapping = """
  Title: title
  Labels: {from: priority, map: {High: bgu}}
  Milestone: {from: milestone, first: {a: v2.O, b: Old times}}
  Assignees: {from: assignees, people: {x: alice, y: bob, z: ../../x}}
"""
    found = examine(here, into(mapping))
    assert bad(found) == [
        ("option:milestone", "mapping.Milestone.first.a"),
        ("person", "mapping.Assignees.people.y"),
        ("person", "mapping.Assignees.people.z"),
    ]
    assert "'v2.0'" in told(found, "mapping.Milestone.first.a").act
    assert "'bug'" in told(found, "mapping.Labels.map.High", Level.WARNING).act
    assert told(found, "mapping.Milestone.first.b", Level.WARNING).cause == "closed_milestone"


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ("{Titel: title}", [("field", "mapping.Titel"), ("required:title", "mapping")]),
        ("{Title: title, Summary: key}", [("twice", "mapping.Summary")]),
        ("{Body: body}", [("required:title", "mapping")]),
        ("{Title: labels}", [("type", "mapping.Title")]),
        ("{Title: title, Assignees: title}", [("type", "mapping.Assignees")]),
        ("{Title: title, State: {value: shut}}", [("value:state", "mapping.State.value")]),
    ],
)
def test_fields_are_judged_by_name_and_by_type(here: Bench, mapping: str, expected: list[tuple[str, str]]) -> None:
    assert bad(examine(here, into(mapping))) == expected


def test_words_of_the_source_for_a_state_are_a_warning(here: Bench) -> None:
    found = examine(here, into("{Title: {template: '{{ body }}'}, State: state}"))
    assert bad(found) == []
    assert bad(found, Level.WARNING) == [("length", "mapping.Title"), ("open_choice", "mapping.State")]
