"""Hold rich text as one tree of values that every format can be read into and written from.

Blocks hold blocks or inlines, inlines are flat: a run of text carries its marks, so that no format's
own nesting of bold and links leaks into the others.  Nodes are frozen and hashable; what a format
knows and the tree does not is carried as `Opaque` and given back unchanged to its own format.  What a
document of Atlassian says of a node that the tree knows (a column's width, a panel's icon) is its
``extra``: JSON text that only that format writes, see `connector.richtext.adf_extra`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

MAX_DEPTH: Final = 64
"""Containers inside each other that readers build; what lies deeper becomes text (and a loss)."""


class Kind(StrEnum):
    """What a mark does; the order here is the order in which marks are kept and nested.

    A `NATIVE` mark is one of Atlassian's that the tree has no word for, as JSON; a run may have several.
    """

    LINK = "link"
    COLOUR = "colour"
    BACKGROUND = "background"
    STRONG = "strong"
    EM = "em"
    STRIKE = "strike"
    UNDERLINE = "underline"
    SUB = "sub"
    SUP = "sup"
    CODE = "code"
    NATIVE = "native"


_ORDER: Final = {kind: place for place, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class Mark:
    """One property of a run; ``value`` is the address of a link, ``#rrggbb`` or a name of a colour."""

    kind: Kind
    value: str = ""


Marks = tuple[Mark, ...]


def marked(marks: Marks, *more: Mark) -> Marks:
    """Return ``marks`` with others added, in the one order; an earlier mark of a kind stays."""
    kept = {mark.kind if mark.kind is not Kind.NATIVE else mark.value: mark for mark in (*more, *marks)}
    return tuple(sorted(kept.values(), key=lambda mark: _ORDER[mark.kind]))


# --- inlines -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Run:
    """Text under the same marks."""

    text: str
    marks: Marks = ()


@dataclass(frozen=True, slots=True)
class Break:
    """A line ends, the paragraph does not."""

    @property
    def marks(self) -> Marks:
        """Nothing is marked: marks end with the line, as most formats require."""
        return ()


@dataclass(frozen=True, slots=True)
class Mention:
    """A person; ``id`` as the source names them, ``name`` as people read it, without ``@``.

    ``account`` tells an Atlassian account id from a user name of a Jira server.
    """

    id: str
    name: str = ""
    account: bool = False
    marks: Marks = ()
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Emoji:
    """``short`` without colons (``smile``); ``text`` the character, "" where it is not known.

    ``id`` is Atlassian's id of it (a code point, or a custom picture).
    """

    short: str
    text: str = ""
    id: str = ""
    marks: Marks = ()
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Date:
    """A day, as Atlassian writes it: ``timestamp`` is epoch milliseconds in a string."""

    timestamp: str
    marks: Marks = ()
    extra: str = ""

    @property
    def iso(self) -> str:
        """The day as ``2026-11-24``; the timestamp itself where it is no date."""
        # More digits than this are no date of ours, and int() of very long strings is refused.
        if not self.timestamp.lstrip("-").isascii() or not self.timestamp.lstrip("-").isdigit():
            return self.timestamp
        if len(self.timestamp) > 15:
            return self.timestamp
        try:
            return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(self.timestamp))).date().isoformat()
        except (ValueError, OverflowError):
            return self.timestamp


@dataclass(frozen=True, slots=True)
class Status:
    """A coloured lozenge with a word in it."""

    text: str
    colour: str = "neutral"
    marks: Marks = ()
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """An address that stands for itself: a bare URL, a smart link."""

    url: str
    marks: Marks = ()
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture by address; a name without a scheme is an attachment of the same entity."""

    url: str
    alt: str = ""
    marks: Marks = ()
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Opaque:
    """A node of one format that the tree has no word for; stands as a block or inline.

    ``native`` is the node in ``format`` (JSON text for ``adf``, markup for others), ``plain`` what a
    reader of any other format is shown.
    """

    format: str
    native: str
    plain: str
    marks: Marks = ()


Inline = Run | Break | Mention | Emoji | Date | Status | Card | Image | Opaque
Inlines = tuple[Inline, ...]


# --- blocks ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines of inlines."""

    inlines: Inlines = ()
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """``level`` 1 to 6."""

    level: int
    inlines: Inlines = ()
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One point of a list; ``done`` is None in lists that are not task lists.

    ``local_id`` is the id that Atlassian gave a task, kept so that it stays the same task.
    """

    blocks: Blocks = ()
    done: bool | None = None
    local_id: str = ""
    extra: str = ""


@dataclass(frozen=True, slots=True)
class BulletList:
    """Points in no order."""

    items: tuple[Item, ...]
    extra: str = ""


@dataclass(frozen=True, slots=True)
class OrderedList:
    """Numbered points from ``start``."""

    items: tuple[Item, ...]
    start: int = 1
    extra: str = ""


@dataclass(frozen=True, slots=True)
class TaskList:
    """Points to tick off: every item's ``done`` is a bool."""

    items: tuple[Item, ...]
    local_id: str = ""
    extra: str = ""


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Text kept character by character; lines end with a line feed only."""

    text: str
    language: str = ""
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """What somebody else said."""

    blocks: Blocks = ()
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; spans count columns and rows, 1 being itself."""

    blocks: Blocks = ()
    header: bool = False
    colspan: int = 1
    rowspan: int = 1
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; rows may differ in length."""

    rows: tuple[tuple[Cell, ...], ...]
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A coloured box; ``kind`` is info, note, tip, warning, error, success or custom (no meaning)."""

    kind: str
    title: str = ""
    blocks: Blocks = ()
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Expand:
    """Content behind a title to click on."""

    title: str = ""
    blocks: Blocks = ()
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks that stand together in a way that only ``extra`` tells: columns, the body of an app."""

    blocks: Blocks = ()
    extra: str = ""


Block = (
    Paragraph
    | Heading
    | BulletList
    | OrderedList
    | TaskList
    | CodeBlock
    | Quote
    | Rule
    | Table
    | Panel
    | Expand
    | Section
    | Opaque
)
Blocks = tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole text; ``losses`` say in words what its reader could not keep."""

    blocks: Blocks = ()
    losses: tuple[str, ...] = ()


# --- how a format is plugged in ----------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Style:
    """How to write: ``pings`` lets text notify people and close issues (see `guard`)."""

    pings: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A text in its format (a dict for adf), and what that format could not hold."""

    content: object
    losses: tuple[str, ...] = ()


class Losses:
    """Collect losses once per kind, in the order in which they were met."""

    def __init__(self) -> None:
        self._words: dict[str, None] = {}

    def add(self, words: str) -> None:
        """Remember a loss."""
        self._words[words] = None

    def add_all(self, words: Iterable[str]) -> None:
        """Remember losses."""
        self._words.update(dict.fromkeys(words))

    @property
    def words(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self._words)
