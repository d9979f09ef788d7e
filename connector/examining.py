"""Say what a connector needs of its target, and what an examination of the target finds against it.

The words in between: `connector.compiling` tells from a mapping alone what it needs, each system holds that
against what it really offers (`connector.system.Target.examine`), and neither knows of the other.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from connector.listed import Takes

Path = tuple[str | int, ...]
"""Where something stands in a connector's file, as in `connector.documents`."""


class Level(StrEnum):
    """How bad it is: as it should be; works, but not as somebody may think; deliveries will fail or lose."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found out about a connector.

    ``path`` is the place in its file; ``act`` what to do about it ("" where nothing is to be done).  ``cause``
    is a short stable word that, with the path, names the finding from one examination to the next: it holds no
    list and no count that may change.  ``means`` is what the target calls for good what a value stands for: given
    at the next examination (`Named.was`) it tells a choice that was renamed from one that is gone.  A finding
    without a text says only that.
    """

    level: Level
    path: Path
    text: str
    act: str = ""
    cause: str = ""
    means: str = ""


# --- what is needed --------------------------------------------------------------------------------------
class Gives(StrEnum):
    """What a rule hands to its field, as far as that is known before there is an event."""

    LINE = "a line of free text"
    TEXT = "rich text"
    WORDING = "text by a template"
    WORD = "a word of the source's own"
    WORDS = "a list of words"
    ADDRESS = "a web address"
    PERSON = "a person"
    PEOPLE = "several persons"
    NUMBER = "a number"
    DATE = "a date"
    TIME = "a time"
    FLAG = "true or false"
    ANYTHING = "what only an event can tell"


@dataclass(frozen=True, slots=True)
class Named:
    """A value that stands in the file itself, and where; ``was`` is what it stood for when it was last looked at."""

    path: Path
    value: Any
    was: str = ""


@dataclass(frozen=True, slots=True)
class Fed:
    """How one target field is fed.

    ``named`` are the values that the rule itself names.  ``closed``: no others can come, so ``gives`` does not
    matter.  ``always``: it gives a value for every event; one that only may is not enough for a required field.
    ``cut`` is the length that it cuts text to, None where it does not.  ``people`` are the persons of the target
    that its table names.  ``both_ways``: values come back by the same rule, so what it cannot turn round is lost.
    """

    name: str
    path: Path
    gives: Gives
    named: tuple[Named, ...] = ()
    closed: bool = False
    always: bool = False
    cut: int | None = None
    people: tuple[Named, ...] = ()
    both_ways: bool = False


@dataclass(frozen=True, slots=True)
class Needs:
    """Everything a connector will want to do in its target.

    ``creates``, ``updates`` speak of items; ``comments`` is adding any comment or message, ``edits`` and
    ``deletes`` what it does to its own; ``relates`` the link back to the source.  ``statuses`` are those that
    pull requests move issues into.
    """

    fields: tuple[Fed, ...] = ()
    creates: bool = True
    updates: bool = True
    comments: bool = False
    edits: bool = False
    deletes: bool = False
    relates: bool = True
    statuses: tuple[Named, ...] = ()


