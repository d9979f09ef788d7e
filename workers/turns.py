"""Know which turns run in this process, and which of them the store has not been told the end of."""

from __future__ import annotations

import threading
from collections import defaultdict


class Turns:
    """The turns of one process by connector uid; safe for threads.

    Those that run have their slots renewed by the scanner, so that a slot need not live as long as the longest
    call.  One that the store could not be told the end of is ended as soon as it answers again: left to
    expire, its letters would pass for suspects although nobody died.
    """

    def __init__(self) -> None:
        self._running: defaultdict[str, set[str]] = defaultdict(set)
        self._unended: defaultdict[str, set[str]] = defaultdict(set)
        self._lock = threading.Lock()
        self._told = threading.Condition(self._lock)

    def begin(self, uid: str, turn: str) -> None:
        """Note that a turn runs."""
        with self._lock:
            self._running[uid].add(turn)

    def end(self, uid: str, turn: str, *, told: bool = True) -> None:
        """Note that it runs no more; ``told``: the store knows."""
        with self._lock:
            self._running[uid].discard(turn)
            if told:
                self._unended[uid].discard(turn)
                self._told.notify_all()
            else:
                self._unended[uid].add(turn)

    def running(self, uid: str) -> tuple[str, ...]:
        """Return the turns of a connector that run."""
        with self._lock:
            return tuple(self._running[uid])

    def unended(self, uid: str) -> tuple[str, ...]:
        """Return the turns of a connector that the store does not know the end of."""
        with self._lock:
            return tuple(self._unended[uid])

    def wait_until_ended(self, seconds: float) -> bool:
        """Wait until the store knows the end of every turn that is over; False where it does not in time."""
        with self._told:
            return self._told.wait_for(lambda: not any(self._unended.values()), seconds)
