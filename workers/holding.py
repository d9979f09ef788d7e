"""Tell one cause of many failures: what it is called, how it is told apart, and when it counts as systemic."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from connector.config import Brake, Connector
from connector.declare import spoken
from connector.errors import Ambiguous, ConnectorError, Forbidden, Rejected
from connector.event import Kind

FORMAT_GATE: Final = "format"
"""What bodies wait behind that a newer version wrote."""

BRAKE_GATE: Final = "brake"
"""What creations of a new connector wait behind once there are many; ``lua/gates.lua`` knows the name too."""


def brake_of(connector: Connector) -> tuple[int, int] | None:
    """Return a connector's brake as the books take it: creations, and for how many ms they are counted."""
    return None if connector.brake is None else (connector.brake.creations, _ms(connector.brake.within))


def why_braked(connector: Connector) -> str:
    """Say why a new connector creates nothing more, and what to do."""
    brake = connector.brake or Brake()
    return (
        f"it is new and has created {brake.creations} within {spoken(brake.within)} of the first: "
        f"look at them, then confirm by: connector resume {connector.name}"
    )


@dataclass(frozen=True, slots=True)
class Holding:
    """When failures of one cause hold a connector back, and how often a canary tries whether it is mended.

    ``entities`` different ones failing within ``window`` with no success of that kind between them are
    systemic.  The canary goes after ``first``, then at intervals that double up to ``longest``.
    """

    entities: int = 5
    window: timedelta = timedelta(minutes=10)
    first: timedelta = timedelta(minutes=1)
    longest: timedelta = timedelta(minutes=15)

    def canary(self, *, readable: bool = False) -> dict[str, Any]:
        """Return the clock of a gate; ``readable``: any outcome proves it open but being parked there again."""
        return {"first": _ms(self.first), "longest": _ms(self.longest), **({"any": True} if readable else {})}

    def of(self, error: ConnectorError, kind: str) -> dict[str, Any]:
        """Return what the books need to know to hold for the cause of ``error``; {} where it is not one to hold for.

        ``kind`` names what failed, so that only a success of the same kind speaks against it.  An
        ambiguous write is not held: a person must decide about each, and trying again tells nothing.
        """
        match error:
            case Ambiguous():
                return {}
            case Forbidden(where=where):
                field = ""
            case Rejected(fields=fields):
                where, field = "", min(fields, default="")
            case _:
                return {}
        about = {"error": type(error).__name__, "cause": error.cause[:200], "where": where, "field": field}
        return {
            "gate": gate_of_cause(*about.values()),
            "kind": kind,
            "where": where,
            "entities": self.entities,
            "window": _ms(self.window),
            "why": str(error)[:500],
            "canary": self.canary(),
            "about": {name: text for name, text in about.items() if text},
        }


def gate_of_cause(*parts: str) -> str:
    """Return the name of the gate of a cause: the same in every process and version."""
    return "cause:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]


def gate_of_class(connection: str, endpoint: str) -> str:
    """Return the name of the gate of an endpoint class."""
    return f"class:{connection}:{endpoint}"


def kind_of(kind: str, *, linked: bool) -> str:
    """Name what is tried: bringing something new over fails for other reasons than changing it.

    Whichever state of a new item comes first makes it: an issue that is opened with a label is told of twice.
    """
    if not linked and Kind(kind).is_state:
        return "state new"
    return f"{kind} {'known' if linked else 'new'}"


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
