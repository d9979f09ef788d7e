"""Put an open question into words that a person can weigh: what each side holds, and what of it was changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from connector import richtext
from connector.event import Text
from connector.merge import Conflict
from workers.operating.questions import Question, spoken
from workers.sides import NEVER

LARGEST: Final = 64 * 1024
"""Characters of a third value that a person writes."""

MOST_WORDS: Final = 1500
"""Words of a text beyond which it is compared line by line, and lines beyond which it is not."""

Pieces = tuple[tuple[str, str], ...]
"""A text in pieces: (``same``, ``gone`` or ``new``; the piece)."""


@dataclass(frozen=True, slots=True)
class Half:
    """One side: what it holds, in words, and as it differs from when both agreed.

    ``lines`` are the members of a list; None for anything else.  ``at`` is ISO, ``by`` a name; "" where not known.
    ``lost``: it was written over in the moment in which it was changed, and stands nowhere now.
    """

    words: str
    lines: tuple[str, ...] | None
    pieces: Pieces
    at: str
    by: str
    lost: bool


@dataclass(frozen=True, slots=True)
class Weighed:
    """A question as it is shown: both sides, what they agreed on (None: never), and what a third value begins with."""

    source: Half
    target: Half
    before: str | None
    is_list: bool
    is_rich: bool
    start: str


def weighed(question: Question) -> Weighed:
    """Put a question into words."""
    one = question.conflict
    rich = _is_rich(one)
    wanted = one.held if one.wanted == NEVER or one.wanted is None else one.wanted
    is_list = isinstance(one.wants, list) or isinstance(one.holds, list)
    return Weighed(
        source=_half(one.wants, wanted, one.here, lost=one.lost == "from"),
        target=_half(one.holds, one.held, one.there, lost=one.lost == "to"),
        before=None if one.held is None and wanted is None else _words(one.held, one.there, now=one.holds),
        is_list=is_list,
        is_rich=rich,
        start=_start(one, rich=rich),
    )


def given(question: Question, text: str) -> Any:
    """Return the third value that a person wrote: a list one per line, nothing for none.

    Raises ValueError with the reason.
    """
    if len(text) > LARGEST:
        message = f"that is longer than {LARGEST} characters"
        raise ValueError(message)
    text = text.replace("\r\n", "\n")
    if isinstance(question.conflict.wants, list) or isinstance(question.conflict.holds, list):
        return [line.strip() for line in text.split("\n") if line.strip()]
    return text.strip() or None


def _half(value: Any, before: Any, told: Mapping[str, str], *, lost: bool) -> Half:
    words = _words(value, told)
    return Half(
        words=words,
        lines=tuple(_lines(value, told)) if isinstance(value, list) else None,
        pieces=compared(_words(before, told, now=value), words) if before is not None else (("same", words),),
        at=told.get("at", ""),
        by=told.get("by", ""),
        lost=lost,
    )


def _words(value: Any, told: Mapping[str, str], *, now: Any = None) -> str:
    # What is told beside a value is told of what the side holds now.
    mine = now is None or value == now
    if isinstance(value, list):
        return "\n".join(_lines(value, told if mine else {})) or spoken(value)
    if mine and told.get("words"):
        return told["words"]
    if isinstance(value, str) and "format" in told:
        return richtext.plain({"format": told["format"], "content": value}) or spoken(None)
    return spoken(value)


def _lines(value: Sequence[Any], told: Mapping[str, str]) -> Iterator[str]:
    yield from told["words"].split("\n") if told.get("words") else (spoken(one) for one in value)


def _is_rich(one: Conflict) -> bool:
    sides = ((one.wants, one.here), (one.holds, one.there))
    return any("format" in told or (isinstance(value, Mapping) and value.get("type") == "doc") for value, told in sides)


def _start(one: Conflict, *, rich: bool) -> str:
    value, told = (one.wants, one.here) if one.wants not in (None, "", []) else (one.holds, one.there)
    if value in (None, "", []):
        return ""
    if rich:
        known = told.get("format") or one.there.get("format") or one.here.get("format") or "adf"
        text: Text = {"format": "adf" if isinstance(value, Mapping) else known, "content": value}
        return str(richtext.convert(text, "markdown").content)
    return _words(value, told)


def compared(before: str, now: str) -> Pieces:
    """Compare two texts word by word, long ones line by line."""
    one, other = _split(before), _split(now)
    if max(len(one), len(other)) > MOST_WORDS:
        one, other = before.splitlines(keepends=True), now.splitlines(keepends=True)
    if max(len(one), len(other)) > MOST_WORDS:
        return (("same", now),)
    return tuple(_pieces(one, other))


def _pieces(one: Sequence[str], other: Sequence[str]) -> Iterator[tuple[str, str]]:
    gone = new = ""
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        before, now = "".join(one[i1:i2]), "".join(other[j1:j2])
        # Words that are all new are easier read as one piece than with each blank between them as it was.
        if tag != "equal" or (not now.strip() and (gone or new) and j2 < len(other)):
            gone, new = gone + before, new + now
            continue
        yield from ((kind, text) for kind, text in (("gone", gone), ("new", new)) if text)
        gone = new = ""
        yield ("same", now)
    yield from ((kind, text) for kind, text in (("gone", gone), ("new", new)) if text)


def _split(text: str) -> list[str]:
    return re.findall(r"\s+|\w+|[^\w\s]", text)
