"""Name what a turn works with, so that the same turn runs in a worker, in a test and in the simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from connector.config import Config, Connector
from connector.mapping import Tools
from connector.ports import Site
from connector.system import System
from workers.holding import Holding
from workers.stores.connections import Connections
from workers.stores.deliveries import Deliveries
from workers.stores.records import Bell
from workers.stores.stops import Stop
from workers.turns import Turns


class Post(Protocol):
    """Opens sites: a connection with its credentials, limits and deadlines."""

    def __call__(self, connection: str, until: float, /) -> Site:
        """Return a site whose calls may not end later than ``until`` (monotonic seconds)."""
        ...


class Quarantine(Protocol):
    """Tries suspects where their death harms nobody else; see `workers.quarantine`."""

    def able(self) -> bool:
        """Tell whether one could be started now."""
        ...

    def start(self) -> None:
        """Start one; returns at once, never raises."""
        ...

    def died(self) -> tuple[str, ...]:
        """Return the names of those that have died and not been `reported` yet, without waiting."""
        ...

    def reported(self, names: Sequence[str], /) -> None:
        """Note that the store knows of these deaths."""
        ...


@dataclass(slots=True)
class Desk:
    """Everything a turn needs; see `workers.wiring` for the real one.

    ``config`` returns the configuration in force; ``ring`` sends doorbells of a connector; ``record``
    hands a finished audit row to its sink; ``buried`` tells the outside (alerts, Flower) of a dead
    letter, ``held`` of a gate that was shut for a cause, by its error, cause, place and message;
    ``now`` is the wall clock, ``ticks`` monotonic seconds; ``jitter`` random in [0, 1); ``stopping``
    turns true on SIGTERM.
    """

    config: Callable[[], Config]
    systems: Mapping[str, System]
    tools: Tools
    deliveries: Callable[[Connector], Deliveries]
    connections: Connections
    site: Post
    ring: Callable[[Connector, Sequence[Bell]], None]
    record: Callable[[Mapping[str, Any]], None]
    now: Callable[[], datetime]
    ticks: Callable[[], float]
    jitter: Callable[[], float]
    stopping: Callable[[], bool] = bool
    buried: Callable[[Connector, str, Mapping[str, str]], None] = lambda *_: None
    held: Callable[[Connector, str, Mapping[str, str]], None] = lambda *_: None
    holding: Holding = field(default_factory=Holding)
    turn: timedelta = timedelta(seconds=10)
    call: timedelta = timedelta(seconds=30)
    probe: timedelta = timedelta(seconds=30)
    """How often a paused credential is tried."""
    backoff: timedelta = timedelta(seconds=5)
    """The first wait after a failure, of a delivery and of the breaker."""
    crowded: Callable[[Connector], bool] = lambda _: False
    """Whether a turn of a connector should end, so that others find a thread; see `workers.threads`."""
    proven: dict[str, float] = field(default_factory=dict)
    """Connections whose credential was tried and found good -> until when (ticks) that is believed."""
    versions: set[tuple[str, str]] = field(default_factory=set)
    """Versions of connectors (uid, name) that the store knows of."""
    failing: set[str] = field(default_factory=set)
    """Connections with failures since their last success, as far as this process knows."""
    turns: Turns = field(default_factory=Turns)
    """The turns that run in this process."""
    stops: Callable[[Connector], Stop | None] = lambda _: None
    """The switch that a person has thrown to stop a connector; see `workers.stopping`."""
    working: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext()
    """Counts the CPU of a block to a connector (uid); see `workers.metering`."""
    days: dict[str, int] = field(default_factory=dict)
    """The last day (since 1970) whose beginning is in a connector's books, by uid, as far as this process knows."""
    quarantine: Quarantine | None = None
    """Where suspects are tried; None in a process that could not start one."""

    def now_ms(self) -> int:
        """Return the wall clock in ms."""
        return int(self.now().timestamp() * 1000)

    def system_of(self, config: Config, connection: str) -> System:
        """Return the system of a connection."""
        return self.systems[config.connections[connection].system]
