"""Read an Atlassian Document Format document into the tree, whatever it holds.

Nodes that the tree has no word for (a newer editor's, a media file's, an app's) are carried as they
are, and given back when ADF is written.  Nothing here raises: the document is somebody else's.
Node names and attributes are those of the JSON schema in npm ``@atlaskit/adf-schema`` 57.7.22.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from connector.richtext.adf_json import attributes, code, dicts, is_deep, number, string, text_of
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
_LAYOUT: Final = frozenset({"alignment", "indentation", "breakout", "fontSize"})
MOST_SPAN: Final = 100
"""Columns or rows that one cell may span."""

_PARTS: Final = frozenset(
    {"doc", "listItem", "taskItem", "blockTaskItem", "tableRow", "tableCell", "tableHeader", "caption", "layoutColumn"}
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
    if any(mark.get("type") in _LAYOUT for mark in dicts(node.get("marks"))):
        losses.add("alignment, indentation or small print of paragraphs")
    match node.get("type"):
        case "paragraph":
            yield Paragraph(_inlines(content, losses))
        case "heading":
            yield Heading(min(max(number(attrs.get("level"), 1), 1), 6), _inlines(content, losses))
        case "bulletList":
            yield from _list(BulletList(_items(content, depth, losses)))
        case "orderedList":
            yield from _list(OrderedList(_items(content, depth, losses), max(number(attrs.get("order"), 1), 0)))
        case "taskList":
            yield from _list(TaskList(tuple(_tasks(content, depth, losses)), string(attrs.get("localId"))))
        case "codeBlock":
            joined = "".join(string(one.get("text")) for one in dicts(content))
            yield CodeBlock(code(joined), string(attrs.get("language")))
        case "blockquote":
            yield Quote(_blocks(content, depth + 1, losses))
        case "rule":
            yield Rule()
        case "panel":
            yield Panel(string(attrs.get("panelType")) or "info", "", _blocks(content, depth + 1, losses))
        case "expand" | "nestedExpand":
            yield Expand(clean(string(attrs.get("title"))), _blocks(content, depth + 1, losses))
        case "table":
            rows = tuple(_row(row, depth + 1, losses) for row in dicts(content))
            yield from [Table(rows)] if any(rows) else []
        case "mediaSingle" if image := _picture(node):
            yield Paragraph((image,))
        case "blockCard" | "embedCard" if isinstance(attrs.get("url"), str) and set(attrs) <= {"url", "localId"}:
            yield Paragraph((Card(attrs["url"]),))
        case "layoutSection" | "bodiedSyncBlock":
            losses.add("columns shown one below the other")
            yield from _blocks(content, depth + 1, losses)
        case str(kind) if kind in _PARTS:
            yield from _blocks(content, depth + 1, losses)
        case _:
            carried = _opaque(node, losses)
            yield carried if isinstance(carried, Opaque) else Paragraph((carried,))


def _list(made: BulletList | OrderedList | TaskList) -> Iterator[Block]:
    if made.items:
        yield made


def _items(content: Any, depth: int, losses: Losses) -> tuple[Item, ...]:
    return tuple(Item(_blocks(item.get("content"), depth + 1, losses)) for item in dicts(content))


def _tasks(content: Any, depth: int, losses: Losses) -> Iterator[Item]:
    """Read the items of a task list; a list that stands between them belongs to the task before it."""
    held: Item | None = None
    for node in dicts(content):
        if node.get("type") == "taskList":
            inner = _blocks([node], depth + 1, losses)
            held = Item((), done=False) if held is None else held
            held = Item((*held.blocks, *inner), done=held.done, local_id=held.local_id)
            continue
        if held is not None:
            yield held
        attrs = attributes(node)
        blocks = _blocks(node.get("content"), depth + 1, losses)
        held = Item(blocks, done=attrs.get("state") == "DONE", local_id=string(attrs.get("localId")))
    if held is not None:
        yield held


def _row(node: Mapping[str, Any], depth: int, losses: Losses) -> tuple[Cell, ...]:
    return tuple(
        Cell(
            _blocks(cell.get("content"), depth + 1, losses),
            header=cell.get("type") == "tableHeader",
            colspan=min(max(number(attributes(cell).get("colspan"), 1), 1), MOST_SPAN),
            rowspan=min(max(number(attributes(cell).get("rowspan"), 1), 1), MOST_SPAN),
        )
        for cell in dicts(node.get("content"))
    )


def _picture(node: Mapping[str, Any]) -> Image | None:
    """Return the external picture of a mediaSingle; a file of the media service stays opaque."""
    match list(dicts(node.get("content"))):
        case [{"type": "media", "attrs": {"type": "external", "url": str(url)} as attrs} as media]:
            marks = [*dicts(node.get("marks")), *dicts(media.get("marks"))]
            return Image(url, clean(string(attrs.get("alt"))), _marks([m for m in marks if m.get("type") == "link"]))
        case _:
            return None


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
            return Mention(attrs["id"], clean(string(attrs.get("text"))).lstrip("@"), account=True, marks=marks)
        case "emoji" if isinstance(attrs.get("shortName"), str):
            known = (string(attrs.get("text")), string(attrs.get("id")))
            return Emoji(attrs["shortName"].strip(":"), *known, marks=marks)
        case "date" if isinstance(attrs.get("timestamp"), str | int):
            return Date(str(attrs["timestamp"]), marks)
        case "status" if string(attrs.get("text")):
            return Status(clean(attrs["text"]), string(attrs.get("color")) or "neutral", marks)
        case "inlineCard" if isinstance(attrs.get("url"), str):
            return Card(attrs["url"], marks)
        case "placeholder":
            return None
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
            case "subsup":
                found = marked(found, Mark(Kind.SUP if attrs.get("type") == "sup" else Kind.SUB))
            case "textColor" | "backgroundColor" as name if isinstance(attrs.get("color"), str):
                kind = Kind.COLOUR if name == "textColor" else Kind.BACKGROUND
                found = marked(found, Mark(kind, attrs["color"]))
            case "annotation" if losses is not None:
                losses.add("inline comments on the text")
            case _:
                continue
    return found


def _opaque(node: Mapping[str, Any], losses: Losses) -> Opaque | Run:
    """Carry a node as it is; one that is no node or nested without end is shown as its words."""
    plain = text_of(node)
    if not isinstance(node.get("type"), str) or is_deep(node):
        losses.add("content that is not in Atlassian's format shown as text")
        return Run(plain)
    return Opaque("adf", json.dumps(node, ensure_ascii=False, sort_keys=True, default=str), plain)
