"""Say what a store that went back in time may have forgotten, and which things are too young for that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from connector.system import Action

SKEW: Final = timedelta(minutes=10)
"""How far a source's clock and ours may differ."""

YOUNG: Final = timedelta(minutes=10)
"""How long the two halves of a ring wait for each other after a loss."""

BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Before anything that we may have written."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Writes between ``since`` and ``noticed`` may have been made although the books do not say so.

    It belongs to a letter: to those that were in the books when the loss was noticed, and to those that were
    accepted until everything lost had come in again.  After a rebuild nothing is known of any comment of the time
    before (``rebuilt``), and letters of later on doubt only those (``comments_only``).
    """

    since: datetime
    noticed: datetime
    rebuilt: bool = False
    comments_only: bool = False

    @classmethod
    def of(cls, text: str) -> Doubt | None:
        """Read a letter's field, ``from:noticed:kind`` with times in ms; None where there is no doubt."""
        if not text:
            return None
        since, noticed, kind = (*text.split(":"), "")[:3]
        return cls(_time(since), _time(noticed), rebuilt=kind in {"r", "c"}, comments_only=kind == "c")

    @property
    def of_states(self) -> bool:
        """Whether it is about what was told of an entity's state."""
        return not self.comments_only

    def begins(self, action: Action) -> datetime:
        """Return when something of this kind may first have been written."""
        return BEGINNING if self.rebuilt and action is not Action.CREATE else max(self.since, BEGINNING)

    def covers(self, action: Action, made: str | None) -> bool:
        """Tell whether it applies to a thing made at ``made`` (ISO); where that is not known, it does."""
        if self.comments_only and action is Action.CREATE:
            return False
        return made is None or datetime.fromisoformat(made) <= self.noticed + SKEW

    def as_text(self, action: Action, made: str | None) -> str:
        """Return it as an intent takes it, ``from:noticed`` in ms; "" where it does not apply."""
        return f"{_ms(self.begins(action))}:{_ms(self.noticed)}" if self.covers(action, made) else ""

    def is_young(self, now: datetime) -> bool:
        """Tell whether what was lost may still be coming in again."""
        return now < self.noticed + YOUNG


def _time(ms: str) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
