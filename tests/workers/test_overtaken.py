"""What a worker still sends after it stood still for longer than its lease is looked at again, counted and told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from connector.event import Event, EventId, Kind
from connector.link import Marker, effect_key
from tests.workers.office import CREATED, Office, back, bugs, comment, event


@pytest.fixture
def made(office: Office) -> Office:
    office.accept(CREATED)
    office.work()
    return office


def stands_still(office: Office, on: str, meanwhile: Callable[[], None]) -> None:
    """Freeze the worker between its *sent* mark and the send of the next ``on``; others work meanwhile."""

    def freeze(what: str) -> None:
        if what == on:
            office.jira.before_call = lambda _: None
            meanwhile()

    office.jira.before_call = freeze


def titled(number: int, title: str) -> Event:
    return event(number, title=title, state="open", change={"title": title})


def test_a_value_that_was_set_late_does_not_stay(made: Office) -> None:
    made.git.sources["git:issue:1"] = titled(3, "New")

    def another() -> None:
        made.accept(titled(3, "New"))
        made.later(60)
        assert made.jira.items["1"].fields["Summary"] == "New"

    made.accept(titled(2, "Old"))
    stands_still(made, "update", another)
    made.work()
    assert made.jira.items["1"].fields["Summary"] == "New"
    assert made.store.tally()["overtaken"] == 1
    made.check_accounts()
    before = made.did()
    made.later(60)
    made.later(60)
    assert made.did() == before
    assert not made.store.unsure("git:issue:1")


def test_a_comment_that_was_sent_late_is_counted_and_told(made: Office, caplog: pytest.LogCaptureFixture) -> None:
    def another() -> None:
        made.later(60)
        made.later(60)
        assert len(made.jira.items["1"].comments) == 1

    made.accept(comment(2, "hello"))
    stands_still(made, "comment", another)
    with caplog.at_level(logging.ERROR):
        made.work()
    assert len(made.jira.items["1"].comments) == 2
    assert made.store.tally()["late"] == 1
    (row,) = [row for row in made.audit if row["action"] == "late"]
    assert row["what"] == "the comment for acme/web#1 at WEB-1"
    (line,) = [one.getMessage() for one in caplog.records if one.name == "connector.delivery"]
    assert "may stand twice" in line
    made.check_accounts()


def test_what_nobody_sent_meanwhile_is_found_by_whoever_comes_next(made: Office) -> None:
    made.accept(comment(2, "hello"))
    stands_still(made, "comment", lambda: made.clock.move(60_000))
    made.work()
    made.settle_down()
    assert len(made.jira.items["1"].comments) == 1
    assert made.store.tally()["late"] == 0
    made.check_accounts()


# --- what the network brings late is noticed where it comes back ----------------------------------------------
def came_back(kind: Kind, issue: str, word: str, sub: str) -> Event:
    """What Jira tells of something of ours: a second issue, or a comment on the first."""
    mark = str(Marker("test", "git", effect_key("bugs", "git:issue:1", word, "c1" if sub else "")))
    return event(9, kind, connection="jira", issue=issue, sub=sub, marker=mark, title="Broken")


@pytest.mark.parametrize(
    ("made_by_us", "twin"),
    [
        (came_back(Kind.COMMENT_CREATED, "1", "comment", "2"), came_back(Kind.COMMENT_CREATED, "1", "comment", "7")),
        (came_back(Kind.ISSUE_CREATED, "1", "create", ""), came_back(Kind.ISSUE_CREATED, "8", "create", "")),
    ],
)
def test_a_twin_that_comes_back_is_counted_once(office: Office, made_by_us: Event, twin: Event) -> None:
    office.declare(bugs(), back(creates=False, comments=bugs().comments))
    office.accept(CREATED, comment(2, "hello"))
    office.work()
    office.accept(made_by_us)
    office.work()
    assert office.store.tally()["late"] == 0
    office.accept(twin, replace(twin, id=EventId(f"{twin.id}+")))
    office.work()
    assert office.store.tally()["late"] == 1
    assert [row["action"] for row in office.audit].count("late") == 1
    assert office.did(office.git) == []
