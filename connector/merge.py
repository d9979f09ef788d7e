"""Decide, field by field, what two sides that should be equal owe each other: a three-way merge against their base.

Both sides are compared in the target's own form: what the source wants there (its values, mapped and shaped),
and what stands there.  The base is the pair of both when they last agreed, so a field has changed at a side where
that side differs from its own half of the base.  Nothing is ever judged by who changed it or when, except where a
connector lets the newer side win.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from connector.expression import MISSING
from connector.mapping import Direction, Policy

LOOP: Final = 5
"""How often a field may go to and fro within `LOOP_MS` before a person is asked."""

LOOP_MS: Final = 10 * 60_000

_MOST_MOVES: Final = 12


class Move(StrEnum):
    """What is to be done about one field."""

    AGREE = "agree"
    """Both sides hold the same: that is their base from now on."""
    LEAVE = "leave"
    TO = "to"
    """The source's value goes to the target."""
    FROM = "from"
    """The target's value goes to the source."""
    BOTH = "both"
    """A third value, made of both, goes to both sides."""
    ASK = "ask"
    """A person decides."""


@dataclass(frozen=True, slots=True)
class Stand:
    """How one field stands: what the source ``wants``, what the target ``holds``, and both of when they agreed."""

    wants: Any
    holds: Any
    wanted: Any = MISSING
    held: Any = MISSING

    @property
    def known(self) -> bool:
        """Whether it is known that both sides agreed once."""
        return self.wanted is not MISSING and self.held is not MISSING


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done about a field, and for `Move.BOTH` with which value; ``why`` names what made it a question.

    None is a value, too: it empties the field at both sides.
    """

    move: Move
    value: Any = MISSING
    why: str = ""


def judge(
    stand: Stand,
    *,
    direction: Direction,
    policy: Policy,
    initial: Policy,
    same: Callable[[Any, Any], bool],
    newer: Callable[[], Move | None],
) -> Verdict:
    """Judge one field.  ``newer()`` says which side changed later (`Move.TO`: the source); None: nobody can tell."""
    if same(stand.wants, stand.holds):
        return Verdict(Move.AGREE)
    if not stand.known:
        match direction:
            case Direction.TO:
                return Verdict(Move.TO)
            case Direction.FROM:
                return Verdict(Move.FROM)
            case _:
                return _by(initial, stand, newer, "initial")
    here, there = not same(stand.wants, stand.wanted), not same(stand.holds, stand.held)
    if direction is Direction.TO:
        return Verdict(Move.TO if here else Move.LEAVE)
    if direction is Direction.FROM:
        return Verdict(Move.FROM if there else Move.LEAVE)
    if here and there:
        return _by(policy, stand, newer, "both")
    return Verdict(Move.TO if here else Move.FROM if there else Move.LEAVE)


def _by(policy: Policy, stand: Stand, newer: Callable[[], Move | None], why: str) -> Verdict:
    match policy:
        case Policy.FROM:
            return Verdict(Move.TO)
        case Policy.TO:
            return Verdict(Move.FROM)
        case Policy.NEWEST:
            move = newer()
            return Verdict(move) if move is not None else Verdict(Move.ASK, why=why)
        case Policy.UNION if _is_set(stand.wants) and _is_set(stand.holds):
            value = union(stand)
            return Verdict(Move.BOTH, value)
        case _:
            return Verdict(Move.ASK, why=why)


def _is_set(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)


def union(stand: Stand) -> list[str]:
    """Merge two lists against their base: what either side added is there, what either side took away is not.

    Where the base is not known nothing can have been taken away.  Spelling in other capitals is the same thing.
    """
    wanted = stand.wanted if _is_set(stand.wanted) else ()
    held = stand.held if _is_set(stand.held) else ()
    gone = ({_fold(one) for one in wanted} - {_fold(one) for one in stand.wants}) | (
        {_fold(one) for one in held} - {_fold(one) for one in stand.holds}
    )
    found = {_fold(one): one for one in (*stand.wants, *stand.holds)}
    return sorted((one for word, one in found.items() if word not in gone), key=_fold)


def _fold(word: str) -> str:
    return word.casefold()


# --- going to and fro -------------------------------------------------------------------------------------
def moved(moves: Sequence[Sequence[Any]], move: Move, now: int) -> list[list[Any]]:
    """Note that a field was moved at ``now`` (ms), forgetting what is long ago; ``moves`` are [[ms, move], ...]."""
    return [*[[at, way] for at, way in moves if now - at < LOOP_MS][-_MOST_MOVES:], [now, move.value]]


def loops(moves: Sequence[Sequence[Any]], move: Move, now: int) -> bool:
    """Tell whether a field has gone to and fro so often that something answers to us, and not a person.

    Somebody who edits one side over and over moves a field one way only; a value that some rule of the other side
    puts back is moved there, back, there again.
    """
    ways = [way for at, way in moves if now - at < LOOP_MS] + [move.value]
    turns = [one != other for one, other in pairwise(ways)]
    return turns.count(True) > LOOP


# --- open questions ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that a person must decide, as it is kept in its link.

    ``name`` is as the user wrote it; ``wants``, ``holds`` are the two values now and ``wanted``, ``held`` those of
    when they agreed (None: never); ``why`` is ``both``, ``initial``, ``loop`` or ``slipped``; ``at`` since when.
    ``here`` and ``there`` tell who changed the sides last and when, as far as is known: {by, at}; with ``words`` where
    a value is but an id, and ``format`` where it is a rich text in a str.  ``lost`` names the side (``from``, ``to``)
    whose value was written over in the moment in which it was changed: it stands nowhere now.
    """

    name: str
    wants: Any
    holds: Any
    why: str
    at: str
    wanted: Any = None
    held: Any = None
    here: Mapping[str, str] = field(default_factory=dict)
    there: Mapping[str, str] = field(default_factory=dict)
    lost: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {name: getattr(self, name) for name in self.__slots__}
