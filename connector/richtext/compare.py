"""Tell whether two texts say the same, whatever their formats and the writing of their authors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from connector.event import Text
from connector.richtext.addresses import Files, Links
from connector.richtext.formats import FORMATS, parts
from connector.richtext.settle import People, settled
from connector.richtext.tree import Blocks, Document, Item, Kind, Mention, Run, Style, TaskList
from connector.richtext.walk import mapped

T = TypeVar("T")


def same(
    one: Text,
    other: Text,
    *,
    people: People | None = None,
    links: Links | None = None,
    files: Files | None = None,
    more: str = "",
) -> bool:
    """Tell that writing ``one`` over ``other`` (or the other way round) would change nothing to read.

    Texts of one format are equal if they are read as the same document, whatever signs they are
    written with.  Texts of two formats are equal if one is what the other comes out as when it is
    written in that format: a red word equals the same word where there are no colours.  ``people``
    maps the id of a person in ``one`` to that in ``other``; who is not mapped is compared by name.
    ``links``, ``files`` and ``more`` are those that ``one`` is written with, see `convert`.
    """
    if (one["format"], one["content"]) == (other["format"], other["content"]):
        return True
    if one["format"] == other["format"] and people is None:
        return _shows(FORMATS[parts(one)[0]].read(parts(one)[1]), other, exactly=True)
    known, content = parts(one)
    to, _ = parts(other)
    there = settled(
        FORMATS[known].read(content),
        known=known,
        to=to,
        people=people,
        pings=False,
        links=links,
        files=files,
        page=more,
    )
    if _shows(there, other, exactly=known == to):
        return True
    back = settled(FORMATS[to].read(parts(other)[1]), known=to, to=known, people=None, pings=False)
    return known != to and _shows(back, one, exactly=False)


def _shows(document: Document, target: Text, *, exactly: bool) -> bool:
    """Tell that a document, written in the format of ``target``, shows what that shows."""
    to, held = parts(target)
    left, right = (normal(to, blocks, extras=exactly) for blocks in (document.blocks, FORMATS[to].read(held).blocks))
    return anonymous(left) == anonymous(right) or (not exactly and unnamed(left) == unnamed(right))


def normal(known: str, blocks: Blocks, *, extras: bool = False) -> Blocks:
    """Return blocks as they come back when they are written in a format and read again; see `bare`."""
    codec = FORMATS[known]
    document = codec.read(codec.write(Document(blocks), Style()).content)
    document = settled(document, known=known, to=known, people=lambda person: person, pings=False)
    return bare(document.blocks, extras=extras)


def bare(value: T, *, extras: bool = False) -> T:
    """Return nodes without what no reader sees: ids, and (but with ``extras``) what one format alone says."""
    return mapped(value, _unmarked if extras else _bare)


def unnamed(value: T) -> T:
    """Return nodes in which people are plain names, so that only words are compared."""
    return mapped(value, _named)


def anonymous(value: T) -> T:
    """Return nodes in which people are their ids: how they are called here and there is left out."""
    return mapped(value, lambda node: Mention(node.id, marks=node.marks) if isinstance(node, Mention) else node)


def _unmarked(node: Any) -> Any:
    return replace(node, local_id="") if isinstance(node, Item | TaskList) and node.local_id else node


def _bare(node: Any) -> Any:
    node = _unmarked(node)
    if getattr(node, "extra", ""):
        node = replace(node, extra="")
    marks = getattr(node, "marks", ())
    if any(mark.kind is Kind.NATIVE for mark in marks):
        return replace(node, marks=tuple(mark for mark in marks if mark.kind is not Kind.NATIVE))
    return node


def _named(node: Any) -> Any:
    return Run(f"@{node.name or node.id}", node.marks) if isinstance(node, Mention) else node
