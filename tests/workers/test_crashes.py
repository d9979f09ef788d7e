"""A worker may die at any point of an attempt: whoever comes after it leaves exactly one effect of each kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer

from connector.config import Connector, Message
from connector.errors import Retryable
from connector.event import Event, Kind
from tests.workers.office import CREATED, NEW, Office, bugs, comment, event
from workers.delivery import run_turn
from workers.scanner import scan
from workers.stores.deliveries import Deliveries
from workers.stores.scripts import Command, StoreError
from workers.turns import Turns


class Killed(BaseException):
    """The process is gone: SIGKILL, the memory killer, a power cut."""


class Fuse:
    """Counts what the engine asks of the store and of the target, and ends the process at the n-th."""

    def __init__(self) -> None:
        self.left = -1
        """How many more points are passed; -1: it never blows."""
        self.points = 0
        self.blown = False

    def __call__(self, _what: str) -> None:
        if self.blown:
            raise Killed  # a dead process does nothing more, not even in a finally
        self.points += 1
        if self.left == 0:
            self.blown = True
            raise Killed
        self.left -= 1


class Fused(Deliveries):
    """Books that a process may die before or after writing to."""

    fuse: Callable[[str], None]
    lost: Callable[[], bool]

    def _run(self, name: str, *arguments: Any) -> Any:
        self.fuse(name)
        if self.lost():
            raise StoreError(f"no answer to {name}")
        got = super()._run(name, *arguments)
        self.fuse(name)
        return got

    def _run_beside(self, name: str, commands: Sequence[Command], *arguments: Any) -> tuple[Any, list[Any]]:
        self.fuse(name)
        got = super()._run_beside(name, commands, *arguments)
        self.fuse(name)
        return got


class Mortal(Office):
    """An office whose worker can be killed."""

    def __init__(self, *connectors: Connector) -> None:
        self.fuse = Fuse()
        self.away = False
        """Whether the store does not answer."""
        super().__init__(FakeRedis(server=FakeServer(server_type="valkey")), *connectors)
        self.jira.before_call = self.fuse

    def books(self, connector: Connector) -> Deliveries:
        made = Fused(self.client, connector.uid, pace=self.pace, clock=self.clock)
        made.fuse, made.lost = self.fuse, self.is_lost
        return made

    def die_after(self, points: int) -> bool:
        """Answer one bell and die after so many points; False when the turn ended before that."""
        self.fuse.left = points
        name, token = self.bells.pop(0)
        try:
            run_turn(self.desk, name, token)
        except Killed:
            return True
        else:
            return False
        finally:
            self.rises_again()

    def is_lost(self) -> bool:
        return self.away

    def killed(self) -> Killed:
        """End this process here and now."""
        self.fuse.blown = True
        return Killed()

    def rises_again(self) -> None:
        """Be the process that comes after a dead one: it knows nothing of that one's turns."""
        self.fuse.left, self.fuse.blown = -1, False
        self.desk.turns = Turns()


STORIES: dict[str, tuple[Event, ...]] = {
    "create, then its status, then its relation": (CREATED,),
    "create and comment": (CREATED, comment(2, "hello")),
    "a comment on an issue that is not linked yet": (comment(2, "hello", state="open"),),
    "states and comments": (
        CREATED,
        comment(2, "one"),
        event(3, title="New", state="closed"),
        comment(4, "two", sub="c2"),
    ),
}


def story(events: tuple[Event, ...], connector: Connector, setting: Callable[[Mortal], None] = lambda _: None) -> None:
    """Tell a story with a death at each of its points; the end must always be the same."""
    whole = Mortal(connector)
    setting(whole)
    whole.accept(*events)
    whole.work()
    whole.settle_down()
    wanted, wanted_fields = sorted(whole.did()), whole.jira.items["1"].fields
    assert whole.fuse.points > 20
    deaths = 0
    for point in range(whole.fuse.points):
        mortal = Mortal(connector)
        setting(mortal)
        mortal.accept(*events)
        mortal.fuse.points = 0
        if not mortal.die_after(point):
            break
        deaths += 1
        mortal.later(60)
        mortal.settle_down()
        where = f"after a death at point {point}"
        assert sorted(mortal.did()) == wanted, where
        assert mortal.jira.ledger.duplicates() == [], where
        assert mortal.jira.items["1"].fields == wanted_fields, where
        counts = mortal.store.counts()
        assert counts["delivered"] == counts["accepted"] == len(events), where
        link = mortal.store.link("git:issue:1")
        assert link is not None, where
        assert link.target == "jira:issue:1", where
        assert link.base == wanted_fields, where
        assert "unfinished" not in link.extra, where
        mortal.check_accounts()
    assert deaths > 15


@pytest.mark.parametrize("events", STORIES.values(), ids=list(STORIES))
def test_a_death_at_any_point_leaves_one_effect_of_each(events: tuple[Event, ...]) -> None:
    story(events, bugs())


def test_a_death_at_any_point_is_survived_on_an_eventual_look_up() -> None:
    def lagging(office: Mortal) -> None:
        office.jira.lag = timedelta(seconds=90)

    story((CREATED, comment(2, "hello")), bugs(), lagging)


