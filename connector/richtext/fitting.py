"""Lower blocks and inlines to what a place in a format can hold, saying what was lost.

A format names the node classes that a place takes; everything else is replaced by the nearest thing
that fits: a heading by a bold line, a table by drawn text, a box by its content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from connector.richtext import plain
from connector.richtext.spans import clean
from connector.richtext.tree import (
    Block,
    Blocks,
    Break,
    BulletList,
    Cell,
    CodeBlock,
    Date,
    Emoji,
    Expand,
    Heading,
    Inline,
    Inlines,
    Item,
    Kind,
    Losses,
    Mark,
    Mention,
    Opaque,
    OrderedList,
    Panel,
    Paragraph,
    Quote,
    Rule,
    Run,
    Section,
    Status,
    Table,
    TaskList,
    marked,
)

ALL: Final[frozenset[type]] = frozenset(
    {
        Paragraph,
        Heading,
        BulletList,
        OrderedList,
        TaskList,
        CodeBlock,
        Quote,
        Rule,
        Table,
        Panel,
        Expand,
        Section,
        Opaque,
    }
)
STRONG: Final = Mark(Kind.STRONG)
RULE: Final = "———"
"""How a line across is shown where there is none."""

STATUS: Final = "status shown as a bold word"
PARAGRAPHS: Final = "paragraphs of a list point, a task or a table cell shown as lines"
LISTS: Final = "lists next to each other in a list point shown as one"
TITLE: Final = "title of a panel shown as a bold line"
DATE: Final = "date shown as words"
EMOJI: Final = "emoji shown as its character or name"
CARD: Final = "card shown as its address"
EQUIVALENT: Final = frozenset({STATUS, DATE, EMOJI, CARD, "decisions shown as a list", TITLE, PARAGRAPHS})
"""Losses after which a reader knows all the same."""

UNKNOWN: Final = "content of a kind that only its source knows, shown as text"

_NAMES: Final[dict[type, str]] = {
    Heading: "heading shown as a bold line",
    Quote: "quote shown as paragraphs",
    Table: "table shown as a code block",
    Panel: "panel shown as its content",
    Expand: "expandable section shown in full",
    TaskList: "task list shown as a list",
    Rule: "line across shown as dashes",
    BulletList: "list shown as lines",
    OrderedList: "list shown as lines",
    CodeBlock: "code block shown as text",
    Section: "columns, or the body of an app, shown one below the other",
}


def bold(inlines: Iterable[Inline]) -> Inlines:
    """Make every run bold."""
    return tuple(
        Run(one.text, marked(one.marks, STRONG))
        if isinstance(one, Run) and all(mark.kind is not Kind.CODE for mark in one.marks)
        else one
        for one in inlines
    )


def titled(title: str, blocks: Blocks) -> Blocks:
    """Put a title as a bold line before blocks."""
    return (Paragraph((Run(title, (STRONG,)),)), *blocks) if title.strip() else blocks


def fit(blocks: Iterable[Block], allowed: frozenset[type], losses: Losses, where: str) -> Iterator[Block]:
    """Yield blocks of ``allowed`` classes only.

    ``where`` completes the sentence of a loss: ``Slack has no tables``, ``not possible in a list``.
    """
    for block in blocks:
        if type(block) in allowed:
            yield block
            continue
        if isinstance(block, Opaque):
            losses.add(UNKNOWN)
            yield Paragraph(tuple(plain.line_inlines(block.plain)))
            continue
        losses.add(f"{_NAMES[type(block)]}: {where}")
        match block:
            case Heading(inlines=inlines):
                yield Paragraph(bold(inlines))
            case Quote(inner) | Section(inner):
                yield from fit(inner, allowed, losses, where)
            case Panel(title=title, blocks=inner) | Expand(title, inner):
                yield from fit(titled(title, inner), allowed, losses, where)
            case Table():
                yield from fit([CodeBlock(plain.grid(block))], allowed, losses, where)
            case Rule():
                yield Paragraph((Run(RULE),))
            case TaskList(items):
                yield from fit([BulletList(tuple(boxed(item) for item in items))], allowed, losses, where)
            case BulletList() | OrderedList() | CodeBlock():
                yield Paragraph(tuple(plain.line_inlines(plain.show((block,)))))
            case _:
                yield block


def boxed(item: Item) -> Item:
    """Turn a task into a point that begins with a drawn box."""
    box = Run(plain.BOX[bool(item.done)])
    match item.blocks:
        case (Paragraph(inlines), *rest):
            return Item((Paragraph((box, *inlines)), *rest))
        case _:
            return Item((Paragraph((box,)), *item.blocks))


def simple(inlines: Iterable[Inline], keep: frozenset[type], native: str, losses: Losses) -> Iterator[Inline]:
    """Yield inlines of ``keep`` classes and runs and breaks; `Opaque` of format ``native`` passes."""
    for inline in inlines:
        if type(inline) in keep or isinstance(inline, Run | Break):
            yield inline
            continue
        match inline:
            case Opaque(format=known) if known == native:
                yield inline
            case Opaque(plain=text, marks=marks):
                losses.add(UNKNOWN)
                yield Run(text, marks)
            case Status(text, marks=marks):
                losses.add(STATUS)
                yield Run(f"[{text}]", marked(marks, STRONG))
            case Emoji() | Date():
                losses.add(EMOJI if isinstance(inline, Emoji) else DATE)
                yield Run(plain.words([inline]), inline.marks)
            case Mention():
                yield Run(plain.words([inline]), inline.marks)
            case _:
                yield inline


def unbroken(inlines: Iterable[Inline]) -> Iterator[Inline]:
    """Yield inlines without breaks, for a place that a line's end would end."""
    for inline in inlines:
        match inline:
            case Break():
                yield Run(" ")
            case Run(text, marks):
                yield Run(" ".join(clean(text).split("\n")), marks)
            case _:
                yield inline


