"""Webhooks that arrive out of order bring no old state back."""

from __future__ import annotations

from typing import Any

from connector.event import Event, Kind
from tests.workers.office import Office, event

OPENED = event(1, Kind.ISSUE_CREATED, title="Broken", state="open", updated="2027-01-15T08:00:00+00:00")
REF = OPENED.entity.ref


def edited(second: int, **data: Any) -> Event:
    return event(second + 10, **{"title": "Broken", "state": "open", **data}, updated=f"2027-01-15T08:00:{second:02}Z")


def status(office: Office) -> Any:
    return office.jira.items["1"].fields["Status"]


def test_an_edit_that_comes_after_the_closing_does_not_reopen(office: Office) -> None:
    closed = edited(2, state="closed")
    office.git.sources[REF] = closed
    for one in (OPENED, closed, edited(1, title="Broken still")):
        office.accept(one)
        office.work()
    assert status(office) == "closed"
    assert office.jira.items["1"].fields["Summary"] == "Broken"


def test_the_same_holds_while_both_wait_in_one_mailbox(office: Office) -> None:
    closed = edited(2, state="closed")
    office.accept(OPENED)
    office.work()
    office.git.sources[REF] = closed
    office.accept(closed, edited(1))
    office.work()
    assert status(office) == "closed"
    assert office.did()[3:] == ["set WEB-1"]


def test_two_states_of_the_same_second_are_settled_by_reading(office: Office) -> None:
    truth = edited(2, title="Second", state="closed")
    office.accept(OPENED)
    office.work()
    office.git.sources[REF] = truth
    for one in (truth, edited(2, title="First")):
        office.accept(one)
        office.work()
    assert (status(office), office.jira.items["1"].fields["Summary"]) == ("closed", "Second")


def test_a_state_that_changed_nothing_still_overtakes(office: Office) -> None:
    # The title went to another and back; the event in between comes last.
    back = edited(3, title="Broken")
    office.git.sources[REF] = back
    for one in (OPENED, back, edited(2, title="Other")):
        office.accept(one)
        office.work()
    assert office.jira.items["1"].fields["Summary"] == "Broken"


def test_states_in_their_order_cost_no_reading(office: Office) -> None:
    office.git.before_call = lambda what: None if what != "complete" else reading()
    for one in (OPENED, edited(1, title="One"), edited(2, title="Two")):
        office.accept(one)
        office.work()
    office.accept(edited(3, title="Three"), edited(4, title="Four"))
    office.work()
    assert office.jira.items["1"].fields["Summary"] == "Four"


def reading() -> None:
    raise AssertionError("the source was read though nothing was late")
