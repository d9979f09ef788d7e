"""Cut a document so that what is written of it fits a limit, at places where a reader can stop.

The cut is made in the tree, so that fences, quotes and tables are closed by the writer as always; how
much of the tree fits is found by writing and measuring.  Lengths are counted in UTF-16 units, which
are never fewer than code points: systems differ in which of the two they count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from connector.richtext import plain, urls
from connector.richtext.tree import (
    Block,
    Blocks,
    BulletList,
    Card,
    Cell,
    CodeBlock,
    Document,
    Expand,
    Heading,
    Inline,
    Inlines,
    Item,
    OrderedList,
    Panel,
    Paragraph,
    Quote,
    Run,
    Section,
    Table,
    TaskList,
)

NOTICE: Final = "… (truncated)"
_WORD: Final = 200
"""Letters of a paragraph below which no part of it is kept: half a sentence tells little."""


def units(text: str) -> int:
    """Return the length of a text in UTF-16 units."""
    return len(text) + (0 if text.isascii() else sum(letter > "\uffff" for letter in text))


def shortened(document: Document, more: str, write: Callable[[Document], Any], fits: Callable[[Any], bool]) -> Any:
    """Return the longest writing of a beginning of ``document``, with a notice, that fits.

    None where not even the notice does.
    """
    total = len(plain.show(document.blocks)) + 1
    least, most = 0, total
    best = None
    while least <= most:
        middle = (least + most) // 2
        made = write(_noticed(_Cut(middle).blocks(document.blocks), more))
        if fits(made):
            best, least = made, middle + 1
        else:
            most = middle - 1
    return best


def clipped(text: str, limit: int) -> str:
    """Return the beginning of a text that has at most ``limit`` UTF-16 units."""
    while units(text) > limit:
        text = text[: len(text) - max((units(text) - limit) // 2, 1)]
    return text


def _noticed(blocks: Blocks, more: str) -> Document:
    words: Inlines = (Run(NOTICE),)
    if more:
        words = (*words, Run(" "), Card(more) if urls.is_web(more) else Run(more))
    return Document((*blocks, Paragraph(words)))


class _Cut:
    """Take the first so many letters of blocks."""

    def __init__(self, room: int) -> None:
        self._room = room

    def blocks(self, blocks: Blocks) -> Blocks:
        """Return the beginning of blocks; the last one may be cut."""
        done: list[Block] = []
        for block in blocks:
            if self._room <= 0:
                break
            made = self._block(block)
            if made is not None:
                done.append(made)
        return tuple(done)

    def _block(self, block: Block) -> Block | None:
        match block:
            case Paragraph(inlines):
                kept = self._inlines(inlines)
                return replace(block, inlines=kept) if kept else None
            case CodeBlock(text):
                kept_text = self._lines(text)
                return replace(block, text=kept_text) if kept_text or not text else None
            case BulletList(items) | OrderedList(items) | TaskList(items):
                kept_items = self._items(items)
                return replace(block, items=kept_items) if kept_items else None
            case Quote(inner) | Panel(blocks=inner) | Expand(blocks=inner) | Section(inner):
                kept_blocks = self.blocks(inner)
                return replace(block, blocks=kept_blocks) if kept_blocks or not inner else None
            case Table(rows):
                kept_rows = self._rows(rows)
                return replace(block, rows=kept_rows) if kept_rows else None
            case Heading() | _:
                return block if self._take(len(plain.show((block,)))) else None

    def _take(self, count: int) -> bool:
        """Use up room; False where there is too little, and then nothing more fits."""
        whole = count <= self._room
        self._room = self._room - count if whole else 0
        return whole

    def _inlines(self, inlines: Inlines) -> Inlines:
        room = self._room
        if self._take(len(plain.words(inlines))):
            return inlines
        if room < _WORD:
            return ()
        done: list[Inline] = []
        for inline in inlines:
            length = len(plain.words([inline]))
            if length <= room:
                done.append(inline)
                room -= length
                continue
            if isinstance(inline, Run):
                words = inline.text[:room].rpartition(" ")[0] or inline.text[:room]
                done.append(replace(inline, text=words.rstrip()))
            break
        return tuple(done)

    def _lines(self, text: str) -> str:
        room = self._room
        if self._take(len(text)):
            return text
        return text[:room].rpartition("\n")[0] or text[:room]

    def _items(self, items: tuple[Item, ...]) -> tuple[Item, ...]:
        done: list[Item] = []
        for item in items:
            if self._room <= 0:
                break
            kept = self.blocks(item.blocks)
            self._room -= 2
            if kept or not item.blocks:
                done.append(replace(item, blocks=kept))
        return tuple(done)

    def _rows(self, rows: tuple[tuple[Cell, ...], ...]) -> tuple[tuple[Cell, ...], ...]:
        done: list[tuple[Cell, ...]] = []
        for row in rows:
            if not self._take(sum(len(plain.show(cell.blocks)) + 3 for cell in row)):
                break
            done.append(row)
        return tuple(done)
