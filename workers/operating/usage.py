"""Say what each connector, team and day cost: events, writes, API calls, CPU, bytes, failures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, timedelta
from typing import Any, Final

from connector.config import Connector
from workers.desk import Desk
from workers.stores.usage import CALLS, CPU, RECEIVED, SENT, WRITES, by_connection, day_of, days

BY: Final = ("connector", "team", "day")


@dataclass(frozen=True, slots=True)
class Used:
    """What was used.

    ``events`` were accepted; ``calls`` are API calls that left, polls included, ``writes`` those of them that change
    something; ``cpu`` are seconds of turns and polls; ``sent`` and ``received`` are bytes of API calls on the wire;
    ``dead`` deliveries became dead letters, ``retried`` attempts were put off.
    """

    events: int = 0
    delivered: int = 0
    skipped: int = 0
    writes: int = 0
    calls: int = 0
    cpu: float = 0.0
    sent: int = 0
    received: int = 0
    dead: int = 0
    retried: int = 0

    def __add__(self, other: Used) -> Used:
        return Used(*(getattr(self, name) + getattr(other, name) for name in NAMES))

    def as_json(self) -> dict[str, Any]:
        """Return it as a document."""
        return {**asdict(self), "cpu": round(self.cpu, 3)}


NAMES: Final = tuple(one.name for one in fields(Used))


@dataclass(frozen=True, slots=True)
class Row:
    """What one connector used on one day (UTC)."""

    connector: str
    team: str
    day: date
    used: Used


def used_of(counted: Mapping[str, int]) -> Used:
    """Read what the books counted (`workers.stores.usage.Day`)."""
    return Used(
        events=counted.get("accepted", 0),
        delivered=counted.get("delivered", 0),
        skipped=counted.get("skipped", 0),
        writes=sum(by_connection(counted, WRITES).values()),
        calls=sum(by_connection(counted, CALLS).values()),
        cpu=counted.get(CPU, 0) / 1_000_000,
        sent=counted.get(SENT, 0),
        received=counted.get(RECEIVED, 0),
        dead=counted.get("died", 0),
        retried=counted.get("retries", 0),
    )


def usage(desk: Desk, connectors: Iterable[Connector], last: int) -> list[Row]:
    """Look at the last ``last`` days (UTC), today included; a team is the one that owns the connector today."""
    first = day_of(desk.now_ms()) - timedelta(days=last - 1)
    return [
        Row(one.name, one.owner.team, day.day, used_of(day.counted))
        for one in connectors
        for day in days(desk.deliveries(one))
        if day.day >= first
    ]


def grouped(rows: Sequence[Row], by: str) -> dict[str, Used]:
    """Add rows up by connector, team or day, in order of their names; what belongs to no team is under ``""``."""
    found: defaultdict[str, Used] = defaultdict(Used)
    for row in rows:
        found[str(getattr(row, by))] += row.used
    return dict(sorted(found.items()))
