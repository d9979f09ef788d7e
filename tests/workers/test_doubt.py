"""What a loss leaves in doubt, and what is too young for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connector.system import Action
from workers.doubt import BEGINNING, SKEW, YOUNG, Doubt

SINCE, NOTICED = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC)


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def doubt(kind: str) -> Doubt:
    found = Doubt.of(f"{ms(SINCE)}:{ms(NOTICED)}:{kind}")
    assert found is not None
    return found


def test_a_letter_without_the_field_is_in_no_doubt() -> None:
    assert Doubt.of("") is None
    # As the first version of it was written.
    assert Doubt.of(f"{ms(SINCE)}:{ms(NOTICED)}") == doubt("")


@pytest.mark.parametrize(
    ("kind", "states", "create", "comment"),
    [("", True, SINCE, SINCE), ("r", True, SINCE, BEGINNING), ("c", False, None, BEGINNING)],
)
def test_each_kind_doubts_as_much_as_may_be_forgotten(
    kind: str, states: bool, create: datetime | None, comment: datetime
) -> None:
    found = doubt(kind)
    assert found.of_states is states
    old = (NOTICED - timedelta(days=30)).isoformat()
    for action, begins in ((Action.CREATE, create), (Action.COMMENT, comment)):
        assert found.covers(action, old) is (begins is not None)
        assert found.as_text(action, old) == (f"{ms(begins)}:{ms(NOTICED)}" if begins else "")
        assert found.covers(action, None) is (begins is not None)


def test_a_thing_made_after_the_loss_was_noticed_is_certain_once_clocks_cannot_be_the_reason() -> None:
    assert doubt("").covers(Action.COMMENT, (NOTICED + SKEW).isoformat())
    assert not doubt("").covers(Action.COMMENT, (NOTICED + SKEW + timedelta(seconds=1)).isoformat())
    assert doubt("").is_young(NOTICED + YOUNG - timedelta(seconds=1))
    assert not doubt("").is_young(NOTICED + YOUNG)
