"""Run threads against one clock that nobody but their own waiting moves, one at a time and always in the same order."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from typing import Any

from tests.workers.stores.books import T0


class Lockstep:
    """A clock in ms; `wait` of its threads moves it.  Only one thread runs at a time."""

    def __init__(self) -> None:
        self.ms = float(T0)
        self.over = float("inf")
        self._queue: list[tuple[float, int, threading.Event]] = []
        self._turns = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._alive = 0
        self.failed: list[BaseException] = []

    def __call__(self) -> int:
        return int(self.ms)

    def ticks(self) -> float:
        return self.ms / 1000

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return (self.ms - T0) / 1000

    def wait(self, seconds: float) -> None:
        """Let others go on until it is this thread's time again; ends the thread when the time is over."""
        mine = threading.Event()
        with self._lock:
            self._turns += 1
            # Rounded up: who was told to wait for 20 ms must not be back after 19.
            heapq.heappush(self._queue, (self.ms + max(0.001, seconds * 1000), self._turns, mine))
        self._next()
        mine.wait()
        if self.ms > self.over:
            raise _Over

    def _next(self) -> None:
        with self._lock:
            if self._queue:
                self.ms, _, first = heapq.heappop(self._queue)
                first.set()
            elif not self._alive:
                self._ended.set()

    def run(self, seconds: float, *bodies: Callable[[], Any]) -> None:
        """Call each body again and again, in a thread of its own, for so long."""
        self.over = self.ms + seconds * 1000
        gates = [threading.Event() for _ in bodies]
        threads = [
            threading.Thread(target=self._live, args=(body, gate), daemon=True)
            for body, gate in zip(bodies, gates, strict=True)
        ]
        self._alive = len(threads)
        for thread, gate in zip(threads, gates, strict=True):
            self._turns += 1
            heapq.heappush(self._queue, (self.ms, self._turns, gate))
            thread.start()
        self._next()
        self._ended.wait()
        for thread in threads:
            thread.join()
        if self.failed:
            raise self.failed[0]

    def _live(self, body: Callable[[], Any], gate: threading.Event) -> None:
        gate.wait()
        try:
            while True:
                body()
        except _Over:
            pass
        except BaseException as error:  # noqa: BLE001 - a test's thread hands on whatever it met
            self.failed.append(error)
        with self._lock:
            self._alive -= 1
        self._next()


class _Over(Exception):
    """The time of the run is over."""
