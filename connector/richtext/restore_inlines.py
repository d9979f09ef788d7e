"""Bring the edit of a translated line back into the line it was translated from, word by word.

A person, a date, a coloured word that nobody touched stays the node it was, although the translation
could only show its words; a mark that the edit put on or took off is put on or taken off here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from connector.richtext import align
from connector.richtext.tree import Break, Inline, Inlines, Kind, Mark, Marks, Run, marked

_WORD: Final = re.compile(r"\w+|\s+|.", re.DOTALL)

Show = Callable[[Inline], Inlines]
"""What an inline is shown as in the translation."""


@dataclass(frozen=True, slots=True)
class _Token:
    """A word, a stretch of space, a sign, or a whole node; ``marks`` are kept apart from ``key``."""

    key: Hashable
    inline: Inline

    @property
    def marks(self) -> Marks:
        return self.inline.marks


def merged(native: Inlines, before: Inlines, after: Inlines, show: Show) -> Inlines:
    """Return ``native`` with what happened between ``before`` (its translation) and ``after``."""
    mine = list(_tokens(native))
    shown = [[token.key for token in _tokens(show(token.inline))] if _is_node(token) else [token.key] for token in mine]
    old, new = list(_tokens(before)), list(_tokens(after))
    parts = align.units(shown, [token.key for token in old])
    came = {there: here for here, there in align.matched([one.key for one in old], [one.key for one in new])}
    same = frozenset(place for place, origin in came.items() if old[origin].marks == new[place].marks)
    nearby = _Neighbours(mine, parts, old, [came.get(place) for place in range(len(new))])
    done: list[Inline] = []
    for step in align.woven(parts, len(new), came, same):
        natives = [mine[place].inline for place in step.unit.natives] if step.unit else []
        if step.kept:
            done += natives
        elif natives and _is_whole(step, came):
            pairs = [(old[came[place]].marks, new[place].marks) for place in step.after]
            done += [_remarked(inline, pairs) for inline in natives]
        else:
            done += [nearby.dressed(new[place].inline, place) for place in step.after]
    return tuple(_joined(done))


def _is_whole(step: align.Step, came: dict[int, int]) -> bool:
    """Tell that all words of a unit are still there, in their order, whatever their marks."""
    return step.unit is not None and [came.get(place) for place in step.after] == list(step.unit.shown)


def _tokens(inlines: Sequence[Inline]) -> Iterator[_Token]:
    for inline in inlines:
        if isinstance(inline, Run):
            for found in _WORD.finditer(inline.text):
                yield _Token(found[0], Run(found[0], inline.marks))
        else:
            yield _Token(_bare(inline), inline)


def _is_node(token: _Token) -> bool:
    return not isinstance(token.inline, Run)


def _bare(inline: Inline) -> Inline:
    return inline if isinstance(inline, Break) else replace(inline, marks=())


def _remarked(inline: Inline, pairs: Sequence[tuple[Marks, Marks]]) -> Inline:
    """Put on an inline what the edit put on all of its words, take off what it took off all of them."""
    if isinstance(inline, Break) or not pairs:
        return inline
    gone = set.intersection(*(set(before) - set(after) for before, after in pairs))
    come = set.intersection(*(set(after) - set(before) for before, after in pairs))
    changed = {mark.kind for mark in gone | come}
    kept = tuple(mark for mark in inline.marks if mark.kind not in changed)
    return replace(inline, marks=marked(kept, *come))


class _Neighbours:
    """Know what the translation did to the marks of a line, to undo it on words written into it."""

    def __init__(
        self, mine: Sequence[_Token], parts: Sequence[align.Unit], old: Sequence[_Token], edited: Sequence[int | None]
    ) -> None:
        self._added: dict[int | None, frozenset[Kind]] = {}
        self._lost: dict[int | None, frozenset[Mark]] = {}
        for unit in parts:
            if len(unit.natives) == 1 == len(unit.shown) and not _is_node(mine[unit.natives.start]):
                own, theirs = mine[unit.natives.start].marks, old[unit.shown.start].marks
                kinds, shown = {mark.kind for mark in own}, {mark.kind for mark in theirs}
                self._added[unit.shown.start] = frozenset(kind for kind in shown if kind not in kinds)
                self._lost[unit.shown.start] = frozenset(mark for mark in own if mark.kind not in shown)
        # At the edge of a line, and where nothing of it is left, what holds for every word counts.
        if self._added:
            self._added[None] = frozenset.intersection(*self._added.values())
            self._lost[None] = frozenset.intersection(*self._lost.values())
        self._before = _carried(edited)
        self._after = _carried(edited[::-1])[::-1]

    def dressed(self, inline: Inline, place: int) -> Inline:
        """Return a new inline with the marks that it would have had in the native line."""
        before, after = self._before[place], self._after[place]
        added = self._added.get(after if before is None else before, frozenset())
        lost = self._lost.get(before, frozenset()) & self._lost.get(after, frozenset())
        if isinstance(inline, Break) or not (added or lost):
            return inline
        return replace(inline, marks=marked(tuple(mark for mark in inline.marks if mark.kind not in added), *lost))


def _carried(places: Sequence[int | None]) -> list[int | None]:
    """Return for each place the last known one up to it."""
    done: list[int | None] = []
    for place in places:
        done.append(place if place is not None else done[-1] if done else None)
    return done


def _joined(inlines: Sequence[Inline]) -> Iterator[Inline]:
    held: Run | None = None
    for inline in inlines:
        if isinstance(inline, Run):
            if held is not None and held.marks == inline.marks:
                held = Run(held.text + inline.text, held.marks)
                continue
            if held is not None:
                yield held
            held = inline
            continue
        if held is not None:
            yield held
            held = None
        yield inline
    if held is not None:
        yield held
