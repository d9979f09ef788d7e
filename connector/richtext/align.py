"""Find what stayed, between two versions of a sequence and between a text and its translation.

Everything here is bounded: long sequences are cut at what occurs once in both, and a stretch that has
no such anchor and is long itself counts as rewritten.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Final

Pairs = list[tuple[int, int]]

_MOST_COMPARED: Final = 40_000
"""Product of two lengths up to which every element is compared with every other."""
_MOST_WEIGHED: Final = 900
"""Product of two lengths up to which the likeness of every pair is weighed."""


def matched(before: Sequence[Hashable], after: Sequence[Hashable]) -> Pairs:
    """Return the places of equal elements, ascending on both sides."""
    done: Pairs = []
    left = [(0, len(before), 0, len(after))]
    while left:
        start, stop, first, last = left.pop()
        while start < stop and first < last and before[start] == after[first]:
            done.append((start, first))
            start, first = start + 1, first + 1
        while start < stop and first < last and before[stop - 1] == after[last - 1]:
            stop, last = stop - 1, last - 1
            done.append((stop, last))
        if start == stop or first == last:
            continue
        if (stop - start) * (last - first) <= _MOST_COMPARED:
            for block in SequenceMatcher(
                None, before[start:stop], after[first:last], autojunk=False
            ).get_matching_blocks():
                done += [(start + block.a + place, first + block.b + place) for place in range(block.size)]
            continue
        anchors = _anchors(before[start:stop], after[first:last])
        for here, there in anchors:
            done.append((start + here, first + there))
        edges = [(-1, -1), *anchors, (stop - start, last - first)] if anchors else []
        for (here, there), (until, end) in pairwise(edges):
            left.append((start + here + 1, start + until, first + there + 1, first + end))
    return sorted(done)


def _anchors(before: Sequence[Hashable], after: Sequence[Hashable]) -> Pairs:
    """Return the longest ascending run of elements that occur once on both sides."""
    once = Counter(before)
    twice = Counter(after)
    places = {one: place for place, one in enumerate(after)}
    pairs = [(place, places[one]) for place, one in enumerate(before) if once[one] == 1 == twice.get(one)]
    tops: list[int] = []
    held: list[int] = []
    above: list[int] = []
    for number, (_, place) in enumerate(pairs):
        pile = bisect_left(tops, place)
        above.append(held[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(place)
            held.append(number)
        else:
            tops[pile], held[pile] = place, number
    done: Pairs = []
    number = held[-1] if held else -1
    while number >= 0:
        done.append(pairs[number])
        number = above[number]
    return done[::-1]


def gaps(pairs: Pairs, before: int, after: int) -> list[tuple[range, range]]:
    """Return the stretches between matched places: ranges of both sides, not both empty."""
    done: list[tuple[range, range]] = []
    edges = [(-1, -1), *pairs, (before, after)]
    for (here, there), (until, end) in pairwise(edges):
        if here + 1 < until or there + 1 < end:
            done.append((range(here + 1, until), range(there + 1, end)))
    return done


def likely(before: Sequence[int], after: Sequence[int], weigh: Callable[[int, int], float]) -> Pairs:
    """Return which elements of two rewritten stretches are most likely the same ones, edited.

    ``weigh`` tells how alike two are, 0 for not at all.  Long stretches are paired one by one.
    """
    if len(before) * len(after) > _MOST_WEIGHED:
        return [(here, there) for here, there in zip(before, after, strict=False) if weigh(here, there) > 0]
    rows, columns = len(before), len(after)
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    weights = [[weigh(here, there) for there in after] for here in before]
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            taken = weights[row][column] + best[row + 1][column + 1] if weights[row][column] > 0 else 0.0
            best[row][column] = max(taken, best[row + 1][column], best[row][column + 1])
    done: Pairs = []
    row = column = 0
    while row < rows and column < columns:
        weight = weights[row][column]
        if weight > 0 and best[row][column] == weight + best[row + 1][column + 1]:
            done.append((before[row], after[column]))
            row, column = row + 1, column + 1
        elif best[row][column] == best[row + 1][column]:
            row += 1
        else:
            column += 1
    return done


@dataclass(frozen=True, slots=True)
class Unit:
    """Native elements that are shown as the elements ``shown`` of the translation; either may be empty.

    Nothing shown: a reader of the translation cannot see it.  Nothing native: the translation added it.
    """

    natives: range
    shown: range


def units(shown: Sequence[Sequence[Hashable]], before: Sequence[Hashable]) -> list[Unit]:
    """Say which native elements stand behind which of the translation, in order and without a gap.

    ``shown`` holds what each native element comes out as when it is translated alone.
    """
    flat = [(owner, one) for owner, ones in enumerate(shown) for one in ones]
    place = dict(matched([one for _, one in flat], before))
    found: dict[int, list[int]] = {}
    for here, (owner, _) in enumerate(flat):
        found.setdefault(owner, []).append(place.get(here, -1))
    whole = {
        owner: range(places[0], places[0] + len(places))
        for owner, places in found.items()
        if places[0] >= 0 and places == list(range(places[0], places[0] + len(places)))
    }
    done: list[Unit] = []
    native = there = 0
    for anchor in sorted(whole):
        done += _between(range(native, anchor), range(there, whole[anchor].start), shown)
        done.append(Unit(range(anchor, anchor + 1), whole[anchor]))
        native, there = anchor + 1, whole[anchor].stop
    return [*done, *_between(range(native, len(shown)), range(there, len(before)), shown)]


def _between(natives: range, places: range, shown: Sequence[Sequence[Hashable]]) -> list[Unit]:
    """Pair what no equality pairs: by count where the counts agree, else as one."""
    loose = [native for native in natives if shown[native]]
    if not loose or not places:
        extras = [Unit(range(natives.start, natives.start), range(place, place + 1)) for place in places]
        return [*extras, *(Unit(range(native, native + 1), range(places.stop, places.stop)) for native in natives)]
    even = len(loose) == len(places)
    if not even and sum(len(shown[native]) for native in loose) != len(places):
        return [Unit(natives, places)]
    done: list[Unit] = []
    there = places.start
    for native in natives:
        count = min(len(shown[native]), 1) if even else len(shown[native])
        done.append(Unit(range(native, native + 1), range(there, there + count)))
        there += count
    return done


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next: a unit (its edited elements in ``after``, untouched if ``kept``), or new elements."""

    unit: Unit | None
    after: tuple[int, ...] = ()
    kept: bool = False


