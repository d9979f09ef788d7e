"""A worker may die at any point of an attempt: whoever comes after it leaves exactly one effect of each kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer

from connector.config import Connector, Message
from connector.event import Event, Kind
from tests.workers.office import CREATED, NEW, Office, bugs, comment, event
from workers.delivery import run_turn
from workers.stores.deliveries import Deliveries


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

    def _run(self, name: str, *arguments: Any) -> Any:
        self.fuse(name)
        got = super()._run(name, *arguments)
        self.fuse(name)
        return got


class Mortal(Office):
    """An office whose worker can be killed."""

    def __init__(self, *connectors: Connector) -> None:
        self.fuse = Fuse()
        super().__init__(FakeRedis(server=FakeServer(server_type="valkey")), *connectors)
        self.jira.before_call = self.fuse

    def books(self, connector: Connector) -> Deliveries:
        made = Fused(self.client, connector.uid, pace=self.pace, clock=self.clock)
        made.fuse = self.fuse
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
            self.fuse.left, self.fuse.blown = -1, False


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
            _, _, bells = mortal.store.scan()
            mortal.ring(bugs(), bells)
            if mortal.bells:
                mortal.die_after(second)
            mortal.later(60)
            mortal.settle_down()
            assert sorted(mortal.did()) == sorted(NEW), (first, second)


def test_what_kills_every_worker_becomes_a_dead_letter() -> None:
    mortal = Mortal()

    def kill(what: str) -> None:
        mortal.fuse.left = 0 if what == "create" else -1
        mortal.fuse(what)

    mortal.jira.before_call = kill
    mortal.accept(CREATED)
    deaths = 0
    for _ in range(12):
        try:
            mortal.later(60)
        except Killed:
            deaths += 1
            mortal.fuse.left, mortal.fuse.blown = -1, False
    assert deaths == mortal.pace.crashes
    assert [one.fields["cause"] for one in mortal.store.dead()] == ["worker_crash"]
    mortal.check_accounts()
