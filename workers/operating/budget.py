"""Say what is left of each connection's limits, which endpoint classes are closed, and how its breaker stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from connector.config import Config
from connector.system import Limit
from workers.buckets import buckets_of
from workers.desk import Desk
from workers.stores.connections import State


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of one limit: ``left`` of ``most`` units that may be taken at once; ``limit`` in words."""

    limit: str
    left: int
    most: int


@dataclass(frozen=True, slots=True)
class Budget:
    """How one connection stands.  Times are ms since 1970; 0 where there is none.

    ``breaker`` is ``shut``, ``open``, or ``half open`` (calls are let through by count, ``probes`` says how).
    ``classes`` are the endpoint classes that the target has closed: {class: {until, why}}.
    """

    connection: str
    breaker: str
    probes: str = ""
    closed_until: int = 0
    why: str = ""
    classes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    limits: tuple[Remaining, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a document."""
        return asdict(self)


def budgets(desk: Desk, config: Config, names: Iterable[str]) -> dict[str, Budget]:
    """Look at connections, by name; nothing is taken."""
    wanted = sorted(set(names))
    states = desk.connections.states(*wanted) if wanted else {}
    return {name: _budget(desk, config, name, states[name]) for name in wanted}


def _budget(desk: Desk, config: Config, name: str, state: State) -> Budget:
    now = desk.now_ms()
    kept = buckets_of(desk.system_of(config, name).limits(config.connections[name].settings))
    left = desk.connections.left(name, [bucket for _, bucket in kept])
    closed = state.closed_until > now
    breaker, probes = "shut", ""
    if state.kind == "breaker":
        breaker = "open" if closed else "half open"
        if state.probes and not closed:
            probes = f"{state.probes.round - state.probes.left} of {state.probes.round} probes out"
            probes += f", {state.probes.good} went well"
    return Budget(
        connection=name,
        breaker=breaker,
        probes=probes,
        closed_until=state.closed_until if closed else 0,
        why=state.why if closed or breaker != "shut" else "",
        classes={
            endpoint: {"until": one.until, "why": one.why}
            for endpoint, one in sorted(state.classes.items())
            if one.until > now
        },
        limits=tuple(Remaining(words(limit), left[bucket.name], bucket.burst) for limit, bucket in kept),
    )


def words(limit: Limit) -> str:
    """Name a limit for people."""
    which = {"*": "all", "write": "writing"}.get(limit.endpoint, limit.endpoint)
    return f"{which}: {limit.amount} {limit.unit} in {_span(limit.per)}"


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