def spread(table: Table, losses: Losses, where: str) -> list[list[Cell]]:
    """Return the rows of a table without spans and all of one length; a merged cell leaves empty ones."""
    below: dict[int, int] = {}
    rows: list[list[Cell]] = []
    for row in table.rows:
        made: list[Cell] = []
        blocked, below = below, {}
        for cell in row:
            while blocked.get(len(made)):
                below[len(made)] = blocked[len(made)] - 1
                made.append(Cell(header=cell.header))
            if cell.colspan > 1 or cell.rowspan > 1:
                losses.add(f"merged table cells shown apart: {where}")
            for part in range(cell.colspan):
                below[len(made)] = cell.rowspan - 1
                made.append(cell if not part else Cell(header=cell.header))
        for place in sorted(blocked):
            if blocked[place] and place >= len(made):
                made += [Cell()] * (place + 1 - len(made))
                below[place] = blocked[place] - 1
        rows.append(made)
    width = max((len(row) for row in rows), default=0)
    return [row + [Cell()] * (width - len(row)) for row in rows if row]


def one_line(blocks: Blocks) -> Inlines:
    """Show blocks as inlines with breaks between them, for a place that takes no blocks."""
    done: list[Inline] = []
    for block in blocks:
        if done:
            done.append(Break())
        match block:
            case Paragraph(inlines):
                done += inlines
            case Heading(inlines=inlines):
                done += bold(inlines)
            case CodeBlock(text):
                for number, line in enumerate(text.split("\n")):
                    done += [Break()] if number else []
                    done.append(Run(line, (Mark(Kind.CODE),)))
            case BulletList(items) | OrderedList(items) | TaskList(items):
                start = block.start if isinstance(block, OrderedList) else 0
                for number, item in enumerate(items):
                    done += [Break()] if number else []
                    sign = f"{start + number}. " if isinstance(block, OrderedList) else plain.BOX[item.done] or "• "
                    done += [Run(sign), *one_line(item.blocks)]
            case Quote(inner) | Section(inner):
                done += one_line(inner)
            case Panel(title=title, blocks=inner) | Expand(title, inner):
                done += one_line(titled(title, inner))
            case Table() | Rule() | Opaque():
                done += plain.line_inlines(plain.show((block,)))
    return tuple(done)
