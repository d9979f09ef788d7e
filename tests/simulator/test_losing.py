"""Histories in which the store is put back to an older copy of itself end like all others: all arrived, once."""

from __future__ import annotations

import os

import pytest

from tests.simulator.losing import play
from tests.simulator.stage import Broken

NUMBER = 12
FOUND = (16, 78, 1088, 1176, 1199)
"""Seeds that once found a mistake."""


@pytest.mark.parametrize(
    "seed", [*FOUND, *range(int(os.environ.get("SEED", "1")), int(os.environ.get("SEED", "1")) + NUMBER)]
)
def test_a_store_that_is_put_back_at_any_step_loses_and_doubles_nothing(seed: int) -> None:
    try:
        play(seed)
    except Broken as error:
        pytest.fail(f"{error}\nreplay it: python -m tests.simulator.losing --number 1 --seed {seed}")


def test_losses_are_noticed() -> None:
    worlds = [play(seed) for seed in range(100, 106)]
    assert any(world.outside(name).tally()["restored"] for world in worlds for name in world.config().connectors)
