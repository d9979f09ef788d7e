"""Climb the long ladders, which cost nothing where time is simulated: real leases, real lags, waits of hours."""

from __future__ import annotations

from collections import Counter

import pytest

from connector.ports import Request
from tests.simulator.judge import judge
from tests.simulator.vendors import Armed
from tests.simulator.world import SLOT, World

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000


def creates(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/issue")


def world_of(**jira: int) -> World:
    """Return a world in which nothing goes wrong by itself, and one issue waits on GitHub."""
    from datetime import timedelta

    world = World(1, index_lag=timedelta(seconds=jira.get("lag", 0)))
    world.calm = True
    world.vendors.open()
    return world


def strike(world: World, kind: str, *, retry_after: int | None = None) -> None:
    world.vendors.armed.append(Armed(kind, "jira", 1, creates, retry_after))


def issues(world: World) -> int:
    return len(world.vendors.issues())


def creations(world: World) -> int:
    return sum(one.action == "add_issue" for one in world.vendors.benches["jira"].sandbox.ledger.effects)


def test_a_create_of_unknown_outcome_waits_out_an_index_that_lags_for_ninety_seconds() -> None:
    world = world_of(lag=90)
    strike(world, "apply_drop")
    for _ in range(40):
        world.round()
        world.wait(5 * SECOND)
    world.heal()
    assert creations(world) == 1
    judge(world)


def test_what_never_landed_is_sent_again_once_the_index_must_show_it() -> None:
    world = world_of(lag=90)
    strike(world, "drop")
    sent: list[float] = []
    for _ in range(60):
        world.round()
        sent += [world.ms] if issues(world) and not sent else []
        world.wait(5 * SECOND)
    assert creations(world) == 1
    began = world.ms - 60 * 5 * SECOND
    assert sent[0] - began > 90 * SECOND
    world.heal()
    judge(world)


@pytest.mark.parametrize("seed", range(12))
def test_what_lands_up_to_thirty_seconds_late_is_not_doubled(seed: int) -> None:
    world = world_of(lag=90 if seed % 2 else 0)
    world.dice.seed(seed)
    strike(world, "late")
    for _ in range(30):
        world.round()
        world.check()
        world.wait(3 * SECOND)
    world.heal()
    world.check()
    assert creations(world) == 1
    judge(world)


def test_what_lands_after_everybody_has_looked_is_doubled_and_counted() -> None:
    # No client can exclude this one; it must not be hidden as something else.
    world = world_of()
    strike(world, "too_late")
    world.round()
    world.vendors.landing[0].due = world.ms + HOUR
    for _ in range(30):
        world.round()
        world.wait(10 * SECOND)
    assert creations(world) == 1
    world.wait(HOUR)
    assert creations(world) == 2
    assert len(world.vendors.landed_late) == 1
    world.check()


def test_a_wait_of_two_hours_costs_no_attempt_no_call_and_no_thread() -> None:
    world = world_of()
    strike(world, "429", retry_after=7200)
    world.round()
    assert world.vendors.struck == ["429"]
    calls = len(world.vendors.benches["jira"].transport.sent)
    before = Counter(world.witness.ran)
    for _ in range(11):
        world.wait(10 * MINUTE)
        world.scan(0)
        world.finish()
        assert not any(process.stage.threads for process in world.processes)
        assert not world.bells
    assert len(world.vendors.benches["jira"].transport.sent) == calls
    assert not world.witness.ran["begin"] - before["begin"]
    assert not world.witness.failures
    world.wait(10 * MINUTE)
    world.heal()
    assert issues(world) == 1
    judge(world)


@pytest.mark.parametrize("steps", range(2, 40, 3))
def test_a_worker_frozen_past_its_lease_at_any_step_settles_nothing_when_it_thaws(steps: int) -> None:
    world = world_of()
    world.carry(0, 0)
    world.finish()
    world.answer(0, 0)
    world.go(0, steps)
    world.freeze(0, SLOT + 10 * MINUTE)
    world.wait(SLOT + SECOND)
    for _ in range(30):
        world.scan(1)
        world.finish()
        for _ in range(len(world.bells)):
            world.answer(0, 1)
        world.finish()
        world.wait(10 * SECOND)
    assert creations(world) == 1
    world.wait(10 * MINUTE)
    world.heal()
    world.check()
    assert creations(world) == 1
    judge(world)
    assert world.witness.ran["settle"]
