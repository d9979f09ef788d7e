"""Make trouble by seed: kill, freeze, empty and spoil; everything is undone after a while, or by `Trouble.heal`."""

from __future__ import annotations

import heapq
import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from redis import Redis
from redis.exceptions import RedisError

from connector.sandbox import Fault
from tests.chaos.ground import Ground

FREEZE: Final = (5.5, 9.0)
"""Seconds that a worker is frozen: more than its slot lives."""


class Trouble:
    """Steps through its faults; ``frozen`` are the spans in which a worker stood still."""

    def __init__(self, ground: Ground, chance: Random) -> None:
        self.ground, self._chance = ground, chance
        self.done: Counter[str] = Counter()
        self.frozen: list[tuple[datetime, datetime]] = []
        self.unasked: list[str] = []
        """Processes that ended though nobody killed them."""
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._busy: set[str] = set()
        self._kinds: dict[str, tuple[int, Callable[[], bool]]] = {
            "kill_worker": (30, self._kill_worker),
            "freeze_worker": (10, self._freeze_worker),
            "kill_receiver": (8, lambda: self._kill("receive")),
            "kill_schedule": (3, lambda: self._kill("schedule")),
            "restart_store": (10, lambda: self._restart("store")),
            "restart_broker": (8, lambda: self._restart("broker")),
            "flush_broker": (8, self._flush),
            "index_lag": (6, self._lag),
        }
        for kind in ("apply_then_drop", "apply_then_status", "drop", "status", "rate_limit", "drip"):
            self._kinds[kind] = (7, lambda kind=kind: self._spoil(kind))  # type: ignore[misc]  # mypy: a default in a lambda

    def step(self, *, more: bool) -> None:
        """Undo what is due, notice who died, and with ``more`` begin something."""
        while self._later and self._later[0][0] <= time.monotonic():
            heapq.heappop(self._later)[2]()
        for name, process in list(self.ground.processes.items()):
            if name not in self._busy and process.poll() is not None:
                self.unasked.append(f"{name} ended with {process.returncode}")
                self._again(name)
        if more:
            names = list(self._kinds)
            kind = self._chance.choices(names, [self._kinds[name][0] for name in names])[0]
            self.done[kind] += self._kinds[kind][1]()

    def heal(self) -> None:
        """Undo everything now."""
        for sandbox in self.ground.served.sandboxes.values():
            sandbox.faults.on = []
        self.ground.jira.search.lag = timedelta(0)
        for postman in self.ground.postmen:
            postman.calm = True
        while self._later:
            heapq.heappop(self._later)[2]()

    def _in(self, seconds: float, undo: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._number), undo))

    def _free(self, names: tuple[str, ...]) -> str:
        return self._chance.choice([name for name in names if name not in self._busy] or [""])

    # --- processes ------------------------------------------------------------------------------------
    def _kill_worker(self) -> bool:
        return self._kill(self._free(self.ground.workers))

    def _kill(self, name: str) -> bool:
        if not name or name in self._busy or name not in self.ground.processes:
            return False
        self.ground.kill(name)
        self._again(name)
        return True

    def _again(self, name: str) -> None:
        self._busy.add(name)
        self.ground.processes.pop(name, None)

        def start() -> None:
            self.ground.again(name)
            self._busy.discard(name)

        self._in(self._chance.uniform(0.1, 1.5), start)

    def _freeze_worker(self) -> bool:
        name = self._free(self.ground.workers)
        if not name or name not in self.ground.processes:
            return False
        begun = datetime.now(UTC)
        self.ground.signal(name, signal.SIGSTOP)
        self._busy.add(name)

        def thaw() -> None:
            self.frozen.append((begun, datetime.now(UTC)))
            self.ground.signal(name, signal.SIGCONT)
            self._busy.discard(name)

        self._in(self._chance.uniform(*FREEZE), thaw)
        return True

    # --- servers ----------------------------------------------------------------------------------------
    def _restart(self, name: str) -> bool:
        if name in self._busy:
            return False
        self.ground.servers[name].kill()
        self._busy.add(name)

        def start() -> None:
            self.ground.servers[name].start()
            self._busy.discard(name)

        self._in(self._chance.choice((0.0, 0.3, 1.0, 4.0)), start)
        return True

    def _flush(self) -> bool:
        try:
            with Redis.from_url(self.ground.servers["broker"].url, socket_timeout=2) as broker:
                broker.flushall()
        except RedisError:  # it is being restarted just now
            return False
        return True

    # --- the vendors ------------------------------------------------------------------------------------
    def _lag(self) -> bool:
        self.ground.jira.search.lag = timedelta(seconds=self._chance.choice((0.0, 1.0, 3.0, 4.5)))
        return True

    def _spoil(self, kind: str) -> bool:
        name = self._chance.choice(("github", "jira", "jira", "slack"))
        fault = Fault(
            kind,
            # Slack writes, and mostly reads, with POST.
            method=self._chance.choice(("POST|PUT|PATCH", "POST|PUT|PATCH", ".*")),
            times=self._chance.randint(1, 4),
            status=self._chance.choice((500, 502, 503, 504)),
            retry_after=self._chance.randint(1, 2),
            seconds_per_byte=0.05,
        )
        sandbox = self.ground.served.sandboxes[name]
        with self.ground.served.locks[name]:
            sandbox.faults.on = [*(one for one in sandbox.faults.on if one.times), fault]
        return True
