"""A backlog is created with few calls, and each delivery still ends as it would have alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest
from fakeredis import FakeRedis, FakeServer

from connector.config import Connector, Mode
from connector.errors import ConnectorError, RateLimited, Rejected, Retryable, Scope, Unauthorized
from connector.event import Event, Kind
from tests.workers.office import Office, bugs, comment, event
from tests.workers.test_crashes import Killed, Mortal
from workers.together import GROUP

MANY = 12
AnyOffice = TypeVar("AnyOffice", bound=Office)


def issue(number: int, title: str = "") -> Event:
    return event(1, Kind.ISSUE_CREATED, issue=number, title=title or f"Issue {number}", state="open")


def able(office: AnyOffice) -> AnyOffice:
    """Let the target take many creates at once."""
    office.jira.many = 50
    office.systems["jira"] = office.jira.system()
    return office


def an_office(*connectors: Connector) -> Office:
    """On the fake alone: the scripts have tests of their own on a real server."""
    return Office(FakeRedis(server=FakeServer(server_type="valkey")), *connectors)


@pytest.fixture
def office() -> Office:
    return able(an_office(bugs(concurrency=1)))


def backfill(office: Office, *events: Event) -> None:
    for got in office.inbox.accept(events, lane="backfill").values():
        assert got.outcomes


def fill(office: Office, count: int = MANY) -> None:
    backfill(office, *(issue(number) for number in range(count)))


def made(office: Office) -> list[str]:
    return sorted(item.fields["Summary"] for item in office.jira.items.values())


def wanted(count: int = MANY) -> list[str]:
    return sorted(f"Issue {number}" for number in range(count))


# --- when ------------------------------------------------------------------------------------------------
def test_a_backlog_is_created_with_few_calls(office: Office) -> None:
    fill(office, 1 + 2 * GROUP + 3)
    office.work()
    assert office.jira.sizes == [GROUP, GROUP, 3], "the first is claimed before anybody knows that there are more"
    assert made(office) == wanted(1 + 2 * GROUP + 3)
    assert office.store.counts()["delivered"] == 1 + 2 * GROUP + 3
    assert office.jira.ledger.duplicates() == []
    for item in office.jira.items.values():
        assert item.fields["Status"] == "open"
        assert len(item.relations) == 1
    office.check_accounts()


def test_live_events_go_one_by_one(office: Office) -> None:
    office.accept(*(issue(number) for number in range(MANY)))
    office.work()
    assert office.jira.sizes == []
    assert made(office) == wanted()


def test_a_backlog_goes_one_by_one_while_live_events_wait(office: Office) -> None:
    """Every claim of a group would be one in which nothing live is served."""
    fill(office)
    office.accept(*(issue(number) for number in range(100, 140)))
    seen: list[int] = []
    office.jira.before_call = lambda what: seen.append(len(office.jira.items)) if what == "create_many" else None
    office.work()
    assert min(seen) >= 40
    assert len(office.jira.items) == 40 + MANY


@pytest.mark.parametrize(
    "connector",
    [bugs(concurrency=1, mode=Mode.SHADOW), bugs(concurrency=1, creates=False)],
    ids=["shadow", "creates nothing"],
)
def test_who_creates_nothing_takes_one_at_a_time(connector: Connector) -> None:
    office = able(an_office(connector))
    fill(office)
    office.work()
    assert office.jira.sizes == []
    assert office.store.counts()["skipped"] == MANY


def test_a_system_without_such_a_call_takes_one_at_a_time() -> None:
    office = an_office(bugs(concurrency=1))
    fill(office)
    office.work()
    assert made(office) == wanted()
    assert office.jira.sizes == []


def test_what_is_no_create_goes_its_own_way(office: Office) -> None:
    backfill(office, issue(1), issue(2))
    office.work()
    backfill(
        office,
        issue(3),
        event(5, issue=1, title="Changed", state="closed"),
        issue(4),
        comment(6, "hello", issue=2, title="Issue 2", state="open"),
        issue(5),
    )
    office.work()
    assert made(office) == ["Changed", "Issue 2", "Issue 3", "Issue 4", "Issue 5"]
    assert office.jira.items["2"].comments
    assert office.store.counts()["delivered"] == 7


# --- failures --------------------------------------------------------------------------------------------
def test_one_that_is_refused_is_that_ones_dead_letter_only(office: Office) -> None:
    office.jira.breaks("create", lambda: Rejected("no such thing", status=400), only="Issue 7", times=-1)
    fill(office)
    office.work()
    assert made(office) == [name for name in wanted() if name != "Issue 7"]
    (dead,) = office.store.dead()
    assert dead.fields["message"] == "no such thing"
    assert office.store.effect(dead.fields["effect"]) == {}, "it was refused, so a replay need not look"
    office.check_accounts()


def test_one_of_unknown_outcome_is_looked_up_alone(office: Office) -> None:
    office.jira.breaks("create", lambda: Retryable("gone", sent=True), only="Issue 7", after=True)
    fill(office)
    office.work()
    assert office.store.counts()["delivered"] == MANY - 1
    office.settle_down()
    assert made(office) == wanted()
    assert office.jira.ledger.duplicates() == []


@pytest.mark.parametrize("lag", [0, 90])
@pytest.mark.parametrize("after", [False, True], ids=["nothing was made", "all was made"])
def test_a_call_of_unknown_outcome_is_looked_up_for_each(office: Office, lag: int, *, after: bool) -> None:
    office.jira.lag = timedelta(seconds=lag)
    office.jira.breaks("create_many", lambda: Retryable("cut", sent=True), after=after)
    fill(office)
    office.work()
    office.settle_down()
    assert made(office) == wanted()
    assert office.jira.ledger.duplicates() == []
    assert office.store.counts()["delivered"] == MANY


@pytest.mark.parametrize(
    "error",
    [
        lambda: RateLimited("slow down", scope=Scope.CONNECTION, retry_after=timedelta(seconds=30), status=429),
        lambda: Retryable("nobody there", sent=False),
        lambda: Unauthorized("expired", status=401),
        lambda: Rejected("too large", status=413),
    ],
    ids=["limited", "away", "credential", "not like this"],
)
def test_a_call_that_was_refused_leaves_nothing_to_look_up(office: Office, error: Callable[[], ConnectorError]) -> None:
    office.jira.breaks("create_many", error)
    looked: list[str] = []
    office.jira.before_call = lambda what: looked.append(what) if what == "look_up" else None
    fill(office)
    office.work()
    office.settle_down()
    assert made(office) == wanted()
    assert looked == []
    assert office.store.counts()["delivered"] == MANY
    assert office.store.counts()["dead"] == 0


def test_a_bug_in_it_kills_no_turn_and_doubles_nothing(office: Office) -> None:
    def bug() -> ConnectorError:
        raise ZeroDivisionError

    office.jira.breaks("create_many", bug, after=True)
    fill(office)
    office.work()
    office.settle_down()
    assert made(office) == wanted()
    assert office.jira.ledger.duplicates() == []


def test_a_plan_that_fails_is_that_deliverys_failure_only(office: Office) -> None:
    office.jira.breaks("shape", lambda: Rejected("cannot be", status=400), times=-1)
    backfill(office, issue(1))
    office.work()
    office.jira.faults.clear()
    backfill(office, issue(2), *(issue(number, title="impossible") for number in (3, 4)), issue(5), issue(6))
    office.work()
    assert made(office) == ["Issue 2", "Issue 5", "Issue 6"]
    assert office.store.counts()["dead"] == 3


def test_a_turn_that_ends_in_between_leaves_the_rest_to_the_next(office: Office) -> None:
    """What was made for them is in the books already."""
    fill(office)
    stopped = False

    def stop(what: str) -> None:
        nonlocal stopped
        stopped = stopped or what == "relate"

    office.jira.before_call = stop
    office.desk.stopping = lambda: stopped and len(office.jira.sizes) == 1
    turns = office.work_once()
    assert turns.ended
    assert office.jira.sizes == [MANY - 1]
    assert office.store.counts()["delivered"] < MANY - 1
    office.desk.stopping = bool
    looked: list[str] = []
    office.jira.before_call = looked.append
    office.later(60)
    office.settle_down()
    assert made(office) == wanted()
    assert {"create", "look_up"}.isdisjoint(looked), "everything is known to be made"
    assert office.jira.ledger.duplicates() == []


# --- crashes ---------------------------------------------------------------------------------------------
def test_a_death_at_any_point_creates_each_once() -> None:
    def ready() -> Mortal:
        mortal = Mortal(bugs(concurrency=1))
        able(mortal)
        fill(mortal, 3)
        mortal.fuse.points = 0
        return mortal

    whole = ready()
    whole.work()
    assert whole.jira.sizes == [2]
    deaths = 0
    for point in range(whole.fuse.points):
        mortal = ready()
        if not mortal.die_after(point):
            break
        deaths += 1
        mortal.later(60)
        mortal.settle_down()
        assert made(mortal) == wanted(3), point
        assert mortal.jira.ledger.duplicates() == [], point
        assert mortal.store.counts()["delivered"] == 3, point
        assert all(item.fields["Status"] == "open" for item in mortal.jira.items.values()), point
        mortal.check_accounts()
    assert deaths > 30


def test_what_a_worker_died_of_is_never_in_a_group_again() -> None:
    """Or everything that was beside it would die with it."""
    mortal = able(Mortal(bugs(concurrency=1)))
    backfill(mortal, *(replace(issue(number), partial=number == 9) for number in range(MANY)))

    def kill() -> BaseException:
        mortal.fuse.blown = True
        return Killed()

    mortal.git.breaks("complete", kill, only="git:issue:9", times=-1)
    for _ in range(40):
        mortal.fuse.blown = False
        try:
            mortal.later(60)
        except Killed:
            continue
    mortal.fuse.blown = False
    assert made(mortal) == [name for name in wanted() if name != "Issue 9"]
    assert [one.fields["cause"] for one in mortal.store.dead()] == ["worker_crash"]


def test_an_overtaken_turn_writes_nothing_down(office: Office) -> None:
    """It stood still while the call was out; another took over all that it held."""
    fill(office, 4)
    done = False

    def freeze(what: str) -> None:
        nonlocal done
        if what == "create_many" and not done:
            done = True
            office.clock.move(50_000)
            office.store.scan()

    office.jira.before_call = freeze
    office.work()
    office.later(60)
    office.settle_down()
    assert made(office) == wanted(4)
    assert office.jira.ledger.duplicates() == []
    assert office.store.tally()["overtaken"] >= 1
