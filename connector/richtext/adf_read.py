"""Read an Atlassian Document Format document into the tree, whatever it holds.

Nodes that the tree has no word for (a newer editor's, a media file's, an app's) are carried as they
are, and given back when ADF is written.  Nothing here raises: the document is somebody else's.
Node names and attributes are those of the JSON schema in npm ``@atlaskit/adf-schema`` 57.7.22.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from connector.richtext.adf_extra import extra, picture
from connector.richtext.adf_json import attributes, code, dicts, number, packed, string, text_of
from connector.richtext.spans import clean
from connector.richtext.tree import (
    MAX_DEPTH,
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
    Inlines,
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
    Table,
    TaskList,
    marked,
)

_MARKS: Final = {
    "strong": Kind.STRONG, "em": Kind.EM, "strike": Kind.STRIKE, "underline": Kind.UNDERLINE, "code": Kind.CODE,
}  # fmt: skip
_INLINE: Final = frozenset(
    {"text", "hardBreak", "mention", "emoji", "date", "status", "inlineCard", "placeholder", "inlineExtension"}
    | {"mediaInline"}
)  # fmt: skip
_SECTIONS: Final = frozenset({"layoutSection", "layoutColumn", "bodiedExtension", "bodiedSyncBlock"})
_PANELS: Final = frozenset({"info", "note", "tip", "warning", "error", "success", "custom"})
MOST_SPAN: Final = 100
"""Columns or rows that one cell may span."""

_KNOWN_MARKS: Final = frozenset({"link", "subsup", "textColor", "backgroundColor"})
_EMOJI: Final = frozenset({"shortName", "text", "id"})
STATUS: Final = re.compile(r"neutral|purple|blue|red|yellow|green|#[0-9a-fA-F]{6}")
"""Colours of a status."""

_PARTS: Final = frozenset(
    {"doc", "listItem", "taskItem", "blockTaskItem", "tableRow", "tableCell", "tableHeader", "caption"}
)
"""Nodes that stand for nothing outside their own parent: there, only their content counts."""


def read(content: Any) -> Document:
    """Read a document (a dict; JSON text is taken too); anything else is shown as its text."""
    losses = Losses()
    if isinstance(content, str):
        try:
            content = json.loads(content)
        except (ValueError, RecursionError):
            return Document((Paragraph((Run(clean(content)),)),)) if content.strip() else Document()
    if isinstance(content, Mapping) and content.get("type") == "doc":
        blocks = _blocks(content.get("content"), 1, losses)
    else:
        blocks = _blocks(content if isinstance(content, list) else [content], 1, losses)
    return Document(blocks, losses.words)


def _blocks(content: Any, depth: int, losses: Losses) -> Blocks:
    """Read a list of nodes; loose inlines among them become paragraphs."""
    if depth > MAX_DEPTH:
        losses.add(f"content nested more than {MAX_DEPTH} deep shown as text")
        words = text_of(content)
        return (Paragraph((Run(words),)),) if words else ()
    done: list[Block] = []
    loose: list[Any] = []
    for node in content if isinstance(content, list) else []:
        if isinstance(node, str) or (isinstance(node, Mapping) and node.get("type") in _INLINE):
            loose.append(node)
            continue
        if loose:
            done.append(Paragraph(_inlines(loose, losses)))
            loose = []
        if isinstance(node, Mapping):
            done += _block(node, depth, losses)
    if loose:
        done.append(Paragraph(_inlines(loose, losses)))
    return tuple(done)


def _block(node: Mapping[str, Any], depth: int, losses: Losses) -> Iterator[Block]:
    attrs = attributes(node)
    content = node.get("content")
    match node.get("type"):
        case "paragraph":
            yield Paragraph(_inlines(content, losses), extra(node))
        case "heading":
            level = min(max(number(attrs.get("level"), 1), 1), 6)
            yield Heading(level, _inlines(content, losses), extra(node, {"level"}))
        case "bulletList":
            yield from _list(BulletList(_items(content, depth, losses), extra(node)))
        case "decisionList":
            yield from _list(BulletList(_items(content, depth, losses), extra(node, type="decisionList")))
        case "orderedList":
            start = max(number(attrs.get("order"), 1), 0)
            yield from _list(OrderedList(_items(content, depth, losses), start, extra(node, {"order"})))
        case "taskList":
            tasks = tuple(_tasks(content, depth, losses))
            yield from _list(TaskList(tasks, string(attrs.get("localId")), extra(node)))
        case "codeBlock":
            joined = "".join(string(one.get("text")) for one in dicts(content))
            yield CodeBlock(code(joined), string(attrs.get("language")), extra(node, {"language"}))
        case "blockquote":
            yield Quote(_blocks(content, depth + 1, losses), extra(node))
        case "rule":
            yield Rule()
        case "panel":
            kind = string(attrs.get("panelType")) or "info"
            known = {"panelType"} if kind in _PANELS else set()
            yield Panel(kind, "", _blocks(content, depth + 1, losses), extra(node, known))
        case "expand" | "nestedExpand":
            title = clean(string(attrs.get("title")))
            yield Expand(title, _blocks(content, depth + 1, losses), extra(node, {"title"}))
        case "table":
            rows = tuple(_row(row, depth + 1, losses) for row in dicts(content))
            yield from [Table(rows, extra(node))] if any(rows) else []
        case "mediaSingle" if image := _picture(node):
            yield Paragraph((image,))
        case "blockCard" | "embedCard" as kind if isinstance(attrs.get("url"), str):
            yield Paragraph((Card(attrs["url"], extra=extra(node, {"url"}, type=kind)),))
        case str(kind) if kind in _SECTIONS:
            yield Section(_blocks(content, depth + 1, losses), extra(node, type=kind))
        case str(kind) if kind in _PARTS:
            yield from _blocks(content, depth + 1, losses)
        case _:
            carried = _opaque(node, losses)
            yield carried if isinstance(carried, Opaque) else Paragraph((carried,))


def _list(made: BulletList | OrderedList | TaskList) -> Iterator[Block]:
    if made.items:
        yield made


def _items(content: Any, depth: int, losses: Losses) -> tuple[Item, ...]:
    return tuple(_item(item, _blocks(item.get("content"), depth + 1, losses)) for item in dicts(content))


def _item(node: Mapping[str, Any], blocks: Blocks) -> Item:
    """Return a point; that it begins with no text is remembered, because older schemas want one."""
    if node.get("type") == "decisionItem":
        return Item(blocks, extra=extra(node, type="decisionItem"))
    return Item(blocks, extra=extra(node, bare=bool(blocks) and not isinstance(blocks[0], Paragraph | CodeBlock)))


def _tasks(content: Any, depth: int, losses: Losses) -> Iterator[Item]:
    """Read the items of a task list; a list that stands between them belongs to the task before it."""
    held: Item | None = None
    for node in dicts(content):
        if node.get("type") == "taskList":
            inner = _blocks([node], depth + 1, losses)
            held = Item((), done=False) if held is None else held
            held = replace(held, blocks=(*held.blocks, *inner))
            continue
        if held is not None:
            yield held
        attrs = attributes(node)
        blocks = _blocks(node.get("content"), depth + 1, losses)
        kind = "blockTaskItem" if node.get("type") == "blockTaskItem" else ""
        more = extra(node, {"state", "localId"}, type=kind)
        held = Item(blocks, attrs.get("state") == "DONE", string(attrs.get("localId")), more)
    if held is not None:
        yield held


def _row(node: Mapping[str, Any], depth: int, losses: Losses) -> tuple[Cell, ...]:
    return tuple(
        Cell(
            _blocks(cell.get("content"), depth + 1, losses),
            header=cell.get("type") == "tableHeader",
            colspan=min(max(number(attributes(cell).get("colspan"), 1), 1), MOST_SPAN),
            rowspan=min(max(number(attributes(cell).get("rowspan"), 1), 1), MOST_SPAN),
            extra=extra(cell, {"colspan", "rowspan"}),
        )
        for cell in dicts(node.get("content"))
    )


def _picture(node: Mapping[str, Any]) -> Image | None:
    """Return the external picture of a mediaSingle; a file of the media service stays opaque."""
    match list(dicts(node.get("content"))):
        case [{"type": "media", "attrs": {"type": "external", "url": str(url)} as attrs} as media]:
            marks = [*dicts(node.get("marks")), *dicts(media.get("marks"))]
            links = _marks([mark for mark in marks if mark.get("type") == "link"])
            shown = Image(url, clean(string(attrs.get("alt"))), links)
            return replace(shown, extra=_native_picture(node, shown))
        case _:
            return None


def _native_picture(node: Mapping[str, Any], image: Image) -> str:
    """Return a picture's node as an ``extra`` where it says more than the picture that we would write."""
    return "" if node == picture(image) else packed({"mediaSingle": node})


