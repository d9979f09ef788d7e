"""Say what is wrong with a connector now, cause by cause, and what has changed since its owner was told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from connector.config import Config, Connector
from connector.documents import written
from workers.desk import Desk
from workers.examination import Examined
from workers.holding import BRAKE_GATE
from workers.operating.care import Care, Stage, care_of, told
from workers.operating.letters import Filter, Group, find, grouped
from workers.operating.meaning import meaning_of
from workers.operating.metrics import expiry
from workers.operating.questions import questions
from workers.operating.standing import standing

GROWN: Final = 10
"""How many times as large a group must be as when its owner was last told, to be told again."""

UNATTENDED: Final = timedelta(hours=1)
"""After how long a group that nobody has taken is told again, once."""

EXPIRES: Final = (timedelta(days=1), timedelta(days=7), timedelta(days=30))
"""How long before the declared end of a credential its owner is told, each once."""


HOURLY: Final = timedelta(hours=1)
"""How often at most the owner is told that more fields wait for a decision."""

ITEMS: Final = 5
"""Fields that a message names."""


class News(StrEnum):
    """Why somebody is told."""

    OPENED = "opened"
    GREW = "grew"
    WAITS = "waits"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong.  ``key`` names it for ever; ``count`` deliveries are hit, ``since`` is ms.

    ``page`` is the path of its page in Flower, ``heading`` its heading in the runbook.  ``latest`` (ms) is when the
    newest of what it is about came, where each is news, told once an hour at most.  ``of`` is what is counted.
    """

    key: str
    title: str
    says: str
    act: str
    heading: str
    count: int = 0
    since: int = 0
    items: tuple[str, ...] = ()
    page: str = ""
    attended: bool = False
    latest: int = 0
    of: tuple[str, str] = ("delivery", "deliveries")


