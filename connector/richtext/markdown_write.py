"""Write the tree as GitHub Flavored Markdown that stays readable in its source."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Final

from connector.richtext import fitting, markdown_escape
from connector.richtext.guard import guarded
from connector.richtext.markdown_spans import prepared, written
from connector.richtext.spans import clean
from connector.richtext.tree import (
    Block,
    Blocks,
    BulletList,
    CodeBlock,
    Document,
    Expand,
    Heading,
    Inline,
    Inlines,
    Item,
    Losses,
    Opaque,
    OrderedList,
    Panel,
    Paragraph,
    Quote,
    Rule,
    Section,
    Style,
    Table,
    TaskList,
    Written,
)

_ALERTS: Final = {
    "info": "NOTE", "tip": "TIP", "success": "TIP", "note": "IMPORTANT", "warning": "WARNING", "error": "CAUTION",
}  # fmt: skip
_ALL: Final = fitting.ALL - {Section, Opaque}
_BULLETS: Final = (BulletList, TaskList)
_MOST_NUMBER: Final = 999_999_999 - 100_000
"""CommonMark's numbers have nine digits; a list must still count on from its start."""


def write(document: Document, style: Style) -> Written:
    """Write a document."""
    writer = _Writer(style)
    return Written(writer.blocks(document.blocks), writer.losses.words)


class _Writer:
    """Carry what one document needs while it is written."""

    def __init__(self, style: Style) -> None:
        self.losses = Losses()
        self._style = style

    def inlines(self, inlines: Iterable[Inline], new_line: str = "\n") -> str:
        """Write inlines."""
        return written(prepared(inlines, self._style, self.losses), new_line=new_line)

    def blocks(self, blocks: Iterable[Block], *, tight: bool = False) -> str:
        """Write blocks below each other; ``tight`` lets a list follow its first line at once."""
        return _joined(self.parts(blocks), tight=tight)

    def parts(self, blocks: Iterable[Block]) -> list[tuple[Block, str]]:
        """Write each block that shows; neighbouring lists get different signs, or they would be one."""
        done: list[tuple[Block, str]] = []
        other = False
        for block in fitting.fit(blocks, _ALL, self.losses, "Markdown has none"):
            another = not other if done and _alike(done[-1][0], block) else False
            if text := self.block(block, other=another):
                done.append((block, text))
                other = another
        return done

    def block(self, block: Block, *, other: bool = False) -> str:
        """Write one block, "" where there is nothing to see."""
        match block:
            case Paragraph(inlines):
                return self.inlines(inlines)
            case Heading(level, inlines):
                text = self.inlines(fitting.unbroken(prepared(inlines, self._style, self.losses)))
                return f"{'#' * level} {markdown_escape.heading_end(text)}" if text else ""
            case BulletList(items) | TaskList(items):
                sign = "*" if other else "-"
                return self.items(items, [sign] * len(items))
            case OrderedList(items, start):
                sign = ")" if other else "."
                start = min(start, _MOST_NUMBER)
                return self.items(items, [f"{start + place}{sign}" for place in range(len(items))])
            case CodeBlock(text, language):
                return _fenced(text, language)
            case Quote(inner):
                return _quoted(self.blocks(inner))
            case Rule():
                return "---"
            case Table():
                return self.table(block)
            case Panel(kind, title, inner):
                self.losses.add_all([fitting.TITLE] if title.strip() else [])
                return self.panel(kind, fitting.titled(title, inner))
            case Expand(title, inner):
                shown = html.escape(self._quiet(" ".join(clean(title).split())), quote=False)
                content = self.blocks(inner)
                return "\n\n".join(
                    part for part in (f"<details>\n<summary>{shown}</summary>", content, "</details>") if part
                )
            case Section() | Opaque():
                return ""

    def _quiet(self, text: str) -> str:
        return text if self._style.pings else guarded(text)

    def items(self, items: Sequence[Item], signs: Sequence[str]) -> str:
        """Write the points of a list."""
        done = [self.item(item, sign) for item, sign in zip(items, signs, strict=True)]
        return ("\n\n" if any("\n\n" in text for text in done) else "\n").join(done)

    def item(self, item: Item, sign: str) -> str:
        """Write a point: what follows its first line is indented below its text."""
        if item.done is None:
            content = self.blocks(item.blocks, tight=True)
        else:
            box = "[x]" if item.done else "[ ]"
            first, rest = item.blocks[:1], item.blocks[1:]
            if not isinstance(first[0] if first else None, Paragraph):
                first, rest = (), item.blocks
            head = " ".join(part for part in (box, self.blocks(first)) if part)
            parts = self.parts(rest)
            below = _joined(parts)
            joint = "\n" if parts and _interrupts(*parts[0]) else "\n\n"
            content = f"{head}{joint}{below}" if below else head
        if content.partition("\n")[0] == "---":
            content = f"___{content[3:]}"  # "- ---" would be a rule itself, not a point with one
        return _indented(content, f"{sign} ", " " * (len(sign) + 1)) if content else sign

    def panel(self, kind: str, inner: Blocks) -> str:
        """Write a panel as one of GitHub's alerts, one without meaning as a quote."""
        parts = self.parts(inner)
        content = _joined(parts)
        alert = _ALERTS.get(kind)
        if alert is None:
            self.losses.add("panel shown as a quote: Markdown has alerts only")
            return _quoted(content)
        if kind not in {"info", "tip", "note", "warning", "error"}:
            self.losses.add("panel shown as the nearest kind of alert")
        close = "\n" if parts and isinstance(parts[0][0], Paragraph) else "\n\n"
        return _quoted(f"[!{alert}]{close}{content}" if content else f"[!{alert}]")

    def table(self, table: Table) -> str:
        """Write a table; its first row is the header, which the format requires."""
        if table.rows and not all(cell.header for cell in table.rows[0]):
            self.losses.add("first row of a table shown as its header: Markdown requires one")
        if any(not isinstance(block, Paragraph) for row in table.rows for cell in row for block in cell.blocks):
            self.losses.add("content of table cells shown as lines: Markdown takes only text there")
        if any(len(cell.blocks) > 1 for row in table.rows for cell in row):
            self.losses.add(fitting.PARAGRAPHS)
        rows = [
            [self.cell(fitting.one_line(cell.blocks)) for cell in row]
            for row in fitting.spread(table, self.losses, "Markdown cannot merge them")
        ]
        if not rows:
            return ""
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])

    def cell(self, inlines: Inlines) -> str:
        """Write a cell in one line, without a bar that would end it."""
        return self.inlines(inlines, "<br>").replace("|", "\\|")