def woven(parts: Sequence[Unit], after: int, came: dict[int, int], equal: frozenset[int]) -> list[Step]:
    """Lay units out in the order of the edited translation of ``after`` elements.

    ``came`` says from which element of the translation an edited one comes, ``equal`` which of those
    are as they were.  What cannot be seen stays behind what it stood behind; what the translation had
    added, and is as it was, is left out.
    """
    unit_of = {place: number for number, unit in enumerate(parts) for place in unit.shown}
    owners: list[int | None] = [unit_of[came[place]] if place in came else None for place in range(after)]
    _fill(owners, parts)
    mine: dict[int, list[int]] = {}
    for place, owner in enumerate(owners):
        if owner is not None:
            mine.setdefault(owner, []).append(place)
    hidden: dict[int, list[int]] = {}
    last = -1
    for number, unit in enumerate(parts):
        if number in mine and unit.natives:
            last = number
        elif unit.natives and not unit.shown:
            hidden.setdefault(last, []).append(number)
    done = [Step(parts[number], (), kept=True) for number in hidden.get(-1, [])]
    seen: set[int] = set()
    for place, owner in enumerate(owners):
        if owner is None:
            done.append(Step(None, (place,)))
        elif owner not in seen:
            seen.add(owner)
            places = tuple(mine[owner])
            kept = [came.get(one) for one in places] == list(parts[owner].shown) and equal.issuperset(places)
            if parts[owner].natives:
                done.append(Step(parts[owner], places, kept=kept))
                done += [Step(parts[number], (), kept=True) for number in hidden.get(owner, [])]
            elif not kept:
                done.append(Step(None, places))
    return done


def _fill(owners: list[int | None], parts: Sequence[Unit]) -> None:
    """Give what was inserted within a unit to that unit; of one that was torn apart, its first part stays it."""
    last: int | None = None
    start = 0
    for place, owner in enumerate(owners):
        if owner is None:
            continue
        if owner == last and len(parts[owner].shown) > 1:
            owners[start:place] = [owner] * (place - start)
        last, start = owner, place + 1
    ended: set[int | None] = set()
    for place, owner in enumerate(owners):
        if place and owner != owners[place - 1]:
            ended.add(owners[place - 1])
        if owner in ended:
            owners[place] = None
