"""Choose the first letters of a mailbox that are worked on together: neighbouring states, or a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from typing import Final

from connector.config import Connector
from connector.event import Event, Kind
from connector.link import EffectKey, effect_key
from connector.mapping import Tools
from connector.messages import Digest, company, patience
from connector.planning import collapse
from workers.stores.records import Box, Letter, unpack_event

FIELD: Final = "batch"
"""A letter's field, written by the script that announces a digest: the name of that digest."""

_STATES: Final = frozenset(kind.value for kind in Kind if kind.is_state)


@dataclass(frozen=True, slots=True)
class Batch:
    """Letters that are settled together.

    ``event`` is what is planned, ``speaker`` the place of its letter.  Of a digest ``digest`` tells what it
    says and ``effect`` its key; ``wait`` is until when (ms) it waits for company, 0 where it waits no more.
    ``whole`` is False where a letter of it is not here (it is dead): it may be looked for, but not be sent.
    """

    letters: tuple[Letter, ...]
    event: Event
    speaker: int
    digest: Digest | None = None
    effect: str = ""
    wait: int = 0
    whole: bool = True

    @property
    def letter(self) -> Letter:
        """The letter that speaks for the others."""
        return self.letters[self.speaker]

    @property
    def name(self) -> str:
        """What its letters' field ``batch`` says once it is announced: the digest's name, "" where it is none."""
        return self.digest.name if self.digest else ""


def batch_of(
    connector: Connector, box: Box, tools: Tools, *, effect: Callable[[str], Mapping[str, str]], now: int
) -> Batch:
    """Choose; ``effect`` looks up what is known of an effect, ``now`` is in ms.  Raises `UnknownFormat`.

    A digest that has been announced stays as it was announced until its outcome is known: letters that came
    since would else be told by a message that may be there already.
    """
    if announced := _announced(connector, box, effect):
        return announced
    digests = any(message.digest is not None for message in connector.messages)
    waiting = _as_they_happened(box.letters)
    first = waiting[0]
    # Only what may go together is unpacked: a mailbox full of comments must not be read anew for each.
    near = list(takewhile(lambda one: _beside(first, one) and (digests or one.kind in _STATES), waiting))
    events = [unpack_event(letter.body) for letter in near or [first]]
    span = patience(connector, events[0])
    if span is None:
        count = collapse(connector, events)
        return Batch(waiting[:count], _newest(events[:count]), count - 1)
    count = company(connector, events, tools)
    until = first.at + int(span.total_seconds() * 1000)
    full = count < len(near)  # what stands behind it would only wait as well
    letters = waiting[:count]
    return _digest(connector, letters, events[:count], _name(letters), wait=0 if full or until <= now else until)


def _as_they_happened(letters: tuple[Letter, ...]) -> tuple[Letter, ...]:
    """Put what a store has forgotten and taken in again back among what was taken in meanwhile.

    Then the order of acceptance is not that of the events; their times tell it, and within one tick of their source's
    clock the ids, which grow.
    """
    again = [one for one in letters if one.entity == letters[0].entity and one.fields.get("doubt")]
    if len(again) < 2:
        return letters

    def happened(letter: Letter) -> tuple[datetime, int, str]:
        event = unpack_event(letter.body)
        return event.at, len(event.sub), event.sub

    ordered, places = iter(sorted(again, key=happened)), {one.id for one in again}
    return tuple(next(ordered) if one.id in places else one for one in letters)


def _beside(first: Letter, other: Letter) -> bool:
    # What may have been told in a time that the store has forgotten was told without what came later.
    return other.entity == first.entity and other.fields.get("doubt") == first.fields.get("doubt")


def alone(box: Box) -> Batch:
    """Return the first letter of a mailbox alone."""
    first = box.letters[0]
    return Batch((first,), unpack_event(first.body), 0)


def _announced(connector: Connector, box: Box, effect: Callable[[str], Mapping[str, str]]) -> Batch | None:
    first = box.letters[0]
    name = first.fields.get(FIELD, "")
    if not name or not effect(digest_effect(connector, first.entity, name)):
        return None  # None was announced, or it was refused, so nobody has seen it: all is combined anew.
    letters = tuple(takewhile(lambda one: one.fields.get(FIELD) == name, box.letters))
    events = [unpack_event(letter.body) for letter in letters]
    return _digest(connector, letters, events, name, whole=_name(letters) == name)


def _name(letters: Sequence[Letter]) -> str:
    """Name a digest by what it tells: no other composition may ever be taken for it."""
    return "digest " + hashlib.sha256(" ".join(one.id for one in letters).encode()).hexdigest()[:16]


def digest_effect(connector: Connector, entity: str, name: str) -> EffectKey:
    """Return the key of the effect that a digest is."""
    return effect_key(connector.uid, entity, "message", name)


def _digest(
    connector: Connector,
    letters: tuple[Letter, ...],
    events: Sequence[Event],
    name: str,
    *,
    wait: int = 0,
    whole: bool = True,
) -> Batch:
    states = [place for place, event in enumerate(events) if event.kind.is_state]
    speaker = states[-1] if states else len(events) - 1
    event = _newest([events[place] for place in states]) if states else events[-1]
    effect = digest_effect(connector, letters[0].entity, name)
    return Batch(letters, event, speaker, Digest(name, tuple(events)), effect, wait, whole)


def _newest(states: Sequence[Event]) -> Event:
    last = states[-1]
    if any(_not_before(one, last) for one in states[:-1]):
        # They came out of order, or within one tick of their source's clock: it is asked which is true.
        return replace(last, partial=True)
    return last


def _not_before(one: Event, last: Event) -> bool:
    mine, its = one.data.get("updated"), last.data.get("updated")
    if not mine or not its or one.data == last.data:
        return False
    return datetime.fromisoformat(mine) >= datetime.fromisoformat(its)
