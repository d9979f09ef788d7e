"""After an update whose outcome is unknown, nothing is believed to be there already."""

from __future__ import annotations

from typing import Any

import pytest

from connector.errors import ConnectorError, Rejected, Retryable
from tests.workers.office import CREATED, NEW, Office, event


def lost() -> ConnectorError:
    return Retryable("the connection broke", sent=True)


def titled(number: int, title: str, state: str = "open") -> Any:
    return event(number, title=title, state=state)


def unsure(office: Office) -> Any:
    return office.client.hgetall(f"{office.store.tag}unsure")


@pytest.fixture
def made(office: Office) -> Office:
    office.accept(CREATED)
    office.work()
    assert office.did() == NEW
    return office


def test_going_back_to_the_old_value_is_written_where_the_new_one_may_have_landed(made: Office) -> None:
    made.jira.breaks("update", lost, after=True)
    made.accept(titled(2, "Other"))
    made.work()
    assert made.jira.items["1"].fields["Summary"] == "Other"
    made.accept(titled(3, "Broken"))
    made.settle_down()
    assert made.jira.items["1"].fields["Summary"] == "Broken"
    assert not unsure(made)
    assert all(made.client.hget(key, "state") == b"done" for key in made.client.scan_iter("*fx:*"))


def test_only_the_fields_in_doubt_are_written_again(made: Office) -> None:
    made.jira.items["1"].fields["Status"] = "In Progress"  # by a person there
    made.jira.breaks("update", lost)
    made.accept(titled(2, "Other"))
    made.work()
    made.accept(titled(3, "Third"))
    made.settle_down()
    assert made.jira.items["1"].fields == {"Summary": "Third", "Status": "In Progress"}


@pytest.mark.parametrize("error", [lambda: Rejected("no", status=400), lambda: Retryable("no route", sent=False)])
def test_an_update_that_surely_did_not_land_leaves_no_doubt(made: Office, error: Any) -> None:
    made.jira.breaks("update", error)
    made.accept(titled(2, "Other"))
    made.work()
    assert not unsure(made)
    made.accept(titled(3, "Broken"))
    made.settle_down()
    assert made.did() == NEW


def test_what_is_in_doubt_stays_so_over_a_dead_letter(made: Office) -> None:
    made.change(attempts=1)
    made.jira.breaks("update", lost, after=True)
    made.accept(titled(2, "Other"))
    made.settle_down()
    assert made.store.counts()["dead"] == 1
    made.accept(titled(3, "Broken"))
    made.settle_down()
    assert made.jira.items["1"].fields["Summary"] == "Broken"
    assert not unsure(made)


def test_what_an_earlier_attempt_made_is_brought_up_to_the_newest_state(office: Office) -> None:
    office.jira.breaks("create", lost, after=True)
    office.accept(CREATED)
    office.work()
    office.accept(titled(2, "Other", "closed"))
    office.settle_down()
    assert office.jira.items["1"].fields == {"Summary": "Other", "Status": "closed"}
    assert office.did().count("add issue WEB-1") == 1
    assert office.store.counts()["dead"] == 0
    link = office.store.link(CREATED.entity.ref)
    assert link is not None
    assert link.base == {"Summary": "Other", "Status": "closed"}
