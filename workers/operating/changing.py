"""Say what a configuration would change: field by field, what is open, what is dead, and what to think of first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from connector.comparing import Comparison, Difference, Said, compare
from connector.config import Config
from connector.rings import siblings
from workers.desk import Desk
from workers.operating.forecast import forecast
from workers.operating.letters import Filter, Group, find, grouped
from workers.stores.deliveries import Deliveries

TRIED: Final = 2
"""Dead letters of one cause that are tried with the new configuration; each costs a few reads of the systems."""

CAUSES: Final = 10
"""Causes of one connector that are tried."""

DECIDES: Final = frozenset(
    {"from", "to", "when", "mapping", "comments", "messages", "references", "create", "relate", "template"}
)
"""Parts of a connector that decide on what is written; the others on how fast, by whom and how often."""


@dataclass(frozen=True, slots=True)
class Open:
    """Deliveries of a connector that are not settled, by where they are, and its dead letters.

    ``ready`` and ``due`` are items, ``held`` those behind gates; ``in_flight`` are deliveries, and count all of these.
    """

    in_flight: int = 0
    ready: int = 0
    due: int = 0
    held: int = 0
    dead: int = 0
    known: bool = False
    """Whether the store has ever seen this connector."""

    @property
    def words(self) -> str:
        """The numbers as people read them."""
        parts = [f"{self.ready} ready", f"{self.due} due later", f"{self.held} held"]
        told = f"{self.in_flight} open deliveries" + (f" (items: {', '.join(parts)})" if self.in_flight else "")
        return f"{told}, {self.dead} dead letters"


@dataclass(frozen=True, slots=True)
class Revival:
    """Dead letters of one cause in a changed part: of ``tried`` ones so many (``passing``) would now be delivered."""

    group: str
    error: str
    cause: str
    fields: tuple[str, ...]
    letters: int
    tried: int
    passing: int
    failure: str = ""

    @property
    def words(self) -> str:
        """The judgement as a line."""
        what = " ".join(one for one in (self.error, self.cause, ", ".join(self.fields)) if one)
        if self.passing:
            told = f"would now be delivered ({self.passing} of {self.tried} tried): connector dead replay"
            return f"{self.letters} dead letters ({what}) {told} --group {self.group}"
        return f"{self.letters} dead letters ({what}) would still fail: {self.failure}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change.  ``number`` is the version in force, 0 where none is published; hashes name what is said."""

    comparison: Comparison
    before: str
    after: str
    number: int = 0
    draining: tuple[str, ...] = ()
    """Connectors that the version in force lets finish; what is applied next ends that."""
    open: Mapping[str, Open] = field(default_factory=dict)
    """Stable name -> what is open; {} where nobody looked."""
    users: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Changed connection -> the connectors that use it."""
    revivals: Mapping[str, tuple[Revival, ...]] = field(default_factory=dict)
    """Stable name -> what becomes of its dead letters."""
    warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.comparison or self.draining)

    @property
    def abandoned(self) -> tuple[Difference, ...]:
        """Connectors that would be removed although deliveries of theirs are open."""
        gone = (one for one in self.comparison.connectors if one.what == "removed")
        return tuple(one for one in gone if self.open.get(one.uid, Open()).in_flight)

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "before": self.before,
            "after": self.after,
            "version": self.number,
            "changes": bool(self),
            "draining": list(self.draining),
            "connectors": [self._one(one) for one in self.comparison.connectors],
            "connections": [
                {**_told(one), "used_by": list(self.users.get(one.name, ()))} for one in self.comparison.connections
            ],
            "instance": self.comparison.instance.as_json() if self.comparison.instance else None,
            "warnings": list(self.warnings),
        }

    def _one(self, one: Difference) -> dict[str, Any]:
        found = self.open.get(one.uid)
        revivals = self.revivals.get(one.uid, ())
        return {
            **_told(one),
            "uid": one.uid,
            "formerly": one.formerly,
            "open": asdict(found) if found else None,
            "dead_letters": [asdict(each) for each in revivals],
        }


def _told(one: Difference) -> dict[str, Any]:
    return {"name": one.name, "change": one.what, "fields": [each.as_json() for each in one.fields]}


def plan(
    before: Said,
    after: Said,
    config: Config,
    *,
    hashes: tuple[str, str],
    number: int = 0,
    draining: tuple[str, ...] = (),
    look: Callable[[str], Open] | None = None,
    desk: Desk | None = None,
) -> Plan:
    """Compare what is in force with what would be; ``config`` is the latter, loaded.

    ``look`` asks the store what is open of a connector, by its stable name.  ``desk`` works with the new
    configuration and tries dead letters with it, without writing; None tries none.
    """
    found = compare(before, after)
    opened = {one.uid: look(one.uid) for one in found.connectors} if look else {}
    users = {one.name: tuple(_users(one.name, before, after)) for one in found.connections}
    revivals = {}
    for one in found.connectors if desk is not None else ():
        if one.what in {"changed", "renamed"} and one.touches(*DECIDES) and opened.get(one.uid, Open()).dead:
            revivals[one.uid] = tuple(_revivals(desk, config, one)) if desk is not None else ()
    warnings = tuple(_warnings(found, before, after, config, opened))
    return Plan(
        found,
        *hashes,
        number=number,
        draining=draining,
        open=opened,
        users=users,
        revivals=revivals,
        warnings=warnings,
    )


def open_of(store: Deliveries) -> Open:
    """Look at the books of a connector, without entering it."""
    counts, backlog = store.counts(), store.backlog()
    return Open(
        in_flight=counts["in_flight"],
        ready=sum(backlog[lane] for lane in ("live", "replay", "backfill")),
        due=backlog["due"],
        held=sum(int(gate["parked"]) for gate in store.gates().values()),
        dead=counts["dead"],
        known=bool(store.activated() or counts["accepted"]),
    )


def _users(connection: str, *both: Said) -> Iterator[str]:
    names = {
        name
        for said in both
        for name, one in said.connectors.items()
        for end in ("from", "to")
        if isinstance(one.get(end), dict) and one[end].get("connection") == connection
    }
    yield from sorted(names)


# --- dead letters --------------------------------------------------------------------------------------------
def _revivals(desk: Desk, config: Config, one: Difference) -> Iterator[Revival]:
    connector = config.connectors[one.name]
    dead = find(desk, config, Filter(connector=one.name), [connector])
    groups = [group for group in grouped(dead) if group.error != "Ambiguous" and _in_changed_part(one, group)]
    for group in groups[:CAUSES]:
        letters = [letter for letter in dead if letter.group == group.name][:TRIED]
        trials = forecast(desk, connector, letters, tried=TRIED).trials
        if trials:
            yield Revival(
                group=group.name,
                error=group.error,
                cause=group.cause,
                fields=group.wrong,
                letters=group.count,
                tried=len(trials),
                passing=sum(1 for trial in trials if not trial.failure),
                failure=next((trial.failure for trial in trials if trial.failure), ""),
            )


def _in_changed_part(one: Difference, group: Group) -> bool:
    """Tell whether what letters died of may be mended by this change.

    Where only the mapping changed, and it names the fields at fault by the names that the mapping has, one of them
    must be among the changed ones.
    """
    if one.touches(*(DECIDES - {"mapping"})) or not group.wrong:
        return True
    # Some targets name fields by ids of theirs, which tells nothing of the names in a mapping.
    if any(name.casefold().startswith("customfield") or name.isdigit() for name in group.wrong):
        return True
    changed = [each.path.casefold().removeprefix("mapping.") for each in one.fields]
    named = [name.casefold() for name in group.wrong]
    return any(path == name or path.startswith(f"{name}.") for path in changed for name in named)


# --- warnings ------------------------------------------------------------------------------------------------
def _warnings(
    found: Comparison, before: Said, after: Said, config: Config, opened: Mapping[str, Open]
) -> Iterator[str]:
    removed = [one for one in found.connectors if one.what == "removed"]
    for one in found.connectors:
        mine, was = opened.get(one.uid, Open()), before.connectors.get(one.formerly or one.name, {})
        said = after.connectors.get(one.name, {})
        match one.what:
            case "removed" if mine.in_flight:
                told = "apply --drain delivers them first, --abandon keeps them for when it is declared again"
                yield f"{one.name}: is removed with {mine.in_flight} open deliveries; {told}"
            case "added":
                alike = [each for each in removed if _ends_of(before.connectors[each.name]) == _ends_of(said)]
                yield from _of_added(one, said, mine, alike)
            case "changed" | "renamed":
                yield from _of_changed(one, was, said, mine)
        if one.what == "added" or one.touches("from", "to"):
            yield from _two_way(one, before, config)
    for each in found.connections:
        if each.touches("url", "system", "flavour"):
            told = "links and cursors are kept, so it must be the same site as before"
            yield f"{each.name}: is another address or system now; {told}"
    if found.instance is not None:
        yield "instance: changes, so markers of before are not ours any more: what was written is not found again"


def _of_added(one: Difference, said: Mapping[str, Any], mine: Open, alike: list[Difference]) -> Iterator[str]:
    for other in alike:
        told = f"has the ends of {other.name}, which is removed: if it is the same one say renamed_from: {other.name}"
        yield f"{one.name}: {told}, or its links, cursors and waiting deliveries stay behind"
    if one.uid != one.name and not mine.known:
        yield f"{one.name}: renamed_from: {one.uid}, but nothing is known here of a connector {one.uid}"
    if mine.in_flight:
        yield f"{one.name}: was declared before; its {mine.in_flight} parked deliveries go on"
    if said.get("mode", "live") == "live":
        yield f"{one.name}: is live at once; mode: shadow first shows what it would write"


def _of_changed(one: Difference, was: Mapping[str, Any], said: Mapping[str, Any], mine: Open) -> Iterator[str]:
    modes = was.get("mode", "live"), said.get("mode", "live")
    if modes[0] != modes[1] == "live":
        waiting = f"; its {mine.in_flight} open deliveries are written" if mine.in_flight else ""
        yield f"{one.name}: begins to write{waiting}"
    if one.touches("to"):
        yield f"{one.name}: writes to another place; items that are linked already stay where they are"
    if one.what == "renamed":
        told = "workers that plain Celery started with -Q need the new name"
        yield f"{one.name}: its queue is connector.{one.name}; {told}"


def _two_way(one: Difference, before: Said, config: Config) -> Iterator[str]:
    """Tell of pairs of connectors that write into each other's source, and did not before."""
    for other, opposite in siblings(config, config.connectors[one.name]) if one.name in config.connectors else ():
        mine, theirs = before.connectors.get(one.formerly or one.name), before.connectors.get(other.name)
        was = mine and theirs and _between(mine) == _between(theirs)[::-1]
        if opposite and not was:
            told = "each writes where the other reads; map a field both ways only where both sides may change it"
            yield f"{one.name}: goes the other way than {other.name}: {told}"


def _ends_of(one: Mapping[str, Any]) -> tuple[Any, Any]:
    return one.get("from"), one.get("to")


def _between(one: Mapping[str, Any]) -> tuple[Any, Any]:
    source, target = _ends_of(one)
    return (source or {}).get("connection"), (target or {}).get("connection")
