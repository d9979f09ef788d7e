"""Say what a replay would do before it is ordered: what is too old, what merges, what would still fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from connector.config import Connector
from connector.errors import ConnectorError
from connector.messages import expired
from connector.planning import collapse
from workers.desk import Desk
from workers.operating.letters import Dead
from workers.preview import Preview, preview
from workers.stores.records import Letter, UnknownFormat, unpack_event

TRIED: Final = 5
"""Letters whose mapping is really tried against the target as it is now; each costs a few reads."""

READ: Final = 2000
"""Letters whose bodies are read at most; beyond that the numbers are of these."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One letter that was tried without writing: what would be written, or why it would still fail."""

    dead: Dead
    preview: Preview | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a replay would do.

    ``letters`` would be replayed; of the ``read`` ones ``stale`` are too old for their ``expire:`` and
    ``merged`` are told by a newer state of the same item that is replayed with them.  ``unknown`` had a write
    whose outcome nobody knows: it is looked up before anything is sent.
    """

    letters: int
    read: int
    stale: int
    merged: int
    unknown: int
    unreadable: int
    ambiguous: int
    """Letters that go back only on a person's word that what they may have written is not there."""
    trials: tuple[Trial, ...] = field(default=())

    @property
    def failing(self) -> int:
        """How many of the tried ones would still fail."""
        return sum(1 for one in self.trials if one.failure)


def forecast(desk: Desk, connector: Connector, dead: Sequence[Dead], *, tried: int = TRIED) -> Forecast:
    """Look at dead letters of one connector as a replay would; sends no write."""
    books = desk.deliveries(connector)
    by_id = {one.id: one for one in dead}
    letters = [one for one in (books.letter(name) for name in list(by_id)[:READ]) if one is not None]
    letters.sort(key=lambda one: (one.entity, one.seq))
    stale = merged = unreadable = 0
    events = []
    for letter in letters:
        try:
            events.append((letter, unpack_event(letter.body)))
        except UnknownFormat:
            unreadable += 1
    stale = sum(1 for _, event in events if expired(connector, event, desk.now()))
    position = 0
    while position < len(events):
        run = [event for _, event in events[position : position + 50]]
        count = collapse(connector, run)
        merged += count - 1
        position += count
    unknown = sum(
        1 for letter in letters if by_id[letter.id].error != "Ambiguous" and _unknown(desk, connector, letter)
    )
    ambiguous = sum(1 for one in dead if one.error == "Ambiguous")
    newest = sorted((letter for letter, _ in events), key=lambda one: one.seq, reverse=True)[:tried]
    trials = tuple(_tried(desk, connector, by_id[one.id], one) for one in newest)
    return Forecast(len(dead), len(letters), stale, merged, unknown, unreadable, ambiguous, trials)


def _unknown(desk: Desk, connector: Connector, letter: Letter) -> bool:
    effect = letter.fields.get("effect", "")
    return bool(effect) and desk.deliveries(connector).effect(effect).get("state") == "sent"


def _tried(desk: Desk, connector: Connector, dead: Dead, letter: Letter) -> Trial:
    try:
        return Trial(
            dead, preview(desk, connector, unpack_event(letter.body), books=desk.deliveries(connector)), failure=""
        )
    except ConnectorError as error:
        return Trial(dead, failure=f"{type(error).__name__}: {error}")
