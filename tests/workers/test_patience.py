"""A target that asks to wait for two hours costs no attempt, no call and no thread meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fakeredis import FakeRedis

from connector.errors import RateLimited, Scope
from connector.event import Kind
from tests.workers.office import MAPPING, Office, bugs, event
from workers.delivery import run_turn
from workers.outcome import OWN_PACE
from workers.scanner import scan

TWO_HOURS, MINUTE, SHORT = timedelta(hours=2), timedelta(minutes=1), timedelta(milliseconds=500)


@pytest.mark.parametrize(("scope", "subjects"), [(Scope.CONNECTION, 1000), (Scope.ENDPOINT, 150)])
def test_many_subjects_wait_for_two_hours_and_go_on(scope: Scope, subjects: int) -> None:
    office = Office(FakeRedis(), bugs(mapping=MAPPING[:1], relates=False))
    endpoint = "post" if scope is Scope.ENDPOINT else ""
    tries: list[RateLimited] = []

    def limited() -> RateLimited:
        tries.append(RateLimited("slow down", scope=scope, retry_after=TWO_HOURS, endpoint=endpoint))
        return tries[-1]

    office.jira.breaks("create", limited, times=-1)
    office.accept(*(event(1, Kind.ISSUE_CREATED, issue=number, title="x", state="open") for number in range(subjects)))
    office.work()
    asked = len(tries)
    assert asked == (1 if scope is Scope.CONNECTION else subjects), "a class is asked for once by each that needs it"
    for _ in range(7):
        assert office.later(1000) == [], "no turn begins while it waits"
        assert office.bells == []
    assert len(tries) == asked
    letters = office.store.waiting(most=subjects)
    assert len(letters) == subjects
    assert {letter.attempts for letter in letters} == {0}
    office.jira.faults.clear()
    office.desk.turn = timedelta(0)
    office.clock.move(300_000)
    scan(office.desk)
    for _ in range(60):
        # One subject a turn: that all of them arrive is told by other tests.
        if not office.bells:
            office.clock.move(21_000)
            scan(office.desk)
        run_turn(office.desk, *office.bells.pop(0))
    assert len(office.did()) >= 50
    office.check_accounts()


def test_a_connector_over_its_pace_keeps_the_turns_that_run_and_rings_for_no_more(office: Office) -> None:
    store = office.store
    pace = RateLimited("budget", scope=Scope.CONNECTION, retry_after=SHORT, status=None, cause=OWN_PACE)
    office.jira.breaks("create", lambda: pace)
    office.accept(*(event(1, Kind.ISSUE_CREATED, issue=number, title="x", state="open") for number in range(9)))
    (name, token), *others = office.bells
    office.bells.clear()
    assert len(others) == 3
    turn = run_turn(office.desk, name, token)
    assert (turn.ended, turn.delivered, turn.failed) == ("closed", 0, 0)
    assert office.bells == [], "there were too many turns"
    office.accept(event(1, Kind.ISSUE_CREATED, issue=99, title="x", state="open"))
    assert office.bells == [], "nor is what comes meanwhile rung for"
    assert run_turn(office.desk, *others[0]).delivered == 10, "those that run go on"
    assert store.counts()["in_flight"] == 0


def test_a_connector_over_its_pace_is_rung_for_when_there_is_room_again(office: Office) -> None:
    pace = RateLimited("budget", scope=Scope.CONNECTION, retry_after=SHORT, status=None, cause=OWN_PACE)
    office.jira.breaks("create", lambda: pace)
    office.accept(event(1, Kind.ISSUE_CREATED, issue=1, title="x", state="open"))
    office.work()
    assert office.did() == []
    assert office.later(0.4) == []
    assert [turn.delivered for turn in office.later(0.2)] == [1]


def test_a_backfill_that_has_had_its_part_keeps_no_live_event_waiting(office: Office) -> None:
    pace = RateLimited("budget", scope=Scope.CONNECTION, retry_after=MINUTE, status=None, cause=OWN_PACE)
    bulk = [event(1, Kind.ISSUE_CREATED, issue=number, title="old", state="open") for number in range(5)]
    office.inbox.accept_for(office.config.connectors["bugs"], bulk, lane="backfill")
    office.jira.breaks("create", lambda: pace)
    office.work()
    assert office.did() == []
    assert office.later(1) == [], "nothing but the backfill waits: no bell rings for it"
    office.accept(event(1, Kind.ISSUE_CREATED, issue=99, title="new", state="open"))
    assert [turn.delivered for turn in office.work()] == [1], "and the backfill is still left alone"
    assert {letter.attempts for letter in office.store.waiting()} == {0}
    assert sum(turn.delivered for turn in office.later(60)) == 5