# --- what fits -------------------------------------------------------------------------------------------
_ONE_LINERS: Final = frozenset(
    {Gives.LINE, Gives.WORD, Gives.ADDRESS, Gives.NUMBER, Gives.DATE, Gives.TIME, Gives.FLAG, Gives.WORDING}
)
_FITS: Final[Mapping[Takes, frozenset[Gives]]] = {
    Takes.LINE: _ONE_LINERS | {Gives.TEXT},
    Takes.TEXT: _ONE_LINERS | {Gives.TEXT},
    Takes.LINK: frozenset({Gives.ADDRESS, Gives.WORDING}),
    Takes.NUMBER: frozenset({Gives.NUMBER, Gives.WORDING}),
    Takes.DATE: frozenset({Gives.DATE, Gives.TIME}),
    Takes.TIME: frozenset({Gives.TIME}),
    Takes.OPTION: frozenset({Gives.WORD, Gives.WORDING}),
    Takes.OPTIONS: frozenset({Gives.WORD, Gives.WORDS, Gives.WORDING}),
    Takes.LABELS: frozenset({Gives.WORD, Gives.WORDS, Gives.LINE, Gives.WORDING, Gives.NUMBER, Gives.DATE}),
    Takes.PERSON: frozenset({Gives.PERSON}),
    Takes.PEOPLE: frozenset({Gives.PERSON, Gives.PEOPLE}),
    Takes.FLAG: frozenset({Gives.FLAG}),
    Takes.LEVELS: frozenset({Gives.WORD, Gives.WORDS, Gives.WORDING}),
}
_SAID: Final[Mapping[Takes, str]] = {
    Takes.LINE: "a line of text",
    Takes.TEXT: "text",
    Takes.LINK: "a web address",
    Takes.NUMBER: "a number",
    Takes.DATE: "a date",
    Takes.TIME: "a time with its zone",
    Takes.OPTION: "one of its choices",
    Takes.OPTIONS: "some of its choices",
    Takes.LEVELS: "a choice and one below it",
    Takes.LABELS: "labels",
    Takes.PERSON: "a person",
    Takes.PEOPLE: "persons",
    Takes.FLAG: "true or false",
    Takes.ANY: "anything",
}
_CHOICES: Final = frozenset({Takes.OPTION, Takes.OPTIONS, Takes.LEVELS})
_SEVERAL: Final = frozenset({Takes.LABELS, Takes.OPTIONS, Takes.LEVELS, Takes.PEOPLE})
_INSTEAD: Final[Mapping[Takes, str]] = {
    Takes.LINK: "map url, or make an address with template:",
    Takes.NUMBER: "map number, or take the number out of the text with transform: [{extract: ...}, number]",
    Takes.DATE: "map due, created or updated, or add transform: [{date: {to: date}}]",
    Takes.TIME: "map created or updated, or add transform: [date]",
    Takes.OPTION: "name the choices with map: or first:",
    Takes.OPTIONS: "map labels, or name the choices with map: or first:",
    Takes.PERSON: "map assignee or reporter, with people: where the names differ",
    Takes.PEOPLE: "map assignees, with people: where the names differ",
    Takes.FLAG: "give value: true or value: false",
    Takes.LEVELS: "name the choices with map: or first:",
}


def misfit(fed: Fed, takes: Takes) -> Finding | None:
    """Judge whether what a rule gives is something that its field takes; None where that is all right or unknown.

    A list where there is room for one, a title where a choice is asked for: every delivery would be refused.
    A choice that is fed with the source's own words is a warning, because only those words that happen to be
    choices will be taken.
    """
    if fed.closed or fed.gives is Gives.ANYTHING or takes is Takes.ANY:
        return None
    if fed.gives not in _FITS[takes]:
        several = fed.gives in {Gives.WORDS, Gives.PEOPLE} and takes not in {
            Takes.LABELS,
            Takes.OPTIONS,
            Takes.LEVELS,
            Takes.PEOPLE,
        }
        act = "add transform: first or join" if several else _INSTEAD.get(takes, "map something else")
        return Finding(
            Level.PROBLEM, fed.path, f"takes {_SAID[takes]}, and the rule gives {fed.gives.value}", act, "type"
        )
    if takes in _CHOICES:
        text = f"takes {_SAID[takes]}, and gets words of the source as they are: one that is no choice is refused"
        return Finding(Level.WARNING, fed.path, text, "name the choices with map: or first:", "open_choice")
    return None


def overlong(fed: Fed, most: int) -> Finding | None:
    """Warn of free text that may be longer than a one-line field takes; a title is one line by itself already."""
    if fed.closed or fed.gives not in {Gives.TEXT, Gives.WORDING} or (fed.cut is not None and fed.cut <= most):
        return None
    text = f"takes {most} characters, and the rule gives {fed.gives.value} of any length: the rest is cut off"
    return Finding(Level.WARNING, fed.path, text, f"add transform: [{{truncate: {{length: {most}}}}}]", "length")


def said(takes: Takes) -> str:
    """Say in words what a field takes."""
    return _SAID[takes]


def meant(word: str, known: Iterable[str]) -> str:
    """Return the known word that was most likely meant; "" where none is near.

    What differs in case and white space only is nearest of all.
    """
    names = sorted(known)
    plain = {squeezed(name): name for name in names}
    if squeezed(word) in plain:
        return plain[squeezed(word)]
    close = difflib.get_close_matches(squeezed(word), plain, n=1, cutoff=0.6)
    return plain[close[0]] if close else ""


def squeezed(word: str) -> str:
    """Return a word without its capitals and its superfluous white space: what a person sees as the same."""
    return " ".join(word.split()).casefold()


def listed(names: Iterable[str], most: int = 20) -> str:
    """Name some things for a message."""
    found = sorted(set(names), key=str.casefold)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return (", ".join(repr(name) if name != name.strip() else name for name in found[:most]) or "none") + more
