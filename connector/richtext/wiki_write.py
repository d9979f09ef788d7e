"""Write the tree as Jira wiki markup, for servers and for the older version of Cloud's API."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from connector.richtext import fitting
from connector.richtext.guard import GUARD
from connector.richtext.spans import clean
from connector.richtext.tree import (
    Block,
    BulletList,
    Cell,
    CodeBlock,
    Document,
    Heading,
    Inline,
    Item,
    Losses,
    OrderedList,
    Panel,
    Paragraph,
    Quote,
    Rule,
    Style,
    Table,
    Written,
)
from connector.richtext.wiki_read import MOST_LEVELS
from connector.richtext.wiki_spans import prepared, written

_DOCUMENT: Final = frozenset({Paragraph, Heading, BulletList, OrderedList, CodeBlock, Quote, Rule, Table, Panel})
_ITEM: Final = frozenset({Paragraph, BulletList, OrderedList, CodeBlock, Quote, Panel})
_PANELS: Final = {
    "info": "info", "note": "note", "tip": "tip", "success": "tip", "warning": "warning", "error": "warning",
}  # fmt: skip
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9+#.\-]{1,40}")
_UNTITLED: Final = re.compile(r"[{}|\\\n=]")


def write(document: Document, style: Style) -> Written:
    """Write a document."""
    del style  # people are named in brackets, and brackets of texts are escaped
    writer = _Writer()
    return Written(writer.blocks(document.blocks, _DOCUMENT, "wiki markup has none"), writer.losses.words)


class _Writer:
    """Carry what one document needs while it is written: losses, and the boxes that are open."""

    def __init__(self) -> None:
        self.losses = Losses()
        self._boxes: list[str] = []

    def inlines(self, inlines: Iterable[Inline], *, one_line: bool = False) -> str:
        """Write inlines."""
        return written(prepared(inlines, self.losses), one_line=one_line)

    def blocks(self, blocks: Iterable[Block], allowed: frozenset[type], where: str) -> str:
        """Write blocks with empty lines between them."""
        fitted = fitting.fit(blocks, allowed, self.losses, where)
        return "\n\n".join(text for text in (self.block(block) for block in fitted) if text)

    def block(self, block: Block) -> str:
        """Write one block."""
        match block:
            case Paragraph(inlines):
                return self.inlines(inlines)
            case Heading(level, inlines):
                text = self.inlines(fitting.unbroken(prepared(inlines, self.losses)))
                return f"h{level}. {text}" if text else ""
            case BulletList() | OrderedList():
                return self.points(block, "")
            case CodeBlock(text, language):
                return self.code(clean(text), language)
            case Quote(inner):
                return self.box("quote", "", inner)
            case Panel(kind, title, inner):
                name = _PANELS.get(kind, "panel")
                if kind in {"success", "error"}:
                    self.losses.add("panel shown as the nearest kind")
                return self.box(name, " ".join(_UNTITLED.sub(" ", clean(title)).split()), inner)
            case Rule():
                return "----"
            case Table():
                return self.table(block)
            case _:
                return ""

    def box(self, name: str, title: str, inner: Iterable[Block]) -> str:
        """Write a box; the same sign ends it, so there is none of its kind inside of it."""
        if name in self._boxes:
            self.losses.add("box in a box of its kind shown as its content: wiki markup cannot nest them")
            return self.blocks(fitting.titled(title, tuple(inner)), _DOCUMENT, "wiki markup has none")
        self._boxes.append(name)
        content = self.blocks(inner, _DOCUMENT, "wiki markup has none")
        self._boxes.pop()
        if not content and not title:
            return ""
        return f"{{{name}{f':title={title}' if title else ''}}}\n{content}\n{{{name}}}"

    def code(self, text: str, language: str) -> str:
        """Write code byte by byte, in the macro whose end is not in it."""
        known = _LANGUAGE.fullmatch(language)
        if "{code}" not in text:
            return f"{{code{':' + language if known else ''}}}\n{text}\n{{code}}"
        if "{noformat}" in text:
            self.losses.add("macro signs in a code block parted by an unseen character")
            text = text.replace("{noformat}", f"{{{GUARD}noformat}}")
        return f"{{noformat}}\n{text}\n{{noformat}}"

    def points(self, block: BulletList | OrderedList, signs: str) -> str:
        """Write a list and the lists in it: the signs of all levels stand before each point."""
        if isinstance(block, OrderedList) and block.start != 1:
            self.losses.add("number at which a list starts: wiki markup starts at 1")
        signs = (signs + ("#" if isinstance(block, OrderedList) else "*"))[:MOST_LEVELS]
        return "\n".join(self.point(item, signs) for item in block.items)

    def point(self, item: Item, signs: str) -> str:
        """Write a point: no line of it may be empty, and its lists stand last."""
        fitted = list(fitting.fit(item.blocks, _ITEM, self.losses, "not possible in a list"))
        rest = [one for one in fitted if not isinstance(one, BulletList | OrderedList)]
        lists = [one for one in fitted if isinstance(one, BulletList | OrderedList)]
        if fitted != [*rest, *lists]:
            self.losses.add("text after a list in a list point shown before it")
        if any(isinstance(one, Paragraph) and isinstance(other, Paragraph) for one, other in pairwise(rest)):
            self.losses.add(fitting.PARAGRAPHS)
        if any(type(one) is type(other) for one, other in pairwise(lists)):
            self.losses.add(fitting.LISTS)
        parts = [text for text in (self.block(one) for one in rest) if text]
        return "\n".join([f"{signs} {chr(10).join(parts)}", *(self.points(one, signs) for one in lists)])

    def table(self, table: Table) -> str:
        """Write a table: headers between double bars."""
        if any(not isinstance(block, Paragraph) for row in table.rows for cell in row for block in cell.blocks):
            self.losses.add("content of table cells shown as lines")
        if any(len(cell.blocks) > 1 for row in table.rows for cell in row):
            self.losses.add(fitting.PARAGRAPHS)
        return "\n".join(self.row(row) for row in fitting.spread(table, self.losses, "wiki markup cannot merge them"))

    def row(self, row: list[Cell]) -> str:
        """Write a row."""
        signs = ["||" if cell.header else "|" for cell in row]
        texts = [self.inlines(fitting.one_line(cell.blocks), one_line=True) for cell in row]
        return "".join(f"{sign} {text} " for sign, text in zip(signs, texts, strict=True)) + signs[-1]
