"""Carry what Atlassian's documents say of a node beyond the tree, and name it where it is lost.

An ``extra`` is the JSON of an object, its keys sorted: ``attrs`` and ``marks`` that the tree has no
member for; ``type`` where the node is another one than its place in the tree tells (a card that
stands as a block, a point that is a decision).  The ids that editors give to nodes (``localId``) are
nobody's content and are not kept, except those of tasks and of nodes with a ``type`` of their own,
where the schema wants them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from connector.richtext import urls
from connector.richtext.adf_json import attributes, dicts, packed
from connector.richtext.spans import clean
from connector.richtext.tree import Blocks, Break, Image, Kind, Opaque, Run
from connector.richtext.walk import INSIDE

_WORDS: Final = {
    "alignment": "alignment or indentation of paragraphs",
    "indentation": "alignment or indentation of paragraphs",
    "fontSize": "small print",
    "breakout": "width of code, columns or an expandable section",
    "annotation": "inline comments on the text",
    "border": "border of an image",
    "background": "colour behind table cells",
    "colwidth": "width, layout or numbering of a table or of columns",
    "valign": "width, layout or numbering of a table or of columns",
    "layout": "width, layout or numbering of a table or of columns",
    "width": "width, layout or numbering of a table or of columns",
    "isNumberColumnEnabled": "width, layout or numbering of a table or of columns",
    "displayMode": "width, layout or numbering of a table or of columns",
    "panelIcon": "icon or colour of a panel",
    "panelIconId": "icon or colour of a panel",
    "panelIconText": "icon or colour of a panel",
    "panelColor": "icon or colour of a panel",
    "wrap": "wrapped lines or hidden numbers of a code block",
    "hideLineNumbers": "wrapped lines or hidden numbers of a code block",
    "decisionList": "decisions shown as a list",
    "decisionItem": "decisions shown as a list",
    "blockCard": "card shown as its address",
    "embedCard": "card shown as its address",
    "blockTaskItem": "",
    "layoutSection": "",
    "layoutColumn": "",
    "bodiedExtension": "",
    "bodiedSyncBlock": "",
    "mediaSingle": "size or place of an image",
}
"""What is lost with an attribute, a mark or a type; "" for what no reader would miss."""

_OTHER: Final = "a detail that only Atlassian's editor knows"
_UNSEEN: Final = frozenset(
    {"accessLevel", "userType", "uniqueId", "style", "text", "color", "panelType", "localId", "state"}
)
"""Members that show nothing, or nothing that the tree does not show as well."""


def extra(node: Mapping[str, Any], known: AbstractSet[str] = frozenset(), **more: Any) -> str:
    """Return what a node says beyond the attributes that are ``known``; "" for nothing.

    ``more`` are members to be kept too, where they are not empty.
    """
    unkept = known if more.get("type") else {*known, "localId"}
    attrs = {name: value for name, value in attributes(node).items() if name not in unkept}
    marks = [mark for mark in dicts(node.get("marks")) if isinstance(mark.get("type"), str)]
    found = {"attrs": attrs, "marks": marks, **more}
    kept = {name: value for name, value in found.items() if value}
    return packed(kept) if kept else ""


def member(text: str, name: str) -> Any:
    """Return a member of an ``extra``, None where it has none."""
    return json.loads(text).get(name) if text else None


def dressed(node: dict[str, Any], text: str) -> dict[str, Any]:
    """Return a written node with its ``extra``."""
    if not text:
        return node
    more = json.loads(text)
    made = dict(node)
    if "type" in more:
        made["type"] = more["type"]
    if "attrs" in more:
        made["attrs"] = {**node.get("attrs", {}), **more["attrs"]}
    if "marks" in more:
        made["marks"] = [*node.get("marks", []), *more["marks"]]
    return made


def lost(blocks: Blocks) -> Iterator[str]:
    """Yield what is lost of the extras of blocks where none can be kept."""
    left: list[Any] = list(reversed(blocks))
    while left:
        one = left.pop()
        if isinstance(one, tuple):
            left += reversed(one)
            continue
        if not isinstance(one, Break | Run | Opaque):
            yield from _lost(getattr(one, "extra", ""))
        for mark in getattr(one, "marks", ()):
            if mark.kind is Kind.NATIVE:
                yield _WORDS.get(json.loads(mark.value).get("type"), _OTHER)
        inside = INSIDE.get(type(one))
        if inside:
            left += reversed(getattr(one, inside))


def _lost(text: str) -> Iterator[str]:
    if not text:
        return
    found = json.loads(text)
    names = [*found.get("attrs", {}), *(mark.get("type") for mark in found.get("marks", []))]
    names += [found["type"]] if "type" in found else []
    for name in names:
        words = "" if name in _UNSEEN else _WORDS.get(str(name), _OTHER)
        if words:
            yield words


def picture(image: Image) -> dict[str, Any]:
    """Return the node of a picture on the web, as it came or as we write one."""
    if came := member(image.extra, "mediaSingle"):
        return dict(came)
    attrs = {name: value for name, value in (("url", image.url), ("alt", clean(image.alt))) if value}
    media = {"type": "media", "attrs": {"type": "external", **attrs}}
    node = {"type": "mediaSingle", "attrs": {"layout": "center"}, "content": [media]}
    href = next((mark.value for mark in image.marks if mark.kind is Kind.LINK), "")
    return {**node, "marks": [{"type": "link", "attrs": {"href": href}}]} if urls.safe(href) else node
