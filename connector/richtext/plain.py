"""Read plain text as paragraphs and lines, and show any document as plain text.

The plain form is what titles, templates and conditions see, and what remains of a node wherever a
format has no room for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from connector.richtext import urls
from connector.richtext.spans import clean
from connector.richtext.tree import (
    Block,
    Blocks,
    Break,
    BulletList,
    Card,
    Cell,
    CodeBlock,
    Date,
    Document,
    Emoji,
    Expand,
    Heading,
    Image,
    Inline,
    Item,
    Kind,
    Losses,
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
    Style,
    Table,
    TaskList,
    Written,
)

_GAP: Final = re.compile(r"\n{2,}")
BOX: Final = {True: "☑ ", False: "☐ ", None: ""}
"""How the state of a task is shown where there are no tasks."""


def read(content: Any) -> Document:
    """Read a str: empty lines part paragraphs (further ones are kept as breaks), addresses are links."""
    text = clean(str(content or ""))
    blocks: list[Block] = []
    done, extra = 0, 0
    for found in [*_GAP.finditer(text), None]:
        end = found.start() if found else len(text)
        inlines = [*[Break()] * extra, *line_inlines(text[done:end])]
        if inlines:
            blocks.append(Paragraph(tuple(inlines)))
        if found:
            done, extra = found.end(), found.end() - found.start() - 2
    return Document(tuple(blocks))


def line_inlines(text: str) -> Iterator[Inline]:
    """Turn lines of text into runs, breaks and cards."""
    for number, line in enumerate(text.split("\n")):
        if number:
            yield Break()
        for piece, is_url in urls.split(line):
            yield Card(piece) if is_url else Run(piece)


def write(document: Document, style: Style) -> Written:
    """Show a document with its links' addresses; what marks said is lost without a word."""
    del style
    losses = Losses()
    if any(_has_picture(block) for block in document.blocks):
        losses.add("image shown by its name: plain text has no images")
    return Written(clean(show(document.blocks, addresses=True)).strip("\n"), losses.words)


def _has_picture(block: Block) -> bool:
    return isinstance(block, Paragraph) and any(isinstance(one, Image) for one in block.inlines)


def show(blocks: Blocks, *, addresses: bool = False) -> str:
    """Show blocks as text; ``addresses`` puts a link's address behind its words."""
    return "\n\n".join(text for text in (_block(block, addresses) for block in blocks) if text)


def words(inlines: Iterable[Inline], *, addresses: bool = False) -> str:
    """Show inlines as text."""
    return "".join(_inline(inline, addresses) for inline in inlines)


def _inline(inline: Inline, addresses: bool) -> str:
    match inline:
        case Run(text, marks):
            href = next((mark.value for mark in marks if mark.kind is Kind.LINK), "")
            if addresses and href and href not in {text, f"mailto:{text}"}:
                return f"{text} ({href})"
            return text
        case Break():
            return "\n"
        case Mention(name=name, id=known):
            return f"@{name or known}"
        case Emoji(short=short, text=text):
            return text or f":{short}:"
        case Date():
            return inline.iso
        case Status(text):
            return f"[{text}]"
        case Card(url):
            return url
        case Image(url, alt):
            if addresses and alt and urls.is_web(url):
                return f"{alt} ({url})"
            return alt or url
        case Opaque(plain=plain):
            return plain


def _block(block: Block, addresses: bool) -> str:
    match block:
        case Paragraph(inlines) | Heading(inlines=inlines):
            return words(inlines, addresses=addresses)
        case CodeBlock(text):
            return text
        case BulletList(items):
            return _items(items, ["- "] * len(items), addresses)
        case TaskList(items):
            return _items(items, [BOX[bool(item.done)] for item in items], addresses)
        case OrderedList(items, start):
            return _items(items, [f"{start + place}. " for place in range(len(items))], addresses)
        case Quote(blocks):
            return _indented(show(blocks, addresses=addresses), "> ", "> ")
        case Rule():
            return "---"
        case Table(rows):
            return "\n".join(" | ".join(cell_words(cell) for cell in row) for row in rows)
        case Section(blocks):
            return show(blocks, addresses=addresses)
        case Panel(title=title, blocks=blocks) | Expand(title, blocks):
            return "\n\n".join(part for part in (title, show(blocks, addresses=addresses)) if part)
        case Opaque(plain=plain):
            return plain


def _items(items: tuple[Item, ...], signs: list[str], addresses: bool) -> str:
    done: list[str] = []
    for item, sign in zip(items, signs, strict=True):
        parts = [text for text in (_block(block, addresses) for block in item.blocks) if text]
        done.append(_indented("\n".join(parts), sign, " " * len(sign)))
    return "\n".join(done)


def _indented(text: str, first: str, others: str) -> str:
    lines = text.split("\n")
    return "\n".join((others if number else first) + line for number, line in enumerate(lines))


def unboxed(points: BulletList) -> BulletList | TaskList:
    """Read points that all begin with a drawn box as the tasks that they stand for."""
    tasks: list[Item] = []
    for item in points.items:
        match item.blocks:
            case (Paragraph((Run(text), *inlines)), *rest) if text[:1] in {"☑", "☐"}:
                words = Run(text[1:].lstrip(" "))
                first = Paragraph((*([words] if words.text else []), *inlines))
                tasks.append(Item((first, *rest), done=text[0] == "☑"))
            case _:
                return points
    return TaskList(tuple(tasks))


def cell_words(cell: Cell) -> str:
    """Show a cell in one line."""
    return " ".join(show(cell.blocks).split())


def grid(table: Table) -> str:
    """Draw a table with letters of one width: columns aligned, a line under the header."""
    rows = [[cell_words(cell) for cell in row] for row in table.rows]
    count = max((len(row) for row in rows), default=0)
    widths = [max((len(row[place]) for row in rows if place < len(row)), default=0) for place in range(count)]
    drawn = [" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=False)).rstrip() for row in rows]
    if table.rows and table.rows[0] and all(cell.header for cell in table.rows[0]):
        drawn.insert(1, "-+-".join("-" * width for width in widths))
    return "\n".join(drawn)
