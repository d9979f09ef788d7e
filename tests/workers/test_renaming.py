"""A renamed connector stays the same one; one that goes leaves what it has, and finds it when it comes back."""

from __future__ import annotations

import pytest
from redis import Redis

from connector.config import Connector
from connector.errors import Rejected
from tests.workers.office import CREATED, NEW, Office, bugs, comment, event
from tests.workers.operating.test_letters import found, refuse
from workers.operating import acting
from workers.operating.acting import Actor
from workers.operating.care import Care, Stage, care_of, take, told
from workers.operating.letters import grouped
from workers.scanner import carry_on


def renamed(**more: object) -> Connector:
    return bugs(name="defects", uid="bugs", formerly=("bugs",), **more)


@pytest.fixture
def office(redis_client: Redis) -> Office:
    return Office(redis_client, bugs(attempts=1))


def test_what_waits_during_a_rename_is_delivered_once(office: Office) -> None:
    office.accept(CREATED, comment(2, "first"))
    assert office.bells[0][0] == "bugs"
    office.declare(renamed())
    # The bell was rung by the former name, and is answered at once.
    office.work()
    assert [one for one in office.did() if "comment" not in one] == NEW
    assert len([one for one in office.did() if "comment" in one]) == 1
    office.check_accounts()
    assert office.store.counts()["delivered"] == 2


def test_a_bell_that_nobody_answers_by_the_former_name_is_rung_by_the_new_one(office: Office) -> None:
    office.accept(CREATED)
    office.bells.clear()  # its queue is served by nobody any more
    office.declare(renamed())
    office.later(60)
    assert office.did() == NEW


def test_links_stay_so_that_nothing_is_made_anew(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    office.declare(renamed())
    # What its source sends once more is known too.
    assert office.accept(CREATED) == ["duplicate"]
    office.accept(event(5, title="Changed", state="open", change={"title": "Changed"}))
    office.work()
    assert office.did() == [*NEW, "set WEB-1"]
    link = office.store.link(CREATED.entity.ref)
    assert link is not None
    assert link.key == "WEB-1"


def test_the_place_of_the_poll_stays(office: Office) -> None:
    office.store.enter()
    office.store.set_cursor("poll", {"since": "2027-01-15T08:00:00+00:00"})
    begun = office.store.activated()
    office.declare(renamed())
    office.clock.move(60_000)
    office.store.enter()
    assert office.store.cursor("poll") == {"since": "2027-01-15T08:00:00+00:00"}
    assert office.store.activated() == begun > 0


def test_dead_letters_stay_with_their_groups_and_who_cares_for_them(office: Office) -> None:
    refuse(office, "a", "b")
    (group,) = grouped(found(office))
    take(office.desk, office.config.connectors["bugs"], group.name, Care(Stage.ACKNOWLEDGED, "ada"), Actor("ada"))
    office.declare(renamed(attempts=1))
    letters = found(office)
    (after,) = grouped(letters)
    assert (after.name, after.count, after.connector) == (group.name, 2, "defects")
    assert told(care_of(office.store), after).assignee == "ada"
    acting.replay(
        office.desk, office.config.connectors["defects"], letters, Actor("ada"), order="o1", rate=100, reason="mended"
    )
    for _ in range(3):
        office.clock.move(1000)
        carry_on(office.desk)
        office.work()
    assert len([one for one in office.did() if one.startswith("add issue")]) == 2
    assert office.store.counts()["dead"] == 0


def test_what_is_held_stays_held_behind_its_gate(office: Office) -> None:
    office.declare(bugs(on_dead="block", attempts=1))
    office.jira.breaks("create", lambda: Rejected("no", status=400), times=1)
    office.accept(CREATED)
    office.work()
    office.accept(event(5, title="Changed", state="open"))
    office.work()
    (gate,) = office.store.gates()
    office.declare(renamed(on_dead="block", attempts=1))
    assert list(office.store.gates()) == [gate]
    acting.discard(office.desk, office.config.connectors["defects"], [gate.removeprefix("dead-")], Actor("ada"), "no")
    office.work()
    assert office.store.counts()["in_flight"] == 0


def test_one_that_goes_leaves_what_it_has_and_finds_it_when_it_is_declared_again(office: Office) -> None:
    office.accept(CREATED, event(2, issue=2, title="Other", state="open"))
    office.declare(bugs(name="other"))
    office.work()
    office.later(3600)
    assert office.did() == []
    assert office.books(bugs()).counts()["in_flight"] == 2
    # New events are nobody's; nothing is doubled by what comes in meanwhile for others.
    office.declare(bugs(), bugs(name="other", uid="other"))
    office.later(60)
    office.work()
    assert office.books(bugs()).counts()["delivered"] == 2
    assert len([one for one in office.did() if one.startswith("add issue")]) == 2


def test_a_turn_that_runs_while_its_connector_goes_ends_after_what_it_is_at(office: Office) -> None:
    office.accept(CREATED, event(2, issue=2, title="Other", state="open"))
    first = True

    def goes(on: str) -> None:
        nonlocal first
        if on == "create" and first:
            first = False
            office.declare(bugs(name="other"))

    office.jira.before_call = goes  # the moment at which it is removed
    office.work()
    books = office.books(bugs())
    assert books.counts()["delivered"] == 1
    assert books.counts()["in_flight"] == 1
    office.declare(bugs())
    office.later(60)
    assert books.counts()["delivered"] == 2
    assert len([one for one in office.did() if one.startswith("add issue")]) == 2
