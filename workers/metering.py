"""Measure what is spent on behalf of each connector: calls, bytes, time in calls, CPU.

Nothing is written for a delivery: a process adds up in memory and hands it to the store about once a second
(`workers.wiring.Wiring.flush_calls`), so a process that is killed takes the last second's numbers with it.  Usage is
for deciding and for sharing costs, not for accounting: what was delivered is counted in the books.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from connector.ports import Request
from workers.behalf import asker
from workers.stores.usage import BUSY, CALLS, CPU, POINTS, RECEIVED, SENT, WRITES


@dataclass(slots=True)
class Meter:
    """What this process spent and has not handed over; safe for threads.  ``cpu`` is this thread's, in seconds."""

    cpu: Callable[[], float] = time.thread_time
    _used: dict[str, Counter[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, connection: str, request: Request, seconds: float, sent: int, received: int) -> None:
        """Count a call that left, for whom the thread works; ``sent`` and ``received`` are bytes on the wire.

        A call on nobody's behalf (a probe by a person) is not counted.
        """
        uid = asker().connector
        if not sent or not uid:
            return
        self._add(
            uid,
            {
                CALLS + connection: 1,
                WRITES + connection: int(request.writes),
                POINTS + connection: request.cost,
                BUSY: round(seconds * 1000),
                SENT: sent,
                RECEIVED: received,
            },
        )

    @contextmanager
    def working(self, uid: str) -> Iterator[None]:
        """Count the CPU that this thread takes until the block ends."""
        began = self.cpu()
        try:
            yield
        finally:
            self._add(uid, {CPU: round((self.cpu() - began) * 1_000_000)})

    def collect(self) -> dict[str, Counter[str]]:
        """Return and forget what was spent since the last time, by connector uid."""
        with self._lock:
            got, self._used = self._used, {}
        return got

    def put_back(self, used: Mapping[str, Mapping[str, int]]) -> None:
        """Keep what could not be handed over."""
        for uid, spent in used.items():
            self._add(uid, spent)

    def _add(self, uid: str, spent: Mapping[str, int]) -> None:
        with self._lock:
            self._used.setdefault(uid, Counter()).update(spent)
