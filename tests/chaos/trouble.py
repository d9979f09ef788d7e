"""Make trouble by seed: kill, freeze, empty and spoil; everything is undone after a while, or by `Trouble.heal`.

Workers are killed and the store is restarted by a clock, so that a run of given length has enough of it; all other
kinds are drawn by weight.
"""

from __future__ import annotations

import heapq
import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from redis.exceptions import RedisError

from connector.sandbox import Fault
from tests.chaos.ground import DYING, SYSTEMS, Ground
from tests.chaos.proxy import KINDS

FREEZE: Final = (5.5, 9.0)
"""Seconds that a worker is frozen: more than its slot lives."""

LATE: Final = (9.5, 16.0)
"""Seconds that a request is held so that it lands after every look-up: more than the index may lag."""

WITHIN: Final = (3.2, 4.2)
"""Seconds that a request is held so that its sender has given up, and the look-up still finds it."""

CLOCKED: Final = {"kill_worker": 2.3, "restart_store": 11.0}
"""Mean seconds between two of a kind."""

ENOUGH: Final = {"kill_worker": 20, "restart_store": 4}
"""How many of a kind there must be in a minute: a slow machine rages longer."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A span in which a worker stood still, and the effects whose *sent* mark was in the store when it began."""

    begun: datetime
    thawed: datetime
    announced: frozenset[str]


