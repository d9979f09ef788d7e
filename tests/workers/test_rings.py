"""Two connectors that face each other end where people left things, and never chase their own tails."""

from __future__ import annotations

import pytest

from connector.errors import Retryable
from connector.event import Entity, Event, Kind
from connector.link import Marker, effect_key
from connector.mapping import Rule
from tests.workers.fake_system import Item
from tests.workers.office import CREATED, Office, back, bugs, comment, event


@pytest.fixture
def ring(office: Office) -> Office:
    """Both halves over one pair of issues that are equal: github issue 1, WEB-1."""
    office.declare(bugs(), back())
    office.git.number = 1
    office.git.items["1"] = Item(Entity("git", "issue", "1", key="acme/web#1"), {"title": "Broken", "state": "open"})
    office.accept(CREATED)
    office.work()
    return office


def jira(number: int, **change: str) -> Event:
    return event(number, connection="jira", issue=1, title="Broken", change=change)


def test_our_own_change_coming_back_moves_the_base_only(ring: Office) -> None:
    ring.accept(event(2, title="Broken", change={"state": "closed"}))
    ring.work()
    before = ring.did(ring.git)
    ring.accept(jira(3, state="closed"))
    ring.work()
    assert ring.did(ring.git) == before
    link = ring.books(ring.config.connectors["back"]).link("jira:issue:1")
    assert link is not None
    assert link.base == {"title": "Broken", "state": "closed"}


def test_a_persons_edit_that_an_echo_follows_is_brought_over(ring: Office) -> None:
    ring.accept(jira(2, state="closed"))
    ring.work()
    edited = event(3, title="Renamed", state="open", change={"title": "Renamed"})
    ring.accept(edited, event(4, title="Renamed", change={"state": "closed"}))  # the echo, which speaks for both
    ring.work()
    item = ring.jira.items["1"]
    assert item.fields["Summary"] == "Renamed"
    assert ring.outcome()[0] == "delivered"


def test_an_edit_that_only_an_echo_tells_of_is_brought_over(ring: Office) -> None:
    ring.accept(jira(2, state="closed"))
    ring.work()
    ring.accept(event(4, title="Renamed", change={"state": "closed"}))
    ring.work()
    assert ring.jira.items["1"].fields["Summary"] == "Renamed"


def test_an_echo_writes_nothing_over_what_its_mapping_cannot_tell_apart(ring: Office) -> None:
    # In progress there is open here; that it comes back as open must not move it.
    table = {"open": "todo", "closed": "done"}
    ring.change("bugs", mapping=(Rule("Summary", path="title"), Rule("Status", path="state", table=table)))
    ring.change("back", mapping=(Rule("title", path="title"), Rule("state", path="state", table={"busy": "open"})))
    ring.accept(jira(2, state="busy"))
    ring.work()
    before = ring.did()
    ring.accept(event(4, title="Broken", change={"state": "open"}))
    ring.work()
    assert ring.did() == before


def test_a_change_by_a_person_goes_back(ring: Office) -> None:
    ring.accept(jira(2, state="done"))
    ring.work()
    assert ring.git.items["1"].fields["state"] == "done"


def test_closing_opening_and_closing_again_is_no_echo(ring: Office) -> None:
    # The second closing has the very value that we once wrote; it is a person's all the same.
    ring.accept(event(2, title="Broken", change={"state": "closed"}))
    ring.work()
    ring.accept(jira(3, state="closed"))  # the echo
    ring.work()
    ring.accept(jira(4, state="open"))
    ring.work()
    assert ring.git.items["1"].fields["state"] == "open"
    ring.accept(jira(5, state="closed"))
    ring.work()
    assert ring.git.items["1"].fields["state"] == "closed"


def test_a_change_that_overtakes_an_echo_spends_it(ring: Office) -> None:
    ring.accept(event(2, title="Broken", change={"state": "closed"}))
    ring.work()
    # The echo was lost; what is seen next is a label, on an issue that has been opened again.
    ring.accept(event(3, connection="jira", issue=1, title="Broken", state="open", change={"priority": "High"}))
    ring.work()
    ring.accept(jira(4, state="closed"))
    ring.work()
    assert ring.git.items["1"].fields["state"] == "closed"


def test_a_comment_of_ours_is_not_copied_back(ring: Office) -> None:
    ours = Marker("test", "git", effect_key("bugs", "git:issue:1", "comment", "c1"))
    ring.change("back", comments=bugs().comments)
    ring.accept(comment(2, "hello", connection="jira", issue=1, marker=str(ours)))
    ring.work()
    assert ring.git.items["1"].comments == {}


def test_an_entity_that_came_from_there_is_not_created_there(office: Office) -> None:
    theirs = Marker("test", "jira", effect_key("back", "jira:issue:7", "create"))
    office.accept(event(1, Kind.ISSUE_CREATED, issue=5, title="Copy", marker=str(theirs)))
    office.work()
    assert office.did() == []
    assert office.outcome()[1].startswith("it came from jira")


def test_a_marker_of_another_instance_means_nothing_here(office: Office) -> None:
    staging = Marker("staging", "jira", effect_key("back", "jira:issue:7", "create"))
    office.accept(event(1, Kind.ISSUE_CREATED, issue=5, title="Copy", marker=str(staging)))
    office.work()
    assert office.did()[0] == "add issue WEB-1"


def test_the_two_halves_use_one_link(ring: Office) -> None:
    ring.accept(event(2, connection="jira", issue=1, title="Renamed", change={"title": "Renamed"}))
    ring.work()
    assert ring.git.items["1"].fields["title"] == "Renamed"
    assert len(ring.git.items) == 1


def test_an_echo_that_is_faster_than_its_settlement_takes_nothing_back(ring: Office) -> None:
    # A person has closed it meanwhile; the update of the title is made, and its webhook is here before we settle.
    ring.accept(event(2, title="Renamed", state="open", change={"title": "Renamed"}))
    ring.git.items["1"].fields |= {"title": "Renamed", "state": "closed"}

    def early(name: str) -> None:
        if name != "update":
            return
        ring.jira.before_call = lambda _: None
        ring.accept(event(3, connection="jira", issue=1, state="open", change={"title": "Renamed"}))
        held, ring.bells = ring.bells, [bell for bell in ring.bells if bell[0] == "back"]
        ring.work()
        ring.bells += held

    ring.jira.before_call = early
    ring.work()
    ring.later(2)
    assert ring.git.items["1"].fields["state"] == "closed"
    (row,) = ring.books(ring.config.connectors["back"]).settled()
    assert (row["outcome"], row["reason"], row["attempts"]) == ("skipped", "echo: our own change coming back", "0")


def test_two_halves_in_doubt_do_not_wait_for_each_other(ring: Office) -> None:
    ring.accept(jira(2, state="done"))
    ring.work()
    for fake in (ring.jira, ring.git):
        fake.breaks("update", lambda: Retryable("no answer", sent=True, cause="timeout"))
    ring.accept(event(2, title="Broken", change={"state": "new"}))

    def meanwhile(_name: str) -> None:
        # Both have looked at each other's books before either announces its update.
        ring.jira.before_call = lambda _: None
        ring.accept(event(3, connection="jira", issue=1, state="done", change={"title": "Renamed"}))
        ring.work()

    ring.jira.before_call = meanwhile
    ring.work()
    ring.later(20)
    ring.later(20)
    for name in ("bugs", "back"):
        assert ring.books(ring.config.connectors[name]).counts()["in_flight"] == 0
