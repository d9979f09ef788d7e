"""Keep threads of a process for others while the calls of one connection are slow or its turns are many.

A thread spends its time waiting for targets, and a target that hangs makes everybody wait for threads.  So a
connection whose calls take long may hold a quarter of them (half while most are idle), all slow ones together
three quarters, and no connection may take the last eighth.  A doorbell that may not be answered now waits here
without a thread and is rung again, token and all, when one may; when its process dies, or it waits too long,
it expires like any doorbell and the scanner rings again.

What it cannot know: that a target has become slow before the first calls have taken long.  Until then (once, for
as long as a call may take) it may hold all but an eighth.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from connector.config import Connector
from workers.stores.records import Bell

SLOW: Final = 1.0
"""Seconds from which on a call is a slow one."""

REMEMBERED: Final = 60.0
"""Seconds for which a connection counts as slow after its last slow call."""

_OLD: Final = 0.3
"""How much the newest call counts in the average of a connection's calls."""


@dataclass(slots=True)
class _Pace:
    """How one connection's calls go: when those under way began, how long one takes on average."""

    began: dict[int, float] = field(default_factory=dict)
    average: float = 0.0
    last_slow: float = float("-inf")


@dataclass(frozen=True, slots=True)
class _Waiting:
    connector: Connector
    token: str
    until: float


@dataclass(slots=True)
class Threads:
    """The threads of one process: who may take one, and whose doorbells wait.

    ``total`` is how many there are; ``ticks`` monotonic seconds; ``ring`` publishes doorbells; ``patience`` is for
    how many seconds a doorbell keeps its slot.
    """

    total: int
    ticks: Callable[[], float]
    ring: Callable[[Connector, Sequence[Bell]], None]
    patience: float = 20.0
    _turns: Counter[str] = field(default_factory=Counter)
    _taken: int = 0
    _paces: dict[str, _Pace] = field(default_factory=dict)
    _room: deque[_Waiting] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, connector: Connector, token: str = "") -> bool:
        """Take a thread for a connector; where it may not have one now, its bell waits here and the answer is False."""
        with self._lock:
            if self._may(connector):
                self._taken += 1
                self._turns.update(_names(connector))
                return True
            if token:
                self._room.append(_Waiting(connector, token, self.ticks() + self.patience))
            return False

    def leave(self, connector: Connector) -> None:
        """Give the thread back, and ring the bells that may be answered now."""
        with self._lock:
            self._taken -= 1
            self._turns.subtract(_names(connector))
            ready = self._ready()
        for one in ready:
            self.ring(one.connector, [Bell(one.token, max(1, int((one.until - self.ticks()) * 1000)))])

    def crowded(self, connector: Connector) -> bool:
        """Tell whether a turn of a connector should end early, so that others find a thread."""
        with self._lock:
            return any(
                self._slow(name) and self._turns[name] > self._quarter and self._free() <= self.total // 2
                for name in _names(connector)
            )

    @contextmanager
    def calling(self, connection: str) -> Iterator[None]:
        """Watch how long a call of a connection takes."""
        began, thread = self.ticks(), threading.get_ident()
        with self._lock:
            pace = self._paces.setdefault(connection, _Pace())
            pace.began[thread] = began
        try:
            yield
        finally:
            with self._lock:
                pace.began.pop(thread, None)
                took = self.ticks() - began
                pace.average += _OLD * (took - pace.average)
                if took >= SLOW:
                    pace.last_slow = self.ticks()

    def slow(self, connection: str) -> bool:
        """Tell whether a connection's calls take long."""
        with self._lock:
            return self._slow(connection)

    @property
    def waiting(self) -> int:
        """How many doorbells wait here."""
        return len(self._room)

    # --- with the lock held ----------------------------------------------------------------------------------
    @property
    def _quarter(self) -> int:
        return max(1, self.total // 4)

    def _free(self) -> int:
        return self.total - self._taken

    def _may(self, connector: Connector) -> bool:
        names = _names(connector)
        if self._free() < 1:
            return False
        if any(self._slow(name) for name in names):
            most = self.total // 2 if self._free() > self.total // 2 else self._quarter
            slow = [name for name in names if self._slow(name)]
            within = all(self._turns[name] < most for name in slow)
            return within and (self._free() > self._quarter or self.total < 4)
        held = self._turns[connector.target.connection]
        return held < self._quarter or self._free() > self.total // 8

    def _slow(self, connection: str) -> bool:
        pace = self._paces.get(connection)
        if pace is None:
            return False
        now = self.ticks()
        if any(now - began >= SLOW for began in pace.began.values()):
            return True
        return pace.average >= SLOW and now - pace.last_slow < REMEMBERED

    def _ready(self) -> list[_Waiting]:
        """Take out of the room what may be answered now, as far as threads are free, and what has waited too long."""
        now = self.ticks()
        ready: list[_Waiting] = []
        for _ in range(len(self._room)):
            one = self._room.popleft()
            if one.until <= now:
                continue
            if len(ready) < self._free() and self._may(one.connector):
                ready.append(one)
            else:
                self._room.append(one)
        return ready


def _names(connector: Connector) -> set[str]:
    return {connector.source.connection, connector.target.connection}