class Trouble:
    """Steps through its faults; ``frozen`` are the spans in which a worker stood still."""

    def __init__(self, ground: Ground, chance: Random) -> None:
        self.ground, self._chance = ground, chance
        self.done: Counter[str] = Counter()
        self.frozen: list[Frozen] = []
        self.unasked: list[str] = []
        """Processes that ended though nobody killed them."""
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._busy: set[str] = set()
        self._replicas = 0
        self._drawn: dict[str, tuple[int, Callable[[], bool]]] = {
            "freeze_worker": (10, self._freeze_worker),
            "freeze_receiver": (3, lambda: self._freeze("receive")),
            "freeze_schedule": (2, lambda: self._freeze("schedule")),
            "kill_receiver": (6, lambda: self._kill("receive")),
            "kill_schedule": (3, lambda: self._kill("schedule")),
            "freeze_store": (4, lambda: self._freeze_server("store")),
            "freeze_broker": (3, lambda: self._freeze_server("broker")),
            "restart_broker": (8, lambda: self._restart("broker")),
            "flush_broker": (8, self._flush),
            "store_put_back": (4, self._put_back),
            "replica_promoted": (3, self._fail_over),
            "index_lag": (6, self._lag),
            "throttled": (5, lambda: self._refuse("rate_limit")),
            "token_expired": (3, lambda: self._refuse("expired_token")),
            "repository_forbidden": (3, self._forbid),
            "blind": (5, self._blind),
            "lands_late": (5, lambda: self._hold(LATE)),
            "lands_within": (5, lambda: self._hold(WITHIN)),
            "lines": (36, self._wire),
        }
        for kind in ("apply_then_drop", "apply_then_status", "drop", "status", "rate_limit", "drip"):
            self._drawn[kind] = (5, lambda kind=kind: self._spoil(kind))  # type: ignore[misc]  # mypy: a default in a lambda
        self._clocked: dict[str, Callable[[], bool]] = {
            "kill_worker": self._kill_worker,
            "restart_store": lambda: self._restart("store"),
        }
        self._due = {kind: time.monotonic() + self._wait(kind) for kind in CLOCKED}

    def step(self, *, more: bool, clocked: bool) -> None:
        """Undo what is due, notice who died; ``clocked``: do what its clock asks for; ``more``: draw something."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            heapq.heappop(self._later)[2]()
        for name, process in list(self.ground.processes.items()):
            if name not in self._busy and process.poll() is not None:
                if name == DYING and process.returncode == -signal.SIGKILL:
                    self.done["die_at_commit_point"] += 1
                else:
                    self.unasked.append(f"{name} ended with {process.returncode}")
                self._again(name)
        for kind, strike in self._clocked.items():
            if clocked and now > self._due[kind] and strike():
                self.done[kind] += 1
                self._due[kind] = max(self._due[kind], now - 5) + self._wait(kind)
        if more:
            names = list(self._drawn)
            kind = self._chance.choices(names, [self._drawn[name][0] for name in names])[0]
            self.done[kind] += self._drawn[kind][1]()

    def enough(self, minutes: float) -> bool:
        """Tell whether there has been as much of it as a storm of so many minutes must have."""
        return all(self.done[kind] >= number * minutes for kind, number in ENOUGH.items())

    def heal(self) -> None:
        """Undo everything now."""
        for sandbox in self.ground.served.sandboxes.values():
            sandbox.faults.on = []
        self.ground.jira.search.lag = timedelta(0)
        for name in self.ground.proxy.lines:
            self.ground.proxy.heal(name)
        for postman in self.ground.postmen:
            postman.calm = True
        while self._later:
            heapq.heappop(self._later)[2]()

    def _in(self, seconds: float, undo: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._number), undo))

    def _wait(self, kind: str) -> float:
        return CLOCKED[kind] * self._chance.uniform(0.5, 1.5)

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
            # It may be killed again once it works: a worker that never gets that far is no test of anything.
            self._in(3.0, lambda: self._busy.discard(name))

        self._in(self._chance.uniform(0.1, 0.5), start)

    def _freeze_worker(self) -> bool:
        name = self._free(self.ground.workers)
        if not name or name not in self.ground.processes:
            return False
        begun = datetime.now(UTC)
        self.ground.signal(name, signal.SIGSTOP)
        try:
            # What it announced, and what others did meanwhile: the mark of anything it may still send is among it.
            announced = self.ground.announced()
        except RedisError:  # the store is away: nobody could tell afterwards what this worker may still do
            self.ground.signal(name, signal.SIGCONT)
            return False
        self._busy.add(name)

        def thaw() -> None:
            self.frozen.append(Frozen(begun, datetime.now(UTC), announced))
            self.ground.signal(name, signal.SIGCONT)
            self._busy.discard(name)

        self._in(self._chance.uniform(*FREEZE), thaw)
        return True

    def _freeze(self, name: str) -> bool:
        """Freeze a process that writes to no vendor."""
        if name in self._busy or name not in self.ground.processes:
            return False
        self._busy.add(name)
        self.ground.signal(name, signal.SIGSTOP)

        def thaw() -> None:
            self.ground.signal(name, signal.SIGCONT)
            self._busy.discard(name)

        self._in(self._chance.choice((1.0, 3.0, 8.0)), thaw)
        return True

    # --- servers ----------------------------------------------------------------------------------------
    def _restart(self, name: str) -> bool:
        if name in self._busy:
            return False
        self.ground.servers[name].kill()
        self._busy.add(name)

        def start() -> None:
            self.ground.servers[name].start(wait=False)
            self._busy.discard(name)

        self._in(self._chance.choice((0.0, 0.3, 1.0, 4.0)), start)
        return True

    def _freeze_server(self, name: str) -> bool:
        if name in self._busy:
            return False
        self._busy.add(name)
        self.ground.servers[name].freeze()

        def thaw() -> None:
            self.ground.servers[name].thaw()
            self._busy.discard(name)

        self._in(self._chance.choice((0.5, 2.5, 6.0)), thaw)
        return True

    def _flush(self) -> bool:
        if "broker" in self._busy:
            return False
        try:
            with self.ground.servers["broker"].client(2) as broker:
                broker.flushall()
        except RedisError:  # it has just been started
            return False
        return True

    # --- a store that goes back in time -----------------------------------------------------------------
    def _put_back(self) -> bool:
        """Take a backup, go on for a while, and put it back: what came after it is forgotten."""
        store = self.ground.servers["store"]
        if "store" in self._busy or not store.answers():
            return False
        self._busy.add("store")
        store.remember(self.ground.copy)

        def back() -> None:
            store.go_back(self.ground.copy)
            self._busy.discard("store")

        self._in(self._chance.uniform(0.5, 6.0), back)
        return True

    def _fail_over(self) -> bool:
        """Let a replica take over that has heard nothing for a moment."""
        store = self.ground.servers["store"]
        if "store" in self._busy or not store.answers():
            return False
        self._busy.add("store")
        self._replicas += 1
        replica = store.replica(self.ground.home / f"replica-{self._replicas}")
        replica.freeze()

        def over() -> None:
            self.ground.fail_over(replica)
            self._busy.discard("store")

        self._in(self._chance.uniform(0.5, 1.5), over)
        return True

    # --- lines ------------------------------------------------------------------------------------------
    def _wire(self) -> bool:
        proxy = self.ground.proxy
        name = self._chance.choice(tuple(proxy.lines))
        kind = self._chance.choice(KINDS)
        seconds = self._chance.uniform(1.0, 4.0)
        share = self._chance.choice((0.1, 0.3, 1.0))
        proxy.spoil(name, kind, share=share, seconds=seconds)
        return True

    def _hold(self, pause: tuple[float, float]) -> bool:
        name = self._chance.choice(SYSTEMS)
        self.ground.proxy.spoil(name, "hold", share=0.5, seconds=self._chance.uniform(1.0, 3.0), pause=pause)
        return True

    # --- the vendors ------------------------------------------------------------------------------------
    def _lag(self) -> bool:
        self.ground.jira.search.lag = timedelta(seconds=self._chance.choice((0.0, 1.0, 3.0, 4.5)))
        return True

    def _spoil(self, kind: str) -> bool:
        self._put(
            self._chance.choice(("github", "jira", "jira", "slack")),
            Fault(
                kind,
                # Slack writes, and mostly reads, with POST.
                method=self._chance.choice(("POST|PUT|PATCH", "POST|PUT|PATCH", ".*")),
                times=self._chance.randint(1, 4),
                status=self._chance.choice((500, 502, 503, 504)),
                retry_after=self._chance.randint(1, 2),
                seconds_per_byte=0.05,
            ),
        )
        return True

    def _refuse(self, kind: str) -> bool:
        """Refuse every call of a vendor for a while, in the vendor's own words."""
        self._put(self._chance.choice(SYSTEMS), Fault(kind, retry_after=1), seconds=self._chance.uniform(1.0, 4.0))
        return True

    def _forbid(self) -> bool:
        """Take the rights on one repository away for a while; the credential itself stays good."""
        self._put("github", Fault("status", path="/repos/acme/api/.*", status=403), seconds=3.0)
        return True

    def _blind(self) -> bool:
        """Let writes be done unanswered, and every look for them fail for a while."""
        name = self._chance.choice(("github", "jira"))
        self._put(name, Fault("apply_then_drop", method="POST", path=".*(comments?|/issues?)", times=2))
        self._put(name, Fault("status", method="GET", status=500), seconds=self._chance.uniform(3.0, 6.0))
        return True

    def _put(self, name: str, fault: Fault, *, seconds: float = 0.0) -> None:
        """Switch a fault on: for so many seconds, or as often as it says itself."""
        sandbox = self.ground.served.sandboxes[name]
        with self.ground.served.locks[name]:
            sandbox.faults.on = [*(one for one in sandbox.faults.on if one.times), fault]
        if seconds:

            def over() -> None:
                with self.ground.served.locks[name]:
                    sandbox.faults.on = [one for one in sandbox.faults.on if one is not fault]

            self._in(seconds, over)
