"""Tell the time by the store's clock, so that what one process writes down means the same to another.

Deadlines of requests, closings and ages stand in the store by its clock, and workers compare them with *now*.  A
worker whose own clock is a minute ahead would look for a request that can still arrive, and send it twice; one that
is behind would close its connector until a moment that is over, and ring again at once, for a minute.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from workers.stores.scripts import StoreError

EVERY: Final = timedelta(seconds=30)
"""How often the store is asked; in between the monotonic clock counts on."""

SLOW: Final = 0.5
"""Seconds beyond which an answer says too little of the present (the process may have stood still)."""


class StoreClock:
    """A clock; ``read`` returns the store's time in ms, ``ticks`` monotonic seconds, ``wall`` our own time.

    While the store has never answered, our own time counts.
    """

    def __init__(self, read: Callable[[], int], ticks: Callable[[], float], wall: Callable[[], datetime]) -> None:
        self._read, self._ticks, self._wall = read, ticks, wall
        self._known: tuple[datetime, float] | None = None
        self._next = float("-inf")
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        """Return the time now, aware, in UTC; never raises."""
        # Whoever finds the lock taken lets the other ask: what is known will do.
        if self._ticks() >= self._next and self._lock.acquire(blocking=False):
            try:
                self._ask()
            finally:
                self._lock.release()
        if self._known is None:
            return self._wall()
        told, at = self._known
        return told + timedelta(seconds=self._ticks() - at)

    def _ask(self) -> None:
        before = self._ticks()
        try:
            told = self._read()
        except StoreError:
            self._next = before + 1
            return
        after = self._ticks()
        if after - before > SLOW:
            self._next = after
            return
        self._known = (datetime.fromtimestamp(told / 1000, UTC), (before + after) / 2)
        self._next = after + EVERY.total_seconds()