def _inlines(content: Any, losses: Losses) -> Inlines:
    done: list[Inline] = []
    for node in content if isinstance(content, list) else []:
        if isinstance(node, str):
            done.append(Run(clean(node)))
        elif isinstance(node, Mapping):
            inline = _inline(node, losses)
            if inline is not None:
                done.append(inline)
    return tuple(done)


def _inline(node: Mapping[str, Any], losses: Losses) -> Inline | None:
    attrs = attributes(node)
    marks = _marks(list(dicts(node.get("marks"))), losses)
    match node.get("type"):
        case "text":
            text = clean(string(node.get("text")))
            return Run(text, marks) if text else None
        case "hardBreak":
            return Break()
        case "mention" if isinstance(attrs.get("id"), str):
            called = clean(string(attrs.get("text")))
            known = {"id", "text"} if called in {"", f"@{called.lstrip('@')}"} else {"id"}
            return Mention(
                attrs["id"], called.lstrip("@"), account=True, marks=marks, extra=extra(_unmarked(node), known)
            )
        case "emoji" if isinstance(attrs.get("shortName"), str):
            shown = (string(attrs.get("text")), string(attrs.get("id")))
            return Emoji(attrs["shortName"].strip(":"), *shown, marks, extra(_unmarked(node), _EMOJI))
        case "date" if isinstance(attrs.get("timestamp"), str | int):
            return Date(str(attrs["timestamp"]), marks, extra(_unmarked(node), {"timestamp"}))
        case "status" if string(attrs.get("text")):
            colour = string(attrs.get("color")) or "neutral"
            known = {"text", "color"} if STATUS.fullmatch(colour) else {"text"}
            return Status(clean(attrs["text"]), colour, marks, extra(_unmarked(node), known))
        case "inlineCard" if isinstance(attrs.get("url"), str):
            return Card(attrs["url"], marks, extra(_unmarked(node), {"url"}))
        case "placeholder":
            carried = _opaque(node, losses)
            return replace(carried, plain="") if isinstance(carried, Opaque) else None  # a hint for who writes
        case _:
            return _opaque(node, losses)


