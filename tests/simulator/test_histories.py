"""A few hundred whole histories, each played by its seed, keep every promise of the engine."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.simulator.history import MOVES, play
from tests.simulator.stage import Broken
from tests.simulator.vendors import KINDS

NUMBER = 24
BLOCKS = 4


@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_history_keeps_every_promise(block: int) -> None:
    first = int(os.environ.get("SEED", "1"))
    size = NUMBER // BLOCKS
    for seed in range(first + block * size, first + (block + 1) * size):
        try:
            play(seed)
        except Broken as error:
            pytest.fail(f"{error}\nreplay it: make simulate SEED={seed} N=1")


def test_a_seed_plays_the_same_history_again() -> None:
    told: list[list[str]] = [[], []]
    worlds = [play(7, told=words.append) for words in told]
    assert told[0] == told[1]
    assert worlds[0].writes() == worlds[1].writes()
    assert worlds[0].witness.ran == worlds[1].witness.ran


def test_histories_are_what_they_claim_to_be() -> None:
    # A storm in which nothing ever goes wrong would prove nothing.
    seen = Counter[str]()
    for seed in range(1000, 1008):
        world = play(seed, moves=80)
        seen.update(world.vendors.struck)
        seen.update(world.witness.ran)
        seen["fenced"] += world.witness.fenced
        seen["processes"] += world.born - len(world.processes)
    assert seen["fenced"]
    assert seen["processes"] > 8
    assert sum(seen[kind] > 0 for kind in KINDS) >= len(KINDS) // 2
    assert {"accept", "begin", "settle", "end", "scan", "intent", "take_tokens"} <= seen.keys()
    assert len(MOVES) >= 15
