"""Say how fast a connector is: what it did in each of the last minutes, and how long events took to be written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connector.config import Connector
from workers.desk import Desk

MINUTES: Final = 60
"""Minutes that are shown."""

RATE_OVER: Final = 5
"""Whole minutes that a rate is the mean of; the running one is left out."""

LAG_MS: Final = 125
"""The first step of the lags that the store counts; each next one is twice as long."""

COLUMNS: Final = ("accepted", "delivered", "skipped", "retries", "dead")


@dataclass(frozen=True, slots=True)
class Speed:
    """``minutes``: per name the counts of the last minutes, oldest first; ``rates`` per minute.

    ``lag`` are upper bounds in ms of the time from acceptance to the write, over the minutes shown; 0 where
    nothing was delivered.
    """

    minutes: Mapping[str, Sequence[int]]
    rates: Mapping[str, float]
    lag_p50: int
    lag_p95: int


def speed(desk: Desk, connector: Connector) -> Speed:
    """Look at the last hour of a connector."""
    now = desk.now_ms() // 60_000
    rows = desk.deliveries(connector).minutes(now, MINUTES)
    whole = rows[-1 - RATE_OVER : -1]
    lags: Counter[int] = Counter()
    for row in rows:
        for name, number in row.items():
            if name.startswith("lag:"):
                lags[int(name[4:])] += number
    return Speed(
        {name: [row.get(name, 0) for row in rows] for name in COLUMNS},
        {name: sum(row.get(name, 0) for row in whole) / RATE_OVER for name in COLUMNS},
        quantile(lags, 0.5),
        quantile(lags, 0.95),
    )


def quantile(lags: Mapping[int, int], share: float) -> int:
    """Return the upper bound, in ms, of the step in which the wanted share of deliveries is reached."""
    total, seen = sum(lags.values()), 0
    for step in sorted(lags):
        seen += lags[step]
        if seen >= share * total:
            return int(LAG_MS * 2**step)
    return 0