def _marks(marks: list[Mapping[str, Any]], losses: Losses | None = None) -> Marks:
    found: Marks = ()
    for mark in marks:
        attrs = attributes(mark)
        match mark.get("type"):
            case str(kind) if kind in _MARKS:
                found = marked(found, Mark(_MARKS[kind]))
            case "link" if isinstance(attrs.get("href"), str):
                found = marked(found, Mark(Kind.LINK, attrs["href"]))
                if attrs.get("title") and losses is not None:
                    losses.add("title of a link")
            case "subsup":
                found = marked(found, Mark(Kind.SUP if attrs.get("type") == "sup" else Kind.SUB))
            case "textColor" | "backgroundColor" as name if isinstance(attrs.get("color"), str):
                kind = Kind.COLOUR if name == "textColor" else Kind.BACKGROUND
                found = marked(found, Mark(kind, attrs["color"]))
            case str(kind) if losses is not None and kind not in _KNOWN_MARKS and (value := packed(mark)):
                found = marked(found, Mark(Kind.NATIVE, value))
            case _:
                continue
    return found


def _unmarked(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a node without its marks, which an inline keeps as marks."""
    return {name: value for name, value in node.items() if name != "marks"}


def _opaque(node: Mapping[str, Any], losses: Losses) -> Opaque | Run:
    """Carry a node as it is; one that is no node or nested without end is shown as its words."""
    plain = text_of(node)
    native = packed(node) if isinstance(node.get("type"), str) else ""
    if not native:
        losses.add("content that is not in Atlassian's format shown as text")
        return Run(plain)
    return Opaque("adf", native, plain or _label(node))


def _label(node: Mapping[str, Any]) -> str:
    """Return what stands for a node without words, so that a reader elsewhere knows that something is there."""
    attrs = attributes(node)
    kind = str(node["type"])
    return f"[{clean(string(attrs.get('extensionKey'))) or ('file' if kind.startswith('media') else kind)}]"
