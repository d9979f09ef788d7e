"""Hold which webhook of each connection arrived last, until it is written into the store once a second.

In memory first: whoever floods the receiver with bad signatures must not be able to make it write.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

PROVEN: Final = frozenset({"accepted", "ignored", "replied", "unreadable"})
"""Outcomes of a webhook that was verified; of any other it is not certain who sent it, or it was not stored."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The last of its kind: whether it was ``proven`` to come from its source, and what became of it."""

    connection: str
    at: datetime
    proven: bool
    what: str


@dataclass(slots=True)
class Arrivals:
    """The last arrivals; noted by the event loop, taken by another thread."""

    _last: dict[tuple[str, bool], Arrival] = field(default_factory=dict)

    def note(self, connection: str, at: datetime, outcome: str, why: str = "") -> None:
        """Note an arrival by the word it is counted by, and why where there is more to say."""
        proven = outcome in PROVEN
        self._last[connection, proven] = Arrival(connection, at, proven, f"{outcome}: {why}" if why else outcome)

    def taken(self) -> list[Arrival]:
        """Return, once, what was noted since the last time."""
        last, self._last = self._last, {}
        return list(last.values())
