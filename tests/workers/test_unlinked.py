"""What people do on a fresh copy is not lost while its link is still being made, and the copy itself is no news."""

from __future__ import annotations

from typing import Any

import pytest

from connector.errors import Retryable
from connector.event import Entity, Event, Kind
from connector.link import Marker, effect_key
from tests.workers.fake_system import Item
from tests.workers.office import CREATED, Office, back, bugs, comment, event

MARK = str(Marker("test", "git", effect_key("bugs", "git:issue:1", "create")))


def copy(number: int, kind: Kind = Kind.ISSUE_UPDATED, **data: Any) -> Event:
    return event(number, kind, connection="jira", issue=1, marker=MARK, **{"title": "Broken", **data})


@pytest.fixture
def ring(office: Office) -> Office:
    """Both halves; the GitHub issue is there, the Jira issue will be number 1 and carry our mark."""
    office.declare(bugs(), back(creates=False, comments=bugs().comments))
    office.git.number = 1
    office.git.items["1"] = Item(Entity("git", "issue", "1", key="acme/web#1"), {"title": "Broken", "state": "open"})
    office.jira.sources["jira:issue:1"] = copy(9)
    return office


def made_but_unsettled(ring: Office) -> None:
    ring.jira.breaks("create", lambda: Retryable("broke off", sent=True), after=True)
    ring.accept(CREATED)
    ring.work()
    assert "1" in ring.jira.items


def spoken(ring: Office) -> list[Any]:
    return list(ring.git.items["1"].comments.values())


def test_a_comment_waits_for_the_link(ring: Office) -> None:
    made_but_unsettled(ring)
    ring.accept(comment(2, "hello", connection="jira", issue=1))
    ring.work()
    assert spoken(ring) == []
    ring.settle_down()
    assert spoken(ring) == ["hello"]
    books = ring.books(ring.config.connectors["back"])
    assert books.settled()[0]["attempts"] == "0"


def test_a_change_waits_for_the_link(ring: Office) -> None:
    made_but_unsettled(ring)
    ring.accept(copy(2, change={"state": "done"}))
    ring.settle_down()
    assert ring.git.items["1"].fields["state"] == "done"


def test_what_nobody_of_us_made_is_skipped_at_once(ring: Office) -> None:
    ring.jira.sources["jira:issue:7"] = event(9, connection="jira", issue=7, title="Theirs")
    ring.accept(comment(2, "hello", connection="jira", issue=7))
    ring.work()
    (row,) = ring.books(ring.config.connectors["back"]).settled()
    assert (row["outcome"], row["reason"]) == ("skipped", "not linked: this connector creates nothing")


def test_a_copy_does_not_take_its_original_back_to_how_it_began(ring: Office) -> None:
    ring.accept(CREATED)
    ring.work()
    ring.git.items["1"].fields["state"] = "closed"  # a person, just now
    ring.accept(copy(1, Kind.ISSUE_CREATED, state="open"))
    ring.work()
    assert ring.git.items["1"].fields["state"] == "closed"
    (row,) = ring.books(ring.config.connectors["back"]).settled()
    assert (row["outcome"], row["reason"]) == ("skipped", "echo: our own issue coming back")


def test_a_person_who_changes_the_copy_is_heard_also_as_the_first_news_of_it(ring: Office) -> None:
    ring.accept(CREATED)
    ring.work()
    ring.accept(copy(1, Kind.ISSUE_CREATED, state="open"), copy(2, change={"state": "done"}))
    ring.work()
    assert ring.git.items["1"].fields["state"] == "done"
