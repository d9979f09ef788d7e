"""Write the tree as an Atlassian Document Format document that Jira takes.

Jira refuses a document with one wrong child or attribute as a whole, so each place is fitted to what
the schema (npm ``@atlaskit/adf-schema`` 57.7.22) lets stand there.  Ids that the format asks for are
counters: the same tree always gives the same document, so that documents can be compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from connector.richtext import fitting, plain, urls
from connector.richtext.adf_extra import dressed, member, picture
from connector.richtext.adf_read import STATUS
from connector.richtext.colour import hexadecimal
from connector.richtext.spans import clean, image_as_link
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
    Mark,
    Marks,
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

Json = dict[str, Any]

_ANYWHERE: Final = frozenset({BulletList, OrderedList, Section, Opaque})
_DOC: Final = fitting.ALL
_ITEM: Final = frozenset({Paragraph, TaskList, CodeBlock}) | _ANYWHERE
_QUOTE: Final = frozenset({Paragraph, CodeBlock}) | _ANYWHERE
_PANEL: Final = frozenset({Paragraph, Heading, CodeBlock, TaskList, Rule}) | _ANYWHERE
_CELL: Final = _PANEL | {Panel, Quote, Expand}
_EXPAND: Final = _PANEL | {Panel, Quote, Table, Expand}
_COLUMNS: Final = "columns shown one below the other: one of them is gone"
_LEAST_COLUMNS: Final = 2
_IN_TASK: Final = "not possible in a task"
_NESTED_EXPAND: Final = _PANEL | {Panel, Quote}

_PANELS: Final = frozenset({"info", "note", "tip", "warning", "error", "success", "custom"})
_SIMPLE: Final = {
    Kind.STRONG: "strong", Kind.EM: "em", Kind.STRIKE: "strike", Kind.UNDERLINE: "underline", Kind.CODE: "code",
}  # fmt: skip

_OWN_ID: Final = re.compile(r'"task-([0-9]{1,6})"')
"""An id of ours in a node that is carried along: it is not given again."""


def write(document: Document, style: Style) -> Written:
    """Write a document as the dict that the API takes."""
    del style  # a text in ADF pings nobody: only mention nodes do
    kept = "".join(block.native for block in document.blocks if isinstance(block, Opaque))
    writer = _Writer(max(map(int, _OWN_ID.findall(kept)), default=0))
    content = writer.blocks(document.blocks, _DOC, "not possible here")
    return Written({"type": "doc", "version": 1, "content": content}, writer.losses.words)


class _Writer:
    """Carry what one document needs while it is written: its losses and a counter for ids."""

    def __init__(self, ids: int) -> None:
        self.losses = Losses()
        self._ids = ids

    def local_id(self, known: str) -> str:
        """Return the id a task came with, or the next of our own."""
        self._ids += 1
        return known or f"task-{self._ids}"

    def blocks(self, blocks: Iterable[Block], allowed: frozenset[type], where: str) -> list[Json]:
        """Write blocks for a place that takes ``allowed`` ones."""
        done: list[Json] = []
        for block in fitting.fit(blocks, allowed, self.losses, where):
            done += self.block(block, nested=Expand in allowed and allowed is not _DOC)
        return done

    def filled(self, blocks: Iterable[Block], allowed: frozenset[type], where: str) -> list[Json]:
        """Write blocks for a place that may not be empty."""
        return self.blocks(blocks, allowed, where) or [{"type": "paragraph", "content": []}]

    def block(self, block: Block, *, nested: bool) -> Iterator[Json]:
        """Write one block, as several nodes where a paragraph holds pictures."""
        extra = getattr(block, "extra", "")
        match block:
            case Paragraph(inlines):
                yield from self.paragraph(inlines, extra)
            case Heading(level, inlines):
                yield dressed({"type": "heading", "attrs": {"level": level}, "content": self.inlines(inlines)}, extra)
            case BulletList(items) if member(extra, "type"):
                yield dressed({"type": "decisionList", "content": [self.decision(item) for item in items]}, extra)
            case BulletList(items):
                yield dressed({"type": "bulletList", "content": [self.item(item) for item in items]}, extra)
            case OrderedList(items, start):
                content = [self.item(item) for item in items]
                yield dressed({"type": "orderedList", "attrs": {"order": start}, "content": content}, extra)
            case TaskList(items, local_id):
                yield dressed(self.tasks(items, local_id), extra)
            case CodeBlock(text, language):
                attrs = _attrs(language=language)
                content = [{"type": "text", "text": text}] if text else []
                yield dressed({"type": "codeBlock", **attrs, "content": content}, extra)
            case Quote(inner):
                content = self.filled(inner, _QUOTE, "not possible in a quote")
                yield dressed({"type": "blockquote", "content": content}, extra)
            case Rule():
                yield {"type": "rule"}
            case Table(rows):
                yield dressed({"type": "table", "content": [self.row(row) for row in rows]}, extra)
            case Panel(kind, title, inner):
                self.losses.add_all([fitting.TITLE] if title.strip() else [])
                content = self.filled(fitting.titled(title, inner), _PANEL, "not possible in a panel")
                attrs = {"panelType": kind if kind in _PANELS else "info"}
                yield dressed({"type": "panel", "attrs": attrs, "content": content}, extra)
            case Expand(title, inner):
                allowed = _NESTED_EXPAND if nested else _EXPAND
                content = self.filled(inner, allowed, "not possible in an expandable section")
                kind = "nestedExpand" if nested else "expand"
                yield dressed({"type": kind, "attrs": {"title": title}, "content": content}, extra)
            case Section(inner):
                yield from self.section(block, inner)
            case Opaque(format=known, native=native, plain=text):
                self.losses.add_all([] if known == "adf" else [fitting.UNKNOWN])
                yield from [json.loads(native)] if known == "adf" else self.paragraph((Run(text),))

    def section(self, section: Section, inner: Blocks) -> Iterator[Json]:
        """Write blocks that stand together; where a part of them is gone they may stand alone."""
        kind = member(section.extra, "type")
        if kind != "layoutSection":
            if kind == "layoutColumn":
                self.losses.add(_COLUMNS)
                yield from self.blocks(inner, _DOC, "not possible here")
            else:
                content = self.filled(inner, _DOC, "not possible here")
                yield dressed({"type": "bodiedExtension", "content": content}, section.extra)
            return
        columns = [one for one in inner if isinstance(one, Section) and member(one.extra, "type") == "layoutColumn"]
        if len(columns) < len(inner) or len(columns) < _LEAST_COLUMNS:
            yield from self.blocks(inner, _DOC, "not possible here")
            return
        made = [
            dressed({"type": "layoutColumn", "content": self.filled(one.blocks, _DOC, "not possible here")}, one.extra)
            for one in columns
        ]
        yield dressed({"type": "layoutSection", "content": made}, section.extra)

    def paragraph(self, inlines: Sequence[Inline], extra: str = "") -> Iterator[Json]:
        """Write a paragraph; pictures on the web stand between paragraphs, as the format wants."""
        match inlines:
            case (Card(url, extra=card),) if member(card, "type") and urls.safe(url):
                yield dressed({"type": "blockCard", "attrs": {"url": url}}, card)
                return
            case _:
                pass
        held: list[Inline] = []
        pictures = False
        for inline in inlines:
            if not (isinstance(inline, Image) and urls.is_web(inline.url)):
                held.append(inline)
                continue
            if content := self.inlines(_without_outer_breaks(held)):
                yield dressed({"type": "paragraph", "content": content}, extra)
            held, pictures = [], True
            yield picture(inline)
        content = self.inlines(_without_outer_breaks(held) if pictures else held)
        if content or not pictures:
            yield dressed({"type": "paragraph", "content": content}, extra)

    def item(self, item: Item) -> Json:
        """Write a point; editors expect it to begin with text (older schemas require it)."""
        content = self.filled(item.blocks, _ITEM, "not possible in a list")
        if content[0]["type"] in {"bulletList", "orderedList", "taskList"} and not member(item.extra, "bare"):
            content.insert(0, {"type": "paragraph", "content": []})
        made = {"type": "listItem", "content": content}
        return made if member(item.extra, "type") else dressed(made, item.extra)

    def decision(self, item: Item) -> Json:
        """Write a decision; one that was added elsewhere is taken for decided."""
        if any(not isinstance(block, Paragraph) for block in item.blocks) or len(item.blocks) > 1:
            self.losses.add("content of a decision shown as lines: it holds text only")
        made: Json = {"type": "decisionItem", "content": self.inlines(fitting.one_line(item.blocks))}
        if member(item.extra, "type"):
            return dressed(made, item.extra)
        return {**made, "attrs": {"localId": self.local_id(""), "state": "DECIDED"}}

    def tasks(self, items: tuple[Item, ...], local_id: str) -> Json:
        """Write a task list: tasks hold inlines only, lists of tasks stand behind their task."""
        made: Json = {"type": "taskList", "attrs": {"localId": self.local_id(local_id)}, "content": []}
        for item in items:
            inner = [block for block in item.blocks if isinstance(block, TaskList)]
            rest = tuple(block for block in item.blocks if not isinstance(block, TaskList))
            own = {"localId": self.local_id(item.local_id), "state": "DONE" if item.done else "TODO"}
            if member(item.extra, "type"):
                task = {
                    "type": "blockTaskItem",
                    "attrs": own,
                    "content": self.filled(rest, _PANEL, _IN_TASK),
                }
                made["content"] += [dressed(task, item.extra), *(self.tasks(one.items, one.local_id) for one in inner)]
                continue
            self.losses.add_all([fitting.PARAGRAPHS] if len(rest) > 1 else [])
            if any(not isinstance(block, Paragraph) for block in rest):
                self.losses.add("content of a task shown as lines: a task holds text only")
            task = {"type": "taskItem", "attrs": own, "content": self.inlines(fitting.one_line(rest))}
            made["content"].append(dressed(task, item.extra))
            made["content"] += [self.tasks(one.items, one.local_id) for one in inner]
        return made

    def row(self, row: tuple[Cell, ...]) -> Json:
        """Write a row of a table."""
        return {"type": "tableRow", "content": [self.cell(cell) for cell in row]}

    def cell(self, cell: Cell) -> Json:
        """Write a cell; spans of one are not written."""
        made: Json = {
            "type": "tableHeader" if cell.header else "tableCell",
            **_attrs(colspan=_span(cell.colspan), rowspan=_span(cell.rowspan)),
            "content": self.filled(cell.blocks, _CELL, "not possible in a table cell"),
        }
        return dressed(made, cell.extra)

    def inlines(self, inlines: Iterable[Inline]) -> list[Json]:
        """Write inlines, joining runs that differ in nothing; no text is empty."""
        done: list[Json] = []
        for inline in inlines:
            for node in self.inline(inline):
                last = done[-1] if done else {}
                if node["type"] == "text" == last.get("type") and node.get("marks") == last.get("marks"):
                    last["text"] += node["text"]
                else:
                    done.append(node)
        return done

    def inline(self, inline: Inline) -> Iterator[Json]:
        """Write one inline; marks stand on text only, the schema has none elsewhere."""
        match inline:
            case Run(text, marks):
                for number, line in enumerate(clean(text).split("\n")):
                    if number:
                        yield {"type": "hardBreak"}
                    if line:
                        yield self.text(line, marks)
            case Break():
                yield {"type": "hardBreak"}
            case Mention(known, name):
                called = {"text": f"@{name or known}"} if name or not inline.account else {}
                yield self.noted({"type": "mention", "attrs": {"id": known, **called}}, inline)
            case Emoji(short, text, known):
                yield self.noted({"type": "emoji", **_attrs(shortName=f":{short}:", text=text, id=known)}, inline)
            case Date(timestamp) if timestamp:
                yield self.noted({"type": "date", "attrs": {"timestamp": timestamp}}, inline)
            case Status(text, colour) if text:
                known = colour if STATUS.fullmatch(colour) else "neutral"
                yield self.noted({"type": "status", "attrs": {"text": text, "color": known}}, inline)
            case Card(url):
                if urls.safe(url):
                    yield self.noted({"type": "inlineCard", "attrs": {"url": urls.safe(url)}}, inline)
                else:
                    yield from self.inline(Run(url))
            case Image(url):
                yield from self.inline(self.linked(inline) if urls.is_web(url) else self.named(inline))
            case Opaque(format="adf", native=native):
                yield json.loads(native)
            case Date() | Status() | Opaque():
                self.losses.add_all([fitting.UNKNOWN] if isinstance(inline, Opaque) else [])
                yield from self.inline(Run(plain.words([inline])))

    def noted(self, node: Json, inline: Mention | Emoji | Date | Status | Card) -> Json:
        """Return an inline node with what Atlassian's format said of it; a card stands in a line here."""
        made = dressed(node, inline.extra)
        made["type"] = node["type"]
        marks = [json.loads(mark.value) for mark in inline.marks if mark.kind is Kind.NATIVE]
        return {**made, "marks": marks} if marks else made

    def linked(self, image: Image) -> Inline:
        """Return a link to a picture, for a line that can hold no picture."""
        self.losses.add("image shown as a link: not possible in such a line")
        return image_as_link(image)

    def named(self, image: Image) -> Run:
        """Return the name of an attached picture, which this format can only show by a media id."""
        self.losses.add("attached image shown by its name: its file is not copied along")
        return Run(image.alt or image.url)

    def text(self, text: str, marks: Marks) -> Json:
        """Write text with the marks that may stand together: code stands with a link only."""
        kinds = {mark.kind for mark in marks}
        made = [known for mark in marks for known in self.mark(mark, code=Kind.CODE in kinds)]
        return {"type": "text", "text": text, "marks": made} if made else {"type": "text", "text": text}

    def mark(self, mark: Mark, *, code: bool) -> Iterator[Json]:
        """Write one mark, or none where it cannot be."""
        if code and mark.kind not in {Kind.CODE, Kind.LINK, Kind.NATIVE}:
            return
        match mark.kind:
            case Kind.LINK:
                href = urls.safe(mark.value)
                if href:
                    yield {"type": "link", "attrs": {"href": href}}
                else:
                    self.losses.add("link without its address: it is not one that may be clicked")
            case Kind.COLOUR | Kind.BACKGROUND:
                if known := hexadecimal(mark.value):
                    name = "textColor" if mark.kind is Kind.COLOUR else "backgroundColor"
                    yield {"type": name, "attrs": {"color": known}}
                else:
                    self.losses.add("colour of text that Atlassian's format does not know")
            case Kind.NATIVE:
                yield json.loads(mark.value)
            case Kind.SUB | Kind.SUP:
                yield {"type": "subsup", "attrs": {"type": mark.kind.value}}
            case _:
                yield {"type": _SIMPLE[mark.kind]}


def _attrs(**attrs: str | int) -> Json:
    """Return the attributes that say something, as a member to merge; none at all where none does."""
    kept = {name: value for name, value in attrs.items() if value}
    return {"attrs": kept} if kept else {}


def _span(cells: int) -> int:
    return cells if cells > 1 else 0


def _without_outer_breaks(inlines: list[Inline]) -> list[Inline]:
    start, end = 0, len(inlines)
    while start < end and _is_empty(inlines[start]):
        start += 1
    while end > start and _is_empty(inlines[end - 1]):
        end -= 1
    return inlines[start:end]


def _is_empty(inline: Inline) -> bool:
    return isinstance(inline, Break) or (isinstance(inline, Run) and not inline.text.strip())