def test_a_death_at_any_point_doubles_no_message() -> None:
    message = Message(frozenset({Kind.ISSUE_CREATED, Kind.ISSUE_UPDATED}), "{{ state }}")
    story((CREATED, event(2, title="Broken", state="closed")), bugs(messages=(message,)))


def test_two_deaths_in_a_row_are_survived() -> None:
    whole = Mortal()
    whole.accept(CREATED)
    whole.work()
    for first in range(0, whole.fuse.points, 2):
        for second in range(0, whole.fuse.points, 3):
            mortal = Mortal()
            mortal.accept(CREATED)
            mortal.die_after(first)
            mortal.clock.move(60_000)
            mortal.ring(bugs(), mortal.store.scan().bells)
            if mortal.bells:
                mortal.die_after(second)
            mortal.later(60)
            mortal.settle_down()
            assert sorted(mortal.did()) == sorted(NEW), (first, second)


def survived(mortal: Mortal, seconds: float = 60) -> int:
    """Let time pass; returns how many processes it took."""
    deaths = 0
    for _ in range(40):
        try:
            mortal.later(seconds)
        except Killed:
            deaths += 1
            mortal.rises_again()
        else:
            if not mortal.store.counts()["in_flight"]:
                return deaths
    raise AssertionError("it never comes to rest")


def test_what_kills_every_process_becomes_a_dead_letter_and_its_neighbours_arrive() -> None:
    mortal = Mortal(bugs(concurrency=1))
    mortal.jira.breaks("create", mortal.killed, only="Poison", times=-1)
    mortal.accept(*(event(1, Kind.ISSUE_CREATED, issue=n, title="Poison" if n == 2 else f"T{n}") for n in range(5)))
    mortal.accept(comment(2, "behind", issue=2), comment(3, "hello", issue=3))
    deaths = survived(mortal)
    assert deaths == 1 + mortal.pace.crashes, "one worker, and then only the quarantine"
    (dead,) = mortal.store.dead()
    assert (dead.entity, dead.fields["cause"]) == ("git:issue:2", "worker_crash")
    assert "worked on nothing else" in dead.fields["message"]
    assert [delivery for delivery, _ in mortal.alerts] == [dead.id]
    assert mortal.store.counts()["delivered"] == 6, "its mailbox goes on"
    assert mortal.jira.ledger.duplicates() == []
    mortal.check_accounts()


def test_a_hundred_killed_workers_make_no_dead_letter() -> None:
    mortal = Mortal()
    mortal.accept(CREATED, *(comment(n, f"say {n}", sub=f"c{n}") for n in range(2, 40)))
    rounds = 100
    for kill in range(100):
        while not mortal.bells:
            rounds += 1
            mortal.later(30)  # what the last one worked on is tried alone, and survives
            mortal.accept(*(comment(rounds, "more", sub=f"k{rounds}-{n}") for n in range(2)))
        mortal.die_after(kill % 7)
    mortal.settle_down()
    assert mortal.store.counts()["dead"] == 0
    assert mortal.store.counts()["delivered"] == mortal.store.counts()["accepted"] >= 39
    assert mortal.jira.ledger.duplicates() == []


def test_a_letter_that_kills_now_and_then_gets_its_chances_back_when_it_survives() -> None:
    mortal = Mortal()
    mortal.accept(CREATED)
    for _ in range(3):
        mortal.jira.breaks("create", mortal.killed, times=mortal.pace.crashes - 1)
        mortal.jira.breaks("create", lambda: Retryable("502", sent=True, status=502))
    assert survived(mortal, 3600) == 3 * (mortal.pace.crashes - 1)
    assert mortal.store.counts()["dead"] == 0
    assert mortal.store.counts()["delivered"] == 1


def test_a_replayed_killer_is_tried_in_quarantine_only() -> None:
    mortal = Mortal()
    mortal.jira.breaks("create", mortal.killed, times=1 + mortal.pace.crashes)
    mortal.accept(CREATED)
    survived(mortal)
    (dead,) = mortal.store.dead()
    _, bells = mortal.store.replay([dead.id], "{}")
    mortal.ring(bugs(), bells)
    mortal.work()
    assert mortal.store.backlog()["suspect"] == 1
    mortal.later(1)
    assert mortal.store.counts()["delivered"] == 1


def test_only_a_death_accuses_and_not_a_store_that_went_away() -> None:
    mortal = Mortal()
    mortal.accept(CREATED)
    name, token = mortal.bells.pop()

    def leave(_what: str) -> None:
        mortal.away = True

    mortal.jira.before_call = leave
    with pytest.raises(StoreError):
        run_turn(mortal.desk, name, token)
    mortal.away = False
    mortal.jira.before_call = lambda _what: None
    scan(mortal.desk)
    mortal.clock.move(mortal.pace.slot + 1)
    scan(mortal.desk)
    assert mortal.store.backlog()["suspect"] == 0
    mortal.work()
    mortal.later(60)
    assert mortal.store.counts()["delivered"] == 1
    assert sorted(mortal.did()) == sorted(NEW)