@dataclass(frozen=True, slots=True)
class Told:
    """What the owner was last told of a cause; ``at`` and ``first`` are ms."""

    title: str
    count: int
    at: int
    first: int
    waits: bool = False
    page: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to tell: why, of which cause, and what to remember (None: forget it)."""

    news: News
    key: str
    cause: Cause | None
    before: Told | None
    after: Told | None


def causes(desk: Desk, config: Config, connector: Connector) -> list[Cause]:
    """Look at everything that may need the owner of a connector."""
    books = desk.deliveries(connector)
    care = care_of(books)
    found = [_group(one, care) for one in grouped(find(desk, config, Filter(), [connector]))]
    found += _held(connector, books.gates())
    how = standing(desk, connector)
    if how.state == "refused":
        found.append(
            Cause(
                key=f"refused:{how.why.partition(':')[0]}",
                title="A credential is refused",
                says=how.why,
                act="Put a new credential where the connection's auth: points; everything goes on by itself.",
                heading="ConnectorCredentialRefused",
                count=how.counts["in_flight"],
                since=how.since,
                page=f"/connectors/{connector.name}",
            )
        )
    found += _drifted(connector, how.examined)
    found += _asked(desk, connector)
    return found + list(_expiring(desk, config, connector))


def _group(group: Group, care: Mapping[str, Care]) -> Cause:
    mine = told(care, group)
    meaning = meaning_of(group.error)
    what = " · ".join(one for one in (group.error, group.cause, ", ".join(group.wrong)) if one)
    return Cause(
        # A group that came back after it was resolved is news again.
        key=f"dead:{group.name}" + (f":{mine.at}" if mine.relapsed else ""),
        title=what + (" (it came back)" if mine.relapsed else ""),
        says=group.message,
        act=meaning.act,
        heading=meaning.heading,
        count=group.count,
        since=group.first,
        items=group.keys,
        page=f"/dead-letters?group={group.name}",
        attended=mine.stage is not Stage.OPEN,
    )


def _held(connector: Connector, gates: Mapping[str, Mapping[str, object]]) -> Iterable[Cause]:
    for name, gate in gates.items():
        if name == BRAKE_GATE and gate.get("parked"):
            yield Cause(
                key=f"held:{name}:{gate.get('since', '')}",
                title="A new connector has created much and waits to be confirmed",
                says=str(gate.get("why", "")),
                act=f"Look at what it created; if it is right: connector resume {connector.name}",
                heading="ConnectorHeld",
                count=int(str(gate["parked"])),
                since=int(float(str(gate.get("since", 0)))),
                page=f"/connectors/{connector.name}",
            )
        elif gate.get("about") and gate.get("parked"):
            yield Cause(
                key=f"held:{name}",
                title="Deliveries are held for one cause",
                says=str(gate.get("why", "")),
                act="Mend the cause; one of them is tried now and then, and when it succeeds all go on.",
                heading="ConnectorHeld",
                count=int(str(gate["parked"])),
                since=int(float(str(gate.get("since", 0)))),
                page=f"/connectors/{connector.name}",
            )


def _drifted(connector: Connector, last: Examined | None) -> Iterable[Cause]:
    """Say what of a connector no longer fits its target; whoever owns it is the one to take it."""
    for one in last.problems if last is not None else ():
        path = written(one.path)
        yield Cause(
            key=f"drift:{path}:{one.cause}",
            title=f"{path} does not fit the target",
            says=one.text,
            act=f"{one.act[:1].upper()}{one.act[1:]}." if one.act else "Run connector check --live, and mend it.",
            heading="ConnectorDrifts",
            since=last.at if last is not None else 0,
            page=f"/connectors/{connector.name}",
            attended=True,
        )


def _asked(desk: Desk, connector: Connector) -> Iterable[Cause]:
    """Say what waits for a decision: all of it is one cause, so that a flood of conflicts is none of messages."""
    found = list(questions(desk, [connector]))
    if found:
        newest = sorted(found, key=lambda one: one.conflict.at, reverse=True)
        yield Cause(
            key="conflicts",
            title="What both sides changed",
            says="; ".join(dict.fromkeys(one.why for one in newest)),
            act=f"Decide which value holds: the page Conflicts, or connector conflicts list {connector.name}",
            heading="ConnectorConflicts",
            count=len(found),
            since=_ms(found[0].conflict.at),
            items=tuple(f"{one.conflict.name} of {one.pair.source_key or one.pair.source}" for one in newest[:ITEMS]),
            page=f"/conflicts?connector={connector.name}",
            attended=True,
            latest=_ms(newest[0].conflict.at),
            of=("field", "fields"),
        )


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _expiring(desk: Desk, config: Config, connector: Connector) -> Iterable[Cause]:
    for name in dict.fromkeys((connector.source.connection, connector.target.connection)):
        end = expiry(config.connections[name])
        step = next((one for one in EXPIRES if end is not None and end - desk.now() < one), None)
        if end is not None and step is not None:
            yield Cause(
                key=f"expires:{name}:{end:%Y-%m-%d}:{step.days}",
                title=f"The credential of {name} ends on {end:%Y-%m-%d}",
                says="That day is declared in auth.expires.",
                act="Make a new one, put it where auth: points, and correct expires:.",
                heading="ConnectorCredentialExpires",
                page=f"/connectors/{connector.name}",
            )


def changes(before: Mapping[str, Told], now: Sequence[Cause], at: int) -> list[Change]:
    """Say what to tell: what is new, what has grown, what nobody has taken for an hour, what is over."""
    found = []
    for cause in now:
        known = before.get(cause.key)
        fresh = Told(
            cause.title, cause.count, at, known.first if known else at, known.waits if known else False, cause.page
        )
        if known is None:
            found.append(Change(News.OPENED, cause.key, cause, None, fresh))
        elif cause.latest:
            more = cause.latest > known.at or cause.count > known.count
            if more and at - known.at >= HOURLY.total_seconds() * 1000:
                found.append(Change(News.GREW, cause.key, cause, known, fresh))
        elif cause.count >= GROWN * max(1, known.count):
            found.append(Change(News.GREW, cause.key, cause, known, fresh))
        elif _unattended(cause, known, at):
            found.append(Change(News.WAITS, cause.key, cause, known, replace(fresh, waits=True)))
    keys = {cause.key for cause in now}
    # A later step of the same warning takes the place of the one before; that one is not over.
    steps = {cause.key.rpartition(":")[0] for cause in now if cause.key.startswith("expires:")}
    for key, known in before.items():
        if key not in keys:
            quiet = key.rpartition(":")[0] in steps
            found.append(Change(News.RESOLVED, key, None, None if quiet else known, None))
    return found


def _unattended(cause: Cause, known: Told, at: int) -> bool:
    late = at - known.first >= UNATTENDED.total_seconds() * 1000
    return late and not known.waits and not cause.attended and not cause.key.startswith("expires:")


def packed(one: Told) -> dict[str, object]:
    """Return what is remembered as a document."""
    return asdict(one)
