"""Know how far each connector's books had come, outside the store: a store that goes back in time is noticed by it."""

from __future__ import annotations

import threading


class Marks:
    """The highest write count seen of each connector's books, by uid; threads share it.

    Every script sends the mark along, taken before it is sent, so an answer that overtakes another is no alarm.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._highest: dict[str, int] = {}

    def saw(self, uid: str, writes: int) -> None:
        """Note a write count that a store answered with."""
        if writes > self._highest.get(uid, 0):
            with self._lock:
                self._highest[uid] = max(writes, self._highest.get(uid, 0))

    def of(self, uid: str) -> int:
        """Return the highest count seen, 0 where none was."""
        return self._highest.get(uid, 0)

    def all(self) -> dict[str, int]:
        """Return all of them."""
        with self._lock:
            return dict(self._highest)
