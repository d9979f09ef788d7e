"""Say what a number of events a day needs, from what events have cost: workers, API budget, room in the store.

Everything is linear in the number of events but polls, which cost the same on a quiet day.  What is asked for is an
average day; its busiest hour is ``peak`` times the mean.  Costs are those of the last days; where there were too few
events to know them they are `DEFAULT`, measured by ``connector bench`` and written down in ``docs/benchmarks.md``
and ``docs/delivery.md``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from math import ceil
from typing import Any, Final

from connector.config import Config, Connector
from workers.buckets import by_entity
from workers.desk import Desk
from workers.operating.budget import words
from workers.stores.durability import room
from workers.stores.usage import BUSY, CALLS, CPU, POINTS, WRITES, by_connection, day_of, days

DAY: Final = 86_400.0
ENOUGH: Final = 100
"""Events from which on their costs are believed."""

BUSY_PART: Final = 0.7
"""How much of threads, processors and concurrency is planned for: where all are busy, everybody waits."""

BELL: Final = 0.0008
"""CPU of a worker for an event beside its turn, in seconds, where each is a Celery task of its own (measured at 300 a
second: 0.73 ms beside 1.30; in a backlog, where a turn serves many, 0.02)."""

WAITING_BYTES: Final = 1_400
SETTLED_BYTES: Final = 1_760
LINK_BYTES: Final = 520
"""Room in the store for a delivery that waits, one that is settled (for as long as marks and effects are kept), and the
link of an item, which stays (docs/benchmarks.md, *Room in the store*)."""

KEPT_DAYS: Final = 30
LINK_DAYS: Final = 365
"""Links are kept for ever: a year of them is counted."""

STORE_FULL: Final = 0.8
"""From this part of the store's ``maxmemory`` on nothing new is accepted."""

DISK: Final = 3
"""The append-only file may grow to twice the data before it is written anew, beside which the old one stays."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one event costs.

    ``cpu`` and ``busy`` are seconds of turns and of a thread; ``calls``, ``writes`` and ``points`` by connection, of
    deliveries only; ``polls`` are calls by connection and day, whatever happens.  ``events`` is what they were measured
    over, 0 where they are the default's.
    """

    cpu: float
    busy: float
    calls: Mapping[str, float]
    writes: Mapping[str, float]
    points: Mapping[str, float]
    polls: Mapping[str, float] = field(default_factory=dict)
    events: int = 0
    days: int = 1
    """Days that ``events`` came in."""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that is needed: how much, how much there is, and from how many events a day on that is too little.

    ``have`` and ``binds_at`` are None where there is no bound.
    """

    what: str
    where: str
    needed: float
    have: float | None
    unit: str
    binds_at: int | None


@dataclass(frozen=True, slots=True)
class Capacity:
    """What ``events`` a day need; ``first`` is what is too little first.

    ``processes`` workers of ``threads`` threads in all, at a peak of ``rate`` events a second.
    """

    events: int
    peak: float
    rate: float
    threads: int
    processes: int
    needs: tuple[Need, ...]
    first: Need | None
    measured: Mapping[str, int]
    """Events that the costs of each connector were measured over; 0: the default's."""

    def as_json(self) -> dict[str, Any]:
        """Return it as a document."""
        return asdict(self)


def cost(desk: Desk, connector: Connector, last: int) -> Cost:
    """Return what an event of a connector has cost in the last ``last`` days, or what it does elsewhere."""
    first = day_of(desk.now_ms()) - timedelta(days=last - 1)
    counted: Counter[str] = Counter()
    known = 0
    for day in days(desk.deliveries(connector)):
        if day.day >= first:
            counted.update(day.counted)
            known += 1
    events, source, target = counted["accepted"], connector.source.connection, connector.target.connection
    made = by_connection(counted, CALLS)
    if events < ENOUGH or not made:
        # A new issue in Jira, the dearest of what is common: created, read back, linked (docs/delivery.md).
        return Cost(0.0014, 0.6, {target: 3.0}, {target: 2.0}, {target: 3.0}, {source: _polls(connector)})
    own, points = by_connection(counted, "calls:"), by_connection(counted, POINTS)
    return Cost(
        cpu=counted[CPU] / 1e6 / events,
        busy=(counted[BUSY] / 1e3 + counted[CPU] / 1e6) / events,
        calls={name: number / events for name, number in own.items()},
        writes={name: number / events for name, number in by_connection(counted, WRITES).items()},
        points={name: own.get(name, 0) / events * points.get(name, 0) / max(1, made[name]) for name in made},
        polls={name: max(0, number - own.get(name, 0)) / known for name, number in made.items()},
        events=events,
        days=known,
    )


def _polls(connector: Connector) -> float:
    every = connector.poll_every.total_seconds()
    return DAY / every if every else 0.0


