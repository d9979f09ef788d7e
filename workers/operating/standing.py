"""Say how each connector stands: what it is doing, what waits, and why it does not go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from connector.config import Config, Connector, Mode
from workers.desk import Desk
from workers.examination import Examined, examined
from workers.operating.usage import Used, used_of
from workers.resting import Rest, rest_of
from workers.stores.connections import State
from workers.stores.deliveries import Deliveries

SAMPLE: Final = 20
"""Subjects of each lane that are asked for the age of what waits in them."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one connector stands.  Times are ms since 1970; 0 where there is none.

    ``state`` is one word: ``running``, ``shadow``, ``stopped`` (by a switch: it, its team or all), ``paused`` (by a
    person or its configuration), ``maintenance`` (of a connection), ``quiet`` (its hours), ``refused``
    (a credential), ``open`` (the breaker of a connection), ``throttled`` (a limit), ``closed`` (until a
    moment, for another reason); ``restored``, ``lost`` or ``rebuild`` (the store went back in time, is empty, is
    being rebuilt).  ``held`` are the gates that subjects wait behind, whatever the state.
    """

    connector: str
    team: str
    state: str
    why: str = ""
    since: int = 0
    until: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    tally: Mapping[str, int] = field(default_factory=dict)
    backlog: Mapping[str, int] = field(default_factory=dict)
    oldest: int = 0
    """When the oldest delivery was accepted that is known to wait (the first of each lane are looked at)."""
    held: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    connections: Mapping[str, State] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    """API calls that deliveries took, by connection."""
    used: Used = field(default_factory=Used)
    """What was used on its behalf so far, polls included."""
    calls_each: float | None = None
    """The same per delivery that came to its end (delivered, skipped or dead); None before the first."""

    examined: Examined | None = None
    """What the last examination of its target found; None before the first."""

    conflicts: int = 0
    """Fields that a person must decide, of a two-way connector."""

    def as_json(self) -> dict[str, Any]:
        """Return it as a document."""
        return asdict(self)


def standing(desk: Desk, connector: Connector, *, states: Mapping[str, State] | None = None) -> Standing:
    """Look at one connector; ``states`` are those of its connections, where they are known already."""
    books = desk.deliveries(connector)
    names = (connector.source.connection, connector.target.connection)
    known = states if states is not None else desk.connections.states(*names)
    mine = {name: known[name] for name in dict.fromkeys(names)}
    condition = books.condition()
    counts, tally, totals = books.counts(), books.tally(), books.totals()
    ended = counts["delivered"] + counts["skipped"] + counts["dead"]
    rest = rest_of(desk, desk.config(), connector)
    state, why, since, until = _state(connector, condition, mine, desk.now_ms(), rest=rest)
    return Standing(
        connector=connector.name,
        team=connector.owner.team,
        state=state,
        why=why,
        since=since,
        until=until,
        counts=counts,
        tally=tally,
        backlog=books.backlog(),
        oldest=_oldest(books),
        held=books.gates(),
        connections=mine,
        calls={name.removeprefix("calls:"): number for name, number in totals.items() if name.startswith("calls:")},
        used=used_of(totals),
        calls_each=round(tally["calls"] / ended, 2) if ended else None,
        examined=examined(books),
        conflicts=books.open_questions() if connector.back is not None else 0,
    )


def all_standings(desk: Desk, config: Config) -> list[Standing]:
    """Look at every connector, by name."""
    if not config.connectors:
        return []
    names = {name for one in config.connectors.values() for name in (one.source.connection, one.target.connection)}
    states = desk.connections.states(*sorted(names))
    return [standing(desk, config.connectors[name], states=states) for name in sorted(config.connectors)]


_HALTED: Final[Mapping[str, tuple[str, str]]] = {
    "restored": ("restored", "the store went back in time; what it may have forgotten is being looked for"),
    "lost": ("lost", "the store has forgotten everything: connector rebuild"),
    "rebuild": ("rebuild", "connector rebuild is at it, or was interrupted: run it again"),
}
"""Why books are halted -> (state, what is being done about it)."""


def _state(
    connector: Connector, condition: Mapping[str, str], states: Mapping[str, State], now: int, *, rest: Rest | None
) -> tuple[str, str, int, int]:
    """Return (state, why, since, until); what a person must mend comes before what passes by itself."""
    if halted := condition.get("halted"):
        return _HALTED[halted][0], _HALTED[halted][1], int(float(condition.get("halted_at") or 0)), 0
    if rest is not None and rest.state in {"stopped", "paused"}:
        return rest.state, rest.why, rest.since, rest.until
    words = {"paused": "refused", "breaker": "open", "limit": "throttled"}
    open_at, why = int(float(condition.get("open_at") or 0)), condition.get("open_why", "")
    if open_at > now and why.startswith("paused by "):
        return "paused", why, 0, 0
    if rest is not None:
        return rest.state, rest.why, rest.since, rest.until
    for kind in ("paused", "breaker", "limit"):
        for name, one in states.items():
            if one.kind == kind and (one.closed_until > now or kind == "paused"):
                return words[kind], f"{name}: {one.why}", one.since, one.closed_until
    if open_at > now:
        return ("throttled" if "no tokens left" in why else "closed"), why, 0, open_at
    return ("shadow" if connector.mode is Mode.SHADOW else "running"), _unserved(connector, condition), 0, 0


def _unserved(connector: Connector, condition: Mapping[str, str]) -> str:
    """Say where nobody answers: a doorbell is rung again only when it has expired (`RING_SECONDS`)."""
    bells = int(float(condition.get("unanswered") or 0))
    if bells <= connector.concurrency:
        return ""
    return (
        f"no worker has answered its last {bells} doorbells: is one running that serves it, and has it a free thread?"
    )


def _oldest(books: Deliveries) -> int:
    ages = [letter.at for letter in books.first_waiting(each=SAMPLE)]
    return min(ages, default=0)
