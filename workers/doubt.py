"""Say what a store that went back in time may have forgotten, and which things are too young for that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

SKEW: Final = timedelta(minutes=10)
"""How far a source's clock and ours may differ."""

YOUNG: Final = timedelta(minutes=10)
"""How long the two halves of a ring wait for each other after a loss."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Writes between ``since`` and ``noticed`` may have been made although the books do not say so.

    It belongs to a letter: to those that were in the books when the loss was noticed, and to those that were
    accepted until everything lost had come in again.
    """

    since: datetime
    noticed: datetime

    @classmethod
    def of(cls, text: str) -> Doubt | None:
        """Read a letter's field, ``from:noticed`` in ms; None where there is no doubt."""
        if not text:
            return None
        since, noticed = (datetime.fromtimestamp(int(part) / 1000, UTC) for part in text.split(":"))
        return cls(since, noticed)

    def covers(self, made: str | None) -> bool:
        """Tell whether it applies to a thing made at ``made`` (ISO); where that is not known, it does."""
        return made is None or datetime.fromisoformat(made) <= self.noticed + SKEW

    def is_young(self, now: datetime) -> bool:
        """Tell whether what was lost may still be coming in again."""
        return now < self.noticed + YOUNG
