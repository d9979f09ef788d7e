"""Hold a whole simulated world: one store, a few processes, the vendors, time; and every move that can be made in it.

A move is what happens next: an event, a fault, a step of one thread, time going by.  Whoever drives (a seed, a
hypothesis machine, a test) only picks moves.  After each, what must always be true is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from connector.config import Config
from connector.ports import Request
from tests.simulator.process import Process
from tests.simulator.server import Server
from tests.simulator.stage import Broken, Thread
from tests.simulator.towns import OPTIONS, configuration
from tests.simulator.vendors import Armed, Vendors
from tests.simulator.witness import Witness
from workers.limits import Limiter
from workers.stores.deliveries import Deliveries, Pace
from workers.stores.records import Bell

T0: Final = 1_800_000_000_000
"""Where time begins, in ms."""

SLOT: Final = Pace().slot
"""How long a turn lives without a sign of life, in ms."""

PROCESSES: Final = 2


@dataclass
class Rung:
    """A doorbell on its way."""

    connector: str
    token: str
    until: float


@dataclass
class Spoils:
    """The protections that are switched off: none, outside of the tests that ask whether we would notice."""

    scripts: Mapping[str, str] = field(default_factory=dict)
    verify: Callable[..., Any] = lambda system, *rest: system.verify(*rest)
    limiter: Callable[..., Any] = Limiter
    scanner: bool = True


def _writes(request: Request) -> bool:
    return request.writes


def _any(_request: Request) -> bool:
    return True


class World:
    """``town`` names a configuration of `towns`; ``jira`` are options of Jira's sandbox; ``limits`` ours for it."""

    def __init__(
        self, seed: int, town: str = "chain", *, spoils: Spoils | None = None, limits: str = "", **jira: Any
    ) -> None:
        self.dice = Random(seed)
        self.town, self.limits = town, limits
        self.ms: float = T0
        self._expired: float = T0
        self.offset = 0
        """By how many ms the store's clock is wrong."""
        # Here chance kills the quarantine as often as anybody else: no letter is to blame for that.
        self.pace = Pace(scan=0, crashes=1000)
        self.spoils = spoils or Spoils()
        self.server = Server(self.spoils.scripts)
        self.witness = Witness(self.server.client, self.store_ms, self._attempts)
        self.vendors = Vendors(self.config(), lambda: self.ms, self.dice, **jira)
        self.bells: list[Rung] = []
        self.audit: list[Mapping[str, Any]] = []
        self.lost_answers = 0
        """So many script answers will be lost on their way, and the scripts sent again."""
        self.calm = False
        self.rounds = 0
        self.born = 0
        for connector in self.config().connectors.values():
            self.outside(connector.name).enter()
        self.processes = [self._process() for _ in range(PROCESSES)]
        self.counts: dict[str, int] = {}

    # --- what processes ask of it ---------------------------------------------------------------------------
    def config(self, options: int = 0) -> Config:
        return configuration(self.town, options, self.limits)

    def store_ms(self) -> int:
        return int(self.ms) + self.offset

    def verify(self, *about: Any) -> Any:
        return self.spoils.verify(*about)

    def limiter(self, *about: Any) -> Any:
        return self.spoils.limiter(*about)

    def twice(self, _script: str) -> bool:
        if self.lost_answers:
            self.lost_answers -= 1
            return True
        return False

    def ring(self, connector: str, bells: Sequence[Bell]) -> None:
        self.bells += [Rung(connector, bell.token, self.ms + bell.life) for bell in bells]

    def _attempts(self, _tag: str) -> int:
        return max(one.attempts for option in range(len(OPTIONS)) for one in self.config(option).connectors.values())

    def outside(self, name: str) -> Deliveries:
        """Open a connector's books from outside: an operator's look or deed, one script at a time."""
        connector = self.config().connectors[name]
        return Deliveries(
            self.server.client,
            connector.uid,
            concurrency=connector.concurrency,
            pace=self.pace,
            clock=self.store_ms,
            nonce="op",
        )

    def _process(self) -> Process:
        self.born += 1
        skew = 0 if self.calm else self.dice.choice((0, 0, -1500, 1500))
        return Process(self, f"p{self.born}", self.config(), skew=skew)

    # --- time -------------------------------------------------------------------------------------------------
    def wait(self, ms: float) -> None:
        """Let time go by; what the network holds lands on its way."""
        end = self.ms + ms
        for due in sorted(one.due for one in self.vendors.landing if one.due <= end):
            self._to(max(self.ms, due))
            self.vendors.land()
        self._to(end)

    def _to(self, ms: float) -> None:
        self.ms = ms
        if abs(ms - self._expired) >= 50:
            # Not at each millisecond: looking at every key costs more than most scripts.
            self.server.shift((ms - self._expired) / 1000)
            self._expired = ms

    def jump(self, ms: int) -> None:
        """Let the store's clock jump, forward or back.

        Forward, it ends waits that were to let a request arrive or an index catch up; what is doubled for that
        no client could know, and is excused as what lands late.
        """
        if ms > 2_000:
            self.vendors.excuse(120_000)
        self.server.shift(ms / 1000)
        self.offset += ms

    # --- threads ------------------------------------------------------------------------------------------------
    def able(self) -> list[tuple[Process, Thread]]:
        """Return who could go on now."""
        return [
            (process, thread)
            for process in self.processes
            if process.frozen_until <= self.ms
            for thread in process.stage.threads
            if thread.wakes_at <= self.ms
        ]

    def go(self, pick: int, steps: int = 1) -> None:
        """Let one thread make a few steps; a step takes a millisecond."""
        able = self.able()
        if not able:
            return
        process, thread = able[pick % len(able)]
        for _ in range(steps):
            if thread.over or thread.wakes_at > self.ms:
                return
            process.stage.step(thread)
            self._to(self.ms + 1)

    def crash(self, pick: int) -> None:
        """Kill a process; another starts in its place."""
        number = pick % len(self.processes)
        self.processes[number].stage.kill()
        self.processes[number] = self._process()

    def freeze(self, pick: int, ms: float) -> None:
        """Stop a process for so long (SIGSTOP, then SIGCONT)."""
        process = self.processes[pick % len(self.processes)]
        process.frozen_until = max(process.frozen_until, self.ms + ms)

    def awake(self, pick: int) -> Process | None:
        awake = [one for one in self.processes if one.frozen_until <= self.ms]
        return awake[pick % len(awake)] if awake else None

    def expire(self) -> None:
        """Let every lease run out, whoever holds one."""
        self.wait(SLOT + 1)

    def steal(self, pick: int) -> None:
        """Let the leases of one process run out while it stands still, and another take what it held."""
        victim = self.processes[pick % len(self.processes)]
        self.freeze(pick, SLOT + 2)
        self.expire()
        self.scan(pick + 1)
        self.finish(only=[one for one in self.processes if one is not victim])
        for _ in range(len(self.bells)):
            self.answer(0, pick + 1)
        self.finish(only=[one for one in self.processes if one is not victim], most=60)

    def finish(self, *, only: Sequence[Process] = (), most: int = 20_000) -> None:
        """Let threads run, one after the other, until none of them can go on."""
        for _ in range(most):
            able = [one for one in self.able() if not only or one[0] in only]
            if not able:
                asleep = [
                    thread.wakes_at
                    for process in self.processes
                    for thread in process.stage.threads
                    if process.frozen_until <= self.ms
                ]
                if only or not asleep or not self.calm:
                    return
                self.wait(max(0.0, min(asleep) - self.ms))
                continue
            process, thread = able[0]
            process.stage.step(thread)
            self._to(self.ms + 1)
        if not only:
            raise Broken("the work does not end")

    # --- what happens -------------------------------------------------------------------------------------------
    def carry(self, pick: int, by: int, *, keep: bool = False) -> None:
        """Bring one of the waiting webhooks to a process; ``keep``: it will be brought again."""
        self.vendors.collect()
        process = self.awake(by)
        if not self.vendors.hooks or process is None:
            return
        waiting = self.vendors.hooks[pick % len(self.vendors.hooks)]

        def taken() -> None:
            if waiting in self.vendors.hooks and not keep:
                self.vendors.hooks.remove(waiting)

        if waiting.vendor != "jira" and not keep:
            # GitHub sends once: what no process has answered for is lost, and the poll's to find.
            taken()
        process.receive(waiting, taken)

    def lose(self, pick: int) -> None:
        """Lose one of the waiting webhooks for good."""
        self.vendors.collect()
        if self.vendors.hooks:
            del self.vendors.hooks[pick % len(self.vendors.hooks)]

    def answer(self, pick: int, by: int, *, keep: bool = False) -> None:
        """Bring a doorbell to a process; ``keep``: it will be brought again."""
        self.bells = [one for one in self.bells if one.until > self.ms]
        process = self.awake(by)
        if not self.bells or process is None:
            return
        number = pick % len(self.bells)
        rung = self.bells[number]
        if not keep:
            del self.bells[number]
        process.answer(rung.connector, rung.token)

    def lose_bell(self, pick: int) -> None:
        if self.bells:
            del self.bells[pick % len(self.bells)]

    def scan(self, by: int) -> None:
        process = self.awake(by)
        if process is not None and self.spoils.scanner:
            process.scan()
            process.readmit()

    def poll(self, pick: int, by: int) -> None:
        process = self.awake(by)
        if process is not None:
            names = list(process.config.connectors)
            process.poll(names[pick % len(names)])

    def arm(self, kind: str, vendor: str, times: int = 1, *, writes: bool = False) -> None:
        """Let the next calls of a vendor go wrong; ``writes``: only those that write."""
        self.vendors.armed.append(Armed(kind, vendor, times, _writes if writes else _any))

    def replay(self) -> None:
        """Bring every dead letter back, except (once all heals) what can never be done."""
        for name in self.config().connectors:
            books = self.outside(name)
            dead = []
            for one in books.dead(most=1000):
                if self.calm and one.fields.get("cause") == "transition":
                    # The workflow offers no way there, and each try moves the issue about: a person gives it up.
                    self.ring(name, books.discard([one.id], "no way there", "{}")[1])
                else:
                    dead.append(one.id)
            if dead:
                self.witness.failures.clear()
                _, bells = books.replay(dead, '{"action":"replay"}')
                self.ring(name, bells)

    def reload(self, pick: int, options: int) -> None:
        """Let one process (not all at once) follow a changed configuration."""
        self.processes[pick % len(self.processes)].config = self.config(options % len(OPTIONS))

    # --- what is always true ----------------------------------------------------------------------------------
    def check(self) -> None:
        """The accounting identity, at any instant."""
        for name in self.config().connectors:
            counts = self.outside(name).counts()
            if counts["accepted"] != sum(value for key, value in counts.items() if key != "accepted"):
                raise Broken(f"{name}: the accounts do not add up: {counts}")
            if min(counts.values()) < 0:
                raise Broken(f"{name}: less than nothing: {counts}")
        if self.vendors.unruly:
            raise Broken("a vendor had to refuse us for going faster than it allows")
        self.check_effects()

    def check_effects(self) -> None:
        """At most one effect per key; what a landing beyond every deadline doubled is excused, and counted."""
        late = set(self.vendors.landed_late)
        for name, here in self.vendors.benches.items():
            double = [one for one in here.sandbox.ledger.duplicates() if one not in late]
            if double:
                raise Broken(f"{name}: done twice: {double}")

    # --- the end ------------------------------------------------------------------------------------------------
    def heal(self) -> None:
        """No more faults, and people put right what needs people; returns when all is quiet."""
        self.calm = True
        self.vendors.armed.clear()
        self.lost_answers = 0
        for process in self.processes:
            process.frozen_until = 0
        for wait in (5_000, 120_000, *(600_000,) * 6, *(3_600_000,) * 6, *(7_200_000,) * 20):
            before = self.writes()
            self.wait(wait)
            self.round()
            # Only after a while has passed: an index that lags shows a poll later what no webhook told.
            if self.quiet() and wait >= 300_000 and self.writes() == before:
                return
            self.open_gates()
            self.replay()
        states = {name: self.outside(name).counts() for name in self.config().connectors}
        raise Broken(f"it never becomes quiet: {states}")

    def round(self) -> None:
        """Let everything happen once that happens by itself."""
        self.finish()
        self.rounds += 1
        for name in self.config().connectors:
            self.processes[self.rounds % len(self.processes)].poll(name)
        self.finish()
        for number in range(400):
            if number > 50:
                # Whoever waits for a clock to come round (a store's that jumped is noticed within half a minute).
                self.wait(1_000)
            self.vendors.collect()
            for n in range(len(self.vendors.hooks)):
                self.carry(0, n)
            for n in range(len(self.bells)):
                self.answer(0, n)
            self.finish()
            self.vendors.collect()
            if not (self.bells or self.vendors.hooks):
                break
        else:
            raise Broken("the systems never stop telling each other news")
        self.scan(0)
        self.finish()
        for n in range(len(self.bells)):
            self.answer(0, n)
        self.finish()

    def open_gates(self) -> None:
        for name in self.config().connectors:
            books = self.outside(name)
            for gate in books.gates():
                self.ring(name, books.open_gate(gate)[1])

    def quiet(self) -> bool:
        if self.bells or self.vendors.hooks or self.vendors.landing:
            return False
        return all(
            not counts["in_flight"] and not counts["dead"]
            for counts in (self.outside(name).counts() for name in self.config().connectors)
        )

    def writes(self) -> dict[str, int]:
        """Return how much was done in each system."""
        return {name: len(here.sandbox.ledger.effects) for name, here in self.vendors.benches.items()}

    def stays_quiet(self) -> None:
        """Three more rounds write nothing."""
        before = self.writes()
        for _ in range(3):
            self.wait(400_000)
            self.round()
        if self.writes() != before:
            raise Broken(f"it goes on writing when all is done: {before} -> {self.writes()}")
