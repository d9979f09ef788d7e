"""A two-way connector over GitHub's and Jira's own code: both sides end equal, and nobody's edit is written over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.workers.pairs import Pairs


@pytest.fixture
def pairs() -> Iterator[Pairs]:
    made = Pairs()
    yield made
    made.check_accounts()
    made.no_effect_is_double()


@pytest.fixture
def pair(pairs: Pairs) -> tuple[int, str]:
    """Return the number and the id of two issues that are equal."""
    number = pairs.report("Broken")
    pairs.settle()
    return number, str(pairs.issues()["Broken"]["id"])


def test_an_issue_made_here_is_made_there_and_edits_of_both_sides_meet(pairs: Pairs) -> None:
    number = pairs.report("Broken")
    pairs.settle()
    assert "Broken" in pairs.issues()
    pairs.person("PATCH", f"/issues/{number}", {"title": "Renamed here"})
    pairs.settle()
    assert "Renamed here" in pairs.issues()


def test_an_edit_of_each_side_comes_to_the_other(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, summary="Renamed there", labels=["urgent"])
    pairs.settle()
    assert pairs.on_git()["title"] == "Renamed there"
    assert pairs.on_git()["labels"] == ["urgent"]
    pairs.person("PATCH", f"/issues/{number}", {"title": "Renamed here"})
    pairs.settle()
    assert pairs.on_jira()["summary"] == "Renamed here"
    assert pairs.on_jira()["labels"] == ["urgent"]


def test_edits_of_different_fields_on_both_sides_both_hold(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, summary="Renamed there")
    pairs.person("PATCH", f"/issues/{number}", {"body": "Told anew here."})
    pairs.settle()
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == "Renamed there"
    assert "Told anew here." in str(pairs.on_jira()["description"])
    assert not pairs.questions()


def test_edits_of_one_field_on_both_sides_wait_for_a_person(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, summary="Mine")
    pairs.person("PATCH", f"/issues/{number}", {"title": "No, mine"})
    pairs.settle()
    assert (pairs.on_git()["title"], pairs.on_jira()["summary"]) == ("No, mine", "Mine")
    asked = pairs.questions()["Summary"]
    assert (asked["wants"], asked["holds"], asked["held"], asked["why"]) == ("No, mine", "Mine", "Broken", "both")


def test_lists_are_merged_where_the_connector_says_so(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, labels=["urgent", "old"])
    pairs.settle()
    pairs.ada.edits(issue, labels=["urgent", "there"])
    pairs.person("PATCH", f"/issues/{number}", {"labels": ["urgent", "old", "here"]})
    pairs.settle()
    assert sorted(pairs.on_jira()["labels"]) == ["here", "there", "urgent"]
    assert sorted(pairs.on_git()["labels"]) == ["here", "there", "urgent"]


def test_a_status_of_many_words_is_not_pulled_back(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.moves(issue, "In Progress")
    pairs.settle()
    assert pairs.on_jira()["status"]["name"] == "In Progress"
    assert pairs.on_git()["state"] == "open"
    pairs.person("PATCH", f"/issues/{number}", {"title": "Renamed here"})
    pairs.settle()
    assert pairs.on_jira()["status"]["name"] == "In Progress"
    pairs.moves(issue, "Done")
    pairs.settle()
    assert pairs.on_git()["state"] == "closed"
    pairs.person("PATCH", f"/issues/{number}", {"state": "open"})
    pairs.settle()
    assert pairs.on_jira()["status"]["name"] == "To Do"


def test_an_issue_born_at_the_target_is_made_at_the_source(pairs: Pairs) -> None:
    pairs.ada.creates("Born there", description="Some *bold* words", labels=["bug"])
    pairs.settle()
    (made,) = pairs.person("GET", "/issues?state=all")
    assert (made["title"], made["labels"][0]["name"]) == ("Born there", "bug")
    assert "**bold**" in made["body"]
    pairs.person("PATCH", f"/issues/{made['number']}", {"title": "Renamed here"})
    pairs.settle()
    assert pairs.on_jira()["summary"] == "Renamed here"
    assert not pairs.questions()


def test_comments_travel_both_ways_once(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.comment(number, "From here")
    pairs.ada.comments(issue, "From there")
    pairs.settle()
    there = [str(one["body"]) for one in pairs.on_jira()["comment"]["comments"]]
    here = [one["body"] for one in pairs.person("GET", f"/issues/{number}/comments")]
    assert len(there) == 2
    assert sum("From there" in one for one in here) == 1
    assert sum("From here" in one for one in here) == 1


def test_quiet_is_quiet(pairs: Pairs, pair: tuple[int, str]) -> None:
    number, issue = pair
    pairs.ada.edits(issue, summary="Renamed there")
    pairs.settle()
    pairs.person("PATCH", f"/issues/{number}", {"body": "Told *anew* here."})
    pairs.settle()
    before = pairs.writes()
    for _ in range(3):
        pairs.later(60)
        pairs.poll("pair")
        pairs.settle(2)
    assert pairs.writes() == before
