"""A storm counts as survived only where nothing forbidden was found and something was done at all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos.storm import FORBIDDEN, holds
from tests.chaos.trouble import ENOUGH, Trouble

FINE: dict[str, Any] = {"accepted": 100, "late_landed": 3, **dict.fromkeys(FORBIDDEN, 0)}


def test_a_storm_without_findings_is_survived() -> None:
    assert holds(FINE)


@pytest.mark.parametrize("what", FORBIDDEN)
def test_one_of_anything_forbidden_is_enough_to_fail(what: str) -> None:
    assert not holds({**FINE, what: 1})


def test_a_storm_in_which_nothing_happened_proves_nothing() -> None:
    assert not holds({**FINE, "accepted": 0})


def test_five_minutes_hold_a_hundred_kills_and_twenty_restarts() -> None:
    assert (ENOUGH["kill_worker"] * 5, ENOUGH["restart_store"] * 5) == (100, 20)
    storm: Any = SimpleNamespace(done={"kill_worker": 100, "restart_store": 19})
    assert not Trouble.enough(storm, 5)
    storm.done["restart_store"] += 1
    assert Trouble.enough(storm, 5)
