"""The time is the store's, whatever a worker's own clock says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from workers.clock import EVERY, SLOW, StoreClock
from workers.stores.scripts import StoreError

STORE = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


@dataclass
class Clocks:
    """Three clocks moved by hand; ``slow`` is how long the store takes to answer."""

    ticks: float = 100.0
    ahead: timedelta = timedelta(minutes=5)
    slow: float = 0.0
    down: bool = False
    asked: int = 0

    def read(self) -> int:
        self.asked += 1
        if self.down:
            raise StoreError("away")
        told = int((STORE + timedelta(seconds=self.ticks - 100)).timestamp() * 1000)
        self.ticks += self.slow
        return told

    def wall(self) -> datetime:
        return STORE + timedelta(seconds=self.ticks - 100) + self.ahead

    def clock(self) -> StoreClock:
        return StoreClock(self.read, lambda: self.ticks, self.wall)


def test_the_time_is_the_stores_and_goes_on_between_two_questions() -> None:
    hands = Clocks()
    clock = hands.clock()
    assert clock() == STORE
    hands.ticks += 10
    assert clock() == STORE + timedelta(seconds=10)
    assert hands.asked == 1


def test_our_own_clock_may_jump() -> None:
    hands = Clocks()
    clock = hands.clock()
    clock()
    hands.ahead = timedelta(hours=-3)
    assert clock() == STORE


def test_the_store_is_asked_again_after_a_while() -> None:
    hands = Clocks()
    clock = hands.clock()
    clock()
    hands.ticks += EVERY.total_seconds()
    clock()
    assert hands.asked == 2


def test_while_the_store_was_never_there_our_own_time_counts() -> None:
    hands = Clocks(down=True)
    clock = hands.clock()
    assert clock() == hands.wall()
    assert clock() == hands.wall()
    assert hands.asked == 1, "a store that is away is not asked each time"
    hands.ticks += 2
    hands.down = False
    assert clock() == STORE + timedelta(seconds=2)


def test_an_answer_that_took_long_is_not_believed() -> None:
    hands = Clocks()
    clock = hands.clock()
    clock()
    hands.ticks += EVERY.total_seconds()
    hands.slow = SLOW + 100
    assert clock() == STORE + EVERY + timedelta(seconds=hands.slow)
    hands.slow = 0
    assert clock() == STORE + timedelta(seconds=hands.ticks - 100)
