"""Pair signs such as ``*`` into marks on what stands between them, in few passes over any text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from connector.richtext.tree import Break, Inline, Kind, Mark, Marks, Run, marked


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign that may open or close a mark; ``text`` is what it is if it does neither."""

    text: str
    kind: Kind
    opens: bool
    closes: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Atoms that signs outside of it do not pair with, under marks of their own."""

    atoms: tuple[Inline | Sign, ...]
    marks: Marks = ()


def pair(items: Sequence[Inline | Sign | Group], marks: Marks = ()) -> Iterator[Inline]:
    """Turn signs into marks: each that opens takes the nearest that closes, around at least one atom."""
    closers: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        if isinstance(item, Sign) and item.closes:
            closers.setdefault(item.text, []).append(place)
    place = 0
    while place < len(items):
        item = items[place]
        place += 1
        match item:
            case Sign(text, kind, opens=True):
                found = closers.get(text, [])
                nearest = bisect_left(found, place + 1)
                if nearest == len(found):
                    yield Run(text, marks)
                    continue
                yield from pair(items[place : found[nearest]], marked(marks, Mark(kind)))
                place = found[nearest] + 1
            case Sign(text):
                yield Run(text, marks)
            case Group(atoms, own):
                yield from pair(atoms, marked(marks, *own))
            case Break():
                yield item
            case _:
                yield replace(item, marks=marked(item.marks, *marks))
