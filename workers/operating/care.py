"""Take care of a group of dead letters: who, how far, what is known; a cause that comes back opens its group again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import orjson

from connector.config import Connector
from workers.desk import Desk
from workers.operating.acting import Actor, row_of
from workers.operating.letters import Dead, Group
from workers.stores.deliveries import Deliveries

KEPT_MS: Final = 90 * 86_400_000
"""How long a resolved group is remembered, so that a relapse is known as one."""


class Stage(StrEnum):
    """How far a group is."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    HELD = "held"
    """Known and waiting for somebody else; nobody is called for it."""
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Care:
    """What is known of a group; ``at`` is ms.  ``relapsed`` where letters died after it was resolved."""

    stage: Stage = Stage.OPEN
    assignee: str = ""
    note: str = ""
    incident: str = ""
    by: str = ""
    at: int = 0
    relapsed: bool = False


def care_of(books: Deliveries) -> dict[str, Care]:
    """Return the care of every group of a connector that anybody has cared for."""
    return {name: _read(record) for name, record in books.cared().items()}


def told(care: Mapping[str, Care], group: Group) -> Care:
    """Return the care of a group as it counts now: a resolved one with a newer death is open again."""
    known = care.get(group.name, Care())
    if known.stage is Stage.RESOLVED and group.last > known.at:
        return replace(known, stage=Stage.OPEN, relapsed=True)
    return known


def take(desk: Desk, connector: Connector, group: str, care: Care, by: Actor) -> None:
    """Write a group's care down; raises ValueError where its incident is no link."""
    if care.incident and not care.incident.startswith(("https://", "http://")):
        message = "the incident must be a link that begins with https://"
        raise ValueError(message)
    now = Care(care.stage, care.assignee[:100], care.note[:2000], care.incident[:500], by.name, desk.now_ms())
    row = row_of(desk, "care", connector, by, group=group, stage=now.stage.value, assignee=now.assignee)
    desk.deliveries(connector).care(group, orjson.dumps(asdict(now)).decode(), orjson.dumps(row).decode())
    desk.record(row)


def forget_old(books: Deliveries, now: int) -> int:
    """Forget resolved groups after their time; returns how many."""
    old = [name for name, care in care_of(books).items() if care.stage is Stage.RESOLVED and care.at < now - KEPT_MS]
    books.careless(old)
    return len(old)


def _read(record: bytes) -> Care:
    got = orjson.loads(record)
    return Care(
        Stage(got["stage"]), got["assignee"], got["note"], got["incident"], got["by"], int(got["at"]), relapsed=False
    )


def report(group: Group, care: Care, letters: Sequence[Dead], rows: Sequence[Mapping[str, object]]) -> str:
    """Return a group and its time window as Markdown, for the page that is written after an incident.

    ``rows`` are the audit rows of the connector; those of the window are told.
    """
    lines = [
        f"# {group.connector}: {_line(group.error)} {_line(group.cause)}".rstrip(),
        "",
        f"- State: {care.stage.value}" + (", came back after it was resolved" if care.relapsed else ""),
        *([f"- Assignee: {_line(care.assignee)}"] if care.assignee else []),
        *([f"- Incident: <{_line(care.incident)}>"] if care.incident else []),
        f"- First seen: {_when(group.first)}",
        f"- Last seen: {_when(group.last)}",
        f"- Dead letters: {group.count}",
        *([f"- Fields: {', '.join(map(_line, group.wrong))}"] if group.wrong else []),
        "",
        "## What the target said",
        "",
        f"> {_line(group.message)}",
        "",
        *(["## Note", "", *(f"> {_line(one)}" for one in care.note.splitlines()), ""] if care.note else []),
        "## Items",
        "",
        *(
            f"- {_line(one.key or one.entity)}: {one.kind}, died {_when(one.died)}, delivery {one.id}"
            for one in letters[:200]
        ),
        *([f"- and {len(letters) - 200} more"] if len(letters) > 200 else []),
        "",
        "## What people did",
        "",
        *(
            f"- {row.get('at', '')!s:.19}: {_line(str(row.get('actor', '')))} {_line(str(row.get('action', '')))}"
            + (f": {_line(str(row['reason']))}" if row.get("reason") else "")
            for row in reversed(rows)
            if row.get("actor") != "worker" and str(row.get("at", "")) >= _when(group.first)[:19].replace(" ", "T")
        ),
        "",
    ]
    return "\n".join(lines)


def _when(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _line(text: str) -> str:
    # Text of a target in a document of ours: one line, and nothing in it is read as Markdown or HTML.
    return " ".join(text.split()).replace("\\", "\\\\").replace("<", "&lt;").replace("`", "\\`").replace("[", "\\[")