def _joined(parts: Sequence[tuple[Block, str]], *, tight: bool = False) -> str:
    done = ""
    for place, (block, text) in enumerate(parts):
        close = tight and place == 1 and isinstance(parts[0][0], Paragraph) and _interrupts(block, text)
        done += text if not place else f"\n{text}" if close else f"\n\n{text}"
    return done


def _alike(before: Block, block: Block) -> bool:
    return (isinstance(before, _BULLETS) and isinstance(block, _BULLETS)) or (
        isinstance(before, OrderedList) and isinstance(block, OrderedList)
    )


def _interrupts(block: Block, text: str) -> bool:
    """Tell whether a list may follow a line of text without an empty line (CommonMark is picky there)."""
    if isinstance(block, OrderedList) and block.start != 1:
        return False
    return isinstance(block, (*_BULLETS, OrderedList)) and len(text.split("\n", 1)[0].split(" ", 1)) > 1


def _indented(text: str, first: str, others: str) -> str:
    lines = text.split("\n")
    return "\n".join(first + line if not number else others + line if line else "" for number, line in enumerate(lines))


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" if line else ">" for line in text.split("\n")) if text else ""


def _fenced(text: str, language: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    fence = "`" * max(markdown_escape.longest(text, "`") + 1, 3)
    info = clean(language).replace("`", "").replace("\\", "").replace("&", "").split()
    body = f"{text}\n" if text else ""
    return f"{fence}{info[0] if info else ''}\n{body}{fence}"
