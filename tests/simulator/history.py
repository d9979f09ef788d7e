"""Play one history by its seed, or many; a seed that breaks something is printed and plays the same again.

python -m tests.simulator.history --number 20000 --seed 1
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from random import Random

from tests.simulator.judge import judge
from tests.simulator.stage import Broken
from tests.simulator.vendors import KINDS
from tests.simulator.world import Spoils, World

Move = Callable[[World, Random], None]


def _some(rnd: Random) -> int:
    return rnd.randrange(1000)


def _people(world: World, rnd: Random) -> None:
    # At least a second: GitHub tells times to the second, and what is changed twice within one is told apart by
    # webhooks only.
    world.wait(rnd.choice((1000, 1100, 5000)))
    if world.vendors.titles and rnd.random() < 0.8:
        number = rnd.choice(sorted(world.vendors.titles))
        deeds: list[Callable[[], object]] = [
            lambda: world.vendors.rename(number),
            lambda: world.vendors.flip(number),
            lambda: world.vendors.comment(number),
            lambda: world.vendors.comment(number),
            lambda: world.vendors.edit_comment(_some(rnd)),
            lambda: world.vendors.say_in_jira(_some(rnd)),
        ]
        if world.town == "ring":
            deeds.append(lambda: world.vendors.move_in_jira(_some(rnd)))
        rnd.choice(deeds)()
    else:
        world.vendors.open()


def _fault(world: World, rnd: Random) -> None:
    world.arm(rnd.choice(KINDS), rnd.choice(("git", "jira", "jira", "chat")), writes=rnd.random() < 0.7)


def _lose_answers(world: World, rnd: Random) -> None:
    world.lost_answers = rnd.randint(1, 3)


def _forge(world: World, rnd: Random) -> None:
    if world.vendors.titles:
        world.vendors.forge(rnd.choice(sorted(world.vendors.titles)))


MOVES: dict[str, tuple[int, Move]] = {
    "people": (12, _people),
    "carry": (14, lambda world, rnd: world.carry(_some(rnd), _some(rnd), keep=rnd.random() < 0.15)),
    "lose": (2, lambda world, rnd: world.lose(_some(rnd))),
    "answer": (16, lambda world, rnd: world.answer(_some(rnd), _some(rnd), keep=rnd.random() < 0.1)),
    "lose bell": (2, lambda world, rnd: world.lose_bell(_some(rnd))),
    "go": (60, lambda world, rnd: world.go(_some(rnd), rnd.choice((1, 2, 5, 15, 40)))),
    "wait": (5, lambda world, rnd: world.wait(rnd.choice((50, 1000, 6000, 35_000)))),
    "scan": (5, lambda world, rnd: world.scan(_some(rnd))),
    "poll": (3, lambda world, rnd: world.poll(_some(rnd), _some(rnd))),
    "crash": (3, lambda world, rnd: world.crash(_some(rnd))),
    "freeze": (2, lambda world, rnd: world.freeze(_some(rnd), rnd.choice((2_000, 40_000, 100_000)))),
    "expire": (1, lambda world, _rnd: world.expire()),
    "steal": (2, lambda world, rnd: world.steal(_some(rnd))),
    "jump": (1, lambda world, rnd: world.jump(rnd.choice((-20_000, -2_000, 2_000, 20_000, 50_000)))),
    "fault": (8, _fault),
    "lost answer": (3, _lose_answers),
    "replay": (1, lambda world, _rnd: world.replay()),
    "reload": (2, lambda world, rnd: world.reload(_some(rnd), _some(rnd))),
    "forge": (1, _forge),
}


def play(
    seed: int,
    *,
    moves: int = 60,
    spoils: Spoils | None = None,
    often: Mapping[str, int] | None = None,
    told: Callable[[str], None] | None = None,
) -> World:
    """Play the history of a seed to its end; raises `Broken`.

    ``often`` makes moves so many times likelier than they are.
    """
    rnd = Random(seed)
    town = rnd.choice(("chain", "chain", "ring"))
    lag = rnd.choice((0, 0, 20, 90))
    world = World(rnd.getrandbits(32), town, spoils=spoils, index_lag=timedelta(seconds=lag))
    world.vendors.open()
    names, weights = list(MOVES), [weight * (often or {}).get(name, 1) for name, (weight, _) in MOVES.items()]
    for name in rnd.choices(names, weights, k=moves):
        if told:
            told(f"{name}: {[(thread.name, thread.where) for _, thread in world.able()]}")
        MOVES[name][1](world, rnd)
        world.check()
    world.heal()
    world.check()
    world.stays_quiet()
    judge(world)
    return world


def main() -> None:
    """Play ``--number`` histories from ``--seed`` on; end with 1 at the first that breaks a promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--tell", action="store_true")
    parser.add_argument("--keep-going", action="store_true")
    asked = parser.parse_args()
    began, seen, broken = time.monotonic(), Counter[str](), 0
    for seed in range(asked.seed, asked.seed + asked.number):
        try:
            world = play(seed, moves=asked.moves, told=print if asked.tell else None)
        except Broken as error:
            broken += 1
            sys.stdout.write(f"broken: {error}\nreplay it: make simulate SEED={seed} N=1\n")
            sys.stdout.flush()
            if not asked.keep_going:
                sys.exit(1)
            continue
        seen.update(world.vendors.struck)
        seen["late_landed"] += len(world.vendors.landed_late)
        seen["fenced"] += world.witness.fenced
    seconds = round(time.monotonic() - began, 1)
    sys.stdout.write(json.dumps({"histories": asked.number, "broken": broken, "seconds": seconds, **seen}) + "\n")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
