"""Switch each protection off, and see the simulator notice within a few dozen histories.

What is switched is a piece of a shipped script or a part handed in from here; the product has no such switch.  A
protection whose absence nobody notices is either no protection or not tested.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from connector.system import Trust
from tests.simulator.history import play
from tests.simulator.judge import judge
from tests.simulator.stage import Broken
from tests.simulator.vendors import Armed
from tests.simulator.world import Spoils, World

SEEDS = 60
HOUR = 3_600_000


def _trusts(*_about: Any) -> Trust:
    return Trust.SIGNED


class Generous:
    """A limiter that grants everything."""

    def __init__(self, *_about: Any) -> None:
        self._mine: Any = None

    def take(self, _request: Any) -> None:
        """Grant it."""

    def learn(self, *_about: Any) -> None:
        """Forget it."""

    def give_back(self) -> None:
        """There is nothing to give back."""


@dataclass(frozen=True)
class Protection:
    """What is switched off, what it makes happen, and which moves it takes."""

    spoils: Spoils
    says: str
    often: Mapping[str, int] = field(default_factory=dict)


PROTECTIONS: dict[str, Protection] = {
    "signature": Protection(Spoils(verify=_trusts), "too many|missing|is not in Jira", {"forge": 12}),
    "dedupe": Protection(
        Spoils({"elseif known or (seen and not (revives and given_up)) then": "elseif false then"}),
        "accepted twice",
    ),
    "lease": Protection(
        Spoils(
            {
                "local owner = redis.call('HGET', k('own'), subject)\n  if not owner then": "local owner = nil\n  if not owner then"
            }
        ),
        "is read by|passed the fence|do not add up",
    ),
    "fencing": Protection(
        Spoils({"return redis.call('HGET', k('own'), subject) == turn and alive(turn)": "return true"}),
        "passed the fence",
        {"steal": 5},
    ),
    "intent": Protection(
        Spoils({"and ARGV[13] ~= '1' then": "and false then"}),
        "done twice",
        {"fault": 3},
    ),
    "sweeper": Protection(Spoils(scanner=False), "never becomes quiet", {"crash": 3}),
}


def broken(off: Protection) -> str:
    """Return what the first history that breaks a promise says; "" where none does."""
    for seed in range(1, SEEDS):
        try:
            world = play(seed, spoils=off.spoils, often=off.often)
        except Broken as error:
            return str(error)
        assert world.server.spoils.keys() == world.server.bitten, "the script does not say this any more"
    return ""


@pytest.mark.parametrize("name", PROTECTIONS)
def test_the_simulator_notices_a_protection_that_is_missing(name: str) -> None:
    said = broken(PROTECTIONS[name])
    assert said, f"without {name}, {SEEDS} histories kept every promise"
    assert any(word in said for word in PROTECTIONS[name].says.split("|")), said


# --- those that a short history seldom reaches ------------------------------------------------------------------


def always_failing(spoils: Spoils | None) -> World:
    """One issue that Jira never takes: how often is it tried?"""
    world = World(1, spoils=spoils)
    world.vendors.open()
    world.vendors.armed.append(
        Armed("500", "jira", -1, lambda request: request.method == "POST" and request.path.endswith("/issue"))
    )
    world.calm = True
    for _ in range(14):
        world.round()
        world.check()
        world.wait(15 * HOUR)
    return world


def pressed(spoils: Spoils | None) -> World:
    """Jira takes four calls a second, and so much happens at once that we would send more."""
    world = World(1, spoils=spoils, limits="{requests_per_second: 4}", rate=4)
    for _ in range(6):
        world.vendors.comment(world.vendors.open())
    world.calm = True
    for _ in range(150):
        world.round()
        world.check()
        world.wait(300)
    world.heal()
    judge(world)
    return world


def late_comment(spoils: Spoils | None) -> World:
    """A comment that the network holds for longer than the first retry waits."""
    world = World(1, spoils=spoils)
    number = world.vendors.open()
    world.heal()
    world.vendors.comment(number)
    world.vendors.armed.append(
        Armed("late", "jira", 1, lambda request: request.method == "POST" and request.path.endswith("/comment"))
    )
    world.round()
    world.vendors.landing[0].due = world.ms + 25_000
    for _ in range(20):
        world.wait(3_000)
        world.round()
        world.check()
    world.heal()
    judge(world)
    return world


ATTEMPTS = {
    "if not row[2].free then redis.call('HINCRBY', d, 'attempts', 1) end": "",
    "if name ~= 'free' then redis.call('HSET', d, name, value) end": "if name ~= 'free' and name ~= 'attempts' then redis.call('HSET', d, name, value) end",
}


@pytest.mark.parametrize(
    ("scene", "off", "says"),
    [
        (always_failing, Spoils(ATTEMPTS), "is still not dead"),
        (pressed, Spoils(limiter=Generous), "faster than it allows"),
        (late_comment, Spoils({"'deadline', now + tonumber(ARGV[11])": "'deadline', now"}), "done twice"),
    ],
    ids=["attempt cap", "token", "deadline"],
)
def test_the_simulator_notices_it_in_a_scene_made_for_it(
    scene: Callable[[Spoils | None], World], off: Spoils, says: str
) -> None:
    world = scene(None)
    assert world.outside("bugs").counts()["accepted"]
    with pytest.raises(Broken, match=says):
        scene(off)


def test_what_always_fails_ends_as_a_dead_letter() -> None:
    world = always_failing(None)
    (letter,) = world.outside("bugs").dead()
    assert letter.attempts == world.config().connectors["bugs"].attempts
    assert timedelta(0) < world.config().connectors["bugs"].poll_every