def capacity(
    desk: Desk,
    config: Config,
    connectors: Sequence[Connector],
    *,
    events: int,
    peak: float,
    last: int,
    threads: int,
) -> Capacity:
    """Say what ``events`` a day of these connectors together need; ``threads`` are those of one worker process.

    They are divided between connectors as their events of the last days were, evenly where there were none.  What
    other connectors take of the same limits is what they took in these days.
    """
    costs = {one.name: cost(desk, one, last) for one in connectors}
    others = [cost(desk, one, last) for one in config.connectors.values() if one.name not in costs]
    return _Reckoning(desk, config, connectors, costs, others, events=events, peak=peak).result(threads)


@dataclass(frozen=True, slots=True)
class _Reckoning:
    desk: Desk
    config: Config
    connectors: Sequence[Connector]
    costs: Mapping[str, Cost]
    others: Sequence[Cost]
    events: int
    peak: float

    def result(self, threads: int) -> Capacity:
        rate, shares = self.events / DAY * self.peak, self.shares()
        busy = sum(share * self.costs[name].busy for name, share in shares.items())
        cpu = sum(share * self.costs[name].cpu for name, share in shares.items()) + BELL
        wanted = max(1, ceil(rate * busy / BUSY_PART))
        needs = (*self.apis(shares), *self.turns(shares), *self.room())
        bounds = [one for one in needs if one.binds_at is not None]
        return Capacity(
            events=self.events,
            peak=self.peak,
            rate=round(rate, 4),
            threads=wanted,
            processes=max(1, ceil(wanted / threads), ceil(rate * cpu / BUSY_PART)),
            needs=needs,
            first=min(bounds, key=lambda one: one.binds_at or 0, default=None),
            measured={name: one.events for name, one in self.costs.items()},
        )

    def shares(self) -> dict[str, float]:
        """Return the part of the events that each connector gets."""
        total = sum(one.events for one in self.costs.values())
        return {name: one.events / total if total else 1 / len(self.costs) for name, one in self.costs.items()}

    def apis(self, shares: Mapping[str, float]) -> Iterator[Need]:
        """Hold calls against the limits of every connection."""
        for name in sorted({name for one in self.costs.values() for name in (*one.calls, *one.polls)}):
            connection = self.config.connections.get(name)
            if connection is None:
                continue
            each, taken = self.calls(name, shares)
            polls = sum(one.polls.get(name, 0.0) for one in (*self.costs.values(), *self.others))
            made = self.desk.connections.calls(name)
            for limit in self.desk.system_of(self.config, name).limits(connection.settings):
                if by_entity(limit):
                    continue
                kind = "writes" if limit.endpoint == "write" else "points" if limit.unit == "points" else "calls"
                every = limit.endpoint in {"*", "write"}
                part = 1.0 if every else made.get(limit.endpoint, 0) / max(1, sum(made.values()))
                of_day = part * limit.per.total_seconds() / DAY
                # A limit over a day or more sees no peak.
                peak = self.peak if limit.per < timedelta(days=1) else 1.0
                fixed = taken[kind] * of_day * peak + (0.0 if kind == "writes" else polls * of_day)
                if each[kind] * of_day or fixed:
                    yield self.need(
                        words(limit), name, each[kind] * of_day * peak, limit.unit, fixed=fixed, have=limit.amount
                    )

    def calls(self, name: str, shares: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
        """Return what an event costs a connection, and what other connectors take of it in a day."""
        kinds = ("calls", "writes", "points")
        each = {
            kind: sum(share * getattr(self.costs[one], kind).get(name, 0.0) for one, share in shares.items())
            for kind in kinds
        }
        taken = {
            kind: sum(one.events / one.days * getattr(one, kind).get(name, 0.0) for one in self.others)
            for kind in kinds
        }
        return each, taken

    def turns(self, shares: Mapping[str, float]) -> Iterator[Need]:
        """Hold the items that are worked on at once against each connector's concurrency."""
        for one in self.connectors:
            of_event = shares[one.name] * self.peak / DAY * self.costs[one.name].busy
            yield self.need("items at once", one.name, of_event, "items", have=one.concurrency * BUSY_PART)

    def room(self) -> Iterator[Need]:
        """Say how much room the store needs."""
        used, most = room(self.desk.connections.client)
        # What is there now is of the same events, unless other connectors fill the store too.
        have = most * STORE_FULL - (used if self.others else 0) if most else None
        # An hour of the peak may wait: a target that is away.
        of_event = KEPT_DAYS * SETTLED_BYTES + LINK_DAYS * LINK_BYTES + self.peak / 24 * WAITING_BYTES
        yield self.need("memory", "store", of_event, "bytes", have=have)
        yield self.need("disk", "store", of_event * DISK, "bytes")

    def need(
        self, what: str, where: str, of_event: float, unit: str, *, fixed: float = 0.0, have: float | None = None
    ) -> Need:
        """Reckon how much is needed, and from how many events a day on there is too little."""
        binds = None if have is None or not of_event else int(max(0.0, have - fixed) / of_event)
        needed = fixed + of_event * self.events
        return Need(what, where, round(needed, 3), None if have is None else round(have, 3), unit, binds)
