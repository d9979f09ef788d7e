"""Notice an edit that slipped in between our look and our write: no API has a write that says *only if it is still so*.

What we wrote over such an edit stands there, and both sides agree.  But the edit has an event of its own, and that
tells a value which we never saw: at the time of our write, of the field that we wrote.  It is given back, or a person
is asked, as the connector says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from connector import richtext
from connector.event import Event, Text
from connector.link import Link
from connector.mapping import Policy
from connector.merge import Move, Stand, Verdict, union
from workers.sides import words_of
from workers.stores.records import unpack_event

if TYPE_CHECKING:
    from workers.attempt import Attempt

WROTE: Final = "wrote"
"""In a pair's ``extra``: per field as the user wrote it, our last write of it: {side, key, from, till, was, is}."""

SKEW_MS: Final = 5_000
"""How far the clock of a system may be from ours, and how coarse."""

LIFE_MS: Final = 3_600_000
"""For how long a late event may still tell of such an edit."""


@dataclass(frozen=True, slots=True)
class Slip:
    """An edit that was written over: of the ``to`` or the ``from`` side, with its value in that side's vocabulary."""

    side: str
    key: str
    value: Any


def slips(attempt: Attempt, pair: Link) -> dict[str, Slip]:
    """Return the fields of which the events of this attempt tell an edit that we wrote over, by name."""
    wrote: Mapping[str, Mapping[str, Any]] = pair.extra.get(WROTE, {})
    if not wrote:
        return {}
    side = "to" if attempt.connector.turned else "from"
    found = {}
    for event in events_of(attempt):
        at = int(event.at.timestamp() * 1000)
        for name, ours in wrote.items():
            key = ours["key"]
            if ours["side"] != side or not any(word in event.change for word in words_of(key)) or event.partial:
                continue
            if not ours["from"] - SKEW_MS <= at <= ours["till"] + SKEW_MS:
                continue
            value = event.data.get(key)
            if not (_same(value, ours["was"]) or _same(value, ours["is"])):
                found[name] = Slip(side, key, value)
    return found


def _same(one: Any, other: Any) -> bool:
    """Compare two values of a vocabulary; a webhook may tell a text in another markup than a read."""
    if isinstance(one, Mapping) and isinstance(other, Mapping) and "format" in one and "format" in other:
        return richtext.same(cast("Text", one), cast("Text", other))
    return bool(one == other) or not (one or other)


def events_of(attempt: Attempt) -> Iterator[Event]:
    """Yield all events that are worked on together: the last of them speaks for their state, not for their history."""
    letters = attempt.batch.letters if attempt.batch is not None else ()
    if not letters:
        yield attempt.event
    for letter in letters:
        yield unpack_event(letter.body)


def noted(pair: Link, writes: Mapping[str, Mapping[str, Any]], now: int) -> dict[str, Any]:
    """Return what a pair's ``extra`` says of our last writes, with fresh ones and without those of long ago."""
    known = {name: one for name, one in pair.extra.get(WROTE, {}).items() if now - one["till"] < LIFE_MS}
    return {**pair.extra, WROTE: {**known, **writes}}


def given_back(slip: Slip, stand: Stand, lost: Any, policy: Policy) -> Verdict:
    """Say what becomes of an edit that was written over; ``lost`` is its value in the target's form."""
    wins = {Policy.FROM: "from", Policy.TO: "to"}.get(policy)
    if wins is not None:
        return Verdict(Move.BOTH, lost) if wins == slip.side else Verdict(Move.AGREE)
    if policy is Policy.NEWEST:
        return Verdict(Move.BOTH, lost)  # it was made after what we had seen
    if policy is Policy.UNION and isinstance(lost, list) and isinstance(stand.holds, list):
        return Verdict(Move.BOTH, union(Stand(stand.wants, lost)))
    return Verdict(Move.ASK, value=lost, why="slipped")
