"""Webhooks that arrive out of order bring no old state back."""

from __future__ import annotations

from typing import Any

from connector.errors import Retryable
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


def said(second: int, body: str, kind: Kind = Kind.COMMENT_UPDATED) -> Event:
    comment = {"id": "c1", "body": body, "visibility": "public", "updated": f"2027-01-15T08:00:{second:02}Z"}
    return event(second, kind, sub="c1", comment=comment, title="Broken")


def text(office: Office) -> Any:
    (body,) = office.jira.items["1"].comments.values()
    return body


def test_an_older_edit_of_a_comment_that_comes_late_brings_no_old_text_back(office: Office) -> None:
    for one in (OPENED, said(1, "one", Kind.COMMENT_CREATED), said(9, "three"), said(5, "two")):
        office.accept(one)
        office.work()
    assert text(office) == "three"
    office.accept(said(12, "four"))
    office.work()
    assert text(office) == "four"


def test_an_edit_that_overtakes_its_comment_keeps_its_text(office: Office) -> None:
    for one in (OPENED, said(9, "three"), said(1, "one", Kind.COMMENT_CREATED), said(5, "two")):
        office.accept(one)
        office.work()
    assert text(office) == "three"


def test_an_edit_reaches_a_copy_that_an_unknown_send_left_behind(office: Office) -> None:
    # The comment was sent, its outcome never known, and its letter died of it; the edit finds the copy.
    office.change(attempts=1)
    office.accept(OPENED)
    office.work()
    office.jira.breaks("comment", lambda: Retryable("cut", sent=True), after=True)
    office.accept(said(1, "one", Kind.COMMENT_CREATED))
    office.work()
    assert office.store.counts()["dead"] == 1
    office.clock.move(60_000)
    office.accept(said(9, "two"))
    office.work()
    assert text(office) == "two"


def reading() -> None:
    raise AssertionError("the source was read though nothing was late")


def restricted(second: int, body: str) -> Event:
    """Return the edit that made the comment one for few."""
    edit = said(second, body)
    return edit.with_data(comment={**edit.data["comment"], "visibility": "restricted"})


def test_an_edit_of_before_a_comment_was_restricted_brings_nothing_back(office: Office) -> None:
    office.accept(OPENED, said(1, "one", Kind.COMMENT_CREATED))
    office.work()
    assert text(office) == "one"
    office.accept(restricted(9, "secret"))
    office.work()
    assert not office.jira.items["1"].comments
    office.git.sources[REF] = restricted(9, "secret")
    office.accept(said(5, "two"))
    office.work()
    assert not office.jira.items["1"].comments
    assert "secret" not in str(office.jira.ledger.effects)
