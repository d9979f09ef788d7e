"""Decide, between reading and writing, whom a copied text may notify.

Mentions become people of the target or plain names, and the unseen characters that an earlier copy
put in to keep text quiet are taken out, so that copies of copies stay clean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from connector.richtext import urls
from connector.richtext.addresses import Addresses, Files, Links
from connector.richtext.guard import unguarded
from connector.richtext.tree import (
    Block,
    Blocks,
    BulletList,
    Cell,
    Document,
    Expand,
    Heading,
    Image,
    Inline,
    Inlines,
    Item,
    Losses,
    Mention,
    Opaque,
    OrderedList,
    Panel,
    Paragraph,
    Quote,
    Run,
    Section,
    Table,
    TaskList,
)

People = Callable[[str], str | None]
"""The id of a person in the source -> the id (on code hosts the login) in the target."""

_GUESSED: Final = frozenset({"markdown", "plain"})
"""Formats where ``@word`` may also be code or an address: naming it plainly is no loss."""


def settled(
    document: Document,
    *,
    known: str,
    to: str,
    people: People | None,
    pings: bool,
    links: Links | None = None,
    files: Files | None = None,
    page: str = "",
) -> Document:
    """Return a document whose mentions, links and files are the target's, mentions else plain names.

    A file that ``files`` does not know is named with a link to ``page``, that of its entity, where one
    is given and the format changes.  With ``pings`` a mention that nobody maps stays as it is where
    source and target are of one format, and guards stay where they are: they were put there for a part
    of a text that may act.
    """
    losses = Losses()
    for words in document.losses:
        losses.add(words)
    keep = pings and known == to
    mapper = _Mapper(people, losses, keep=keep, guessed=known in _GUESSED and people is None, unguard=not pings)
    mapper.addresses = Addresses(links, files, page if known != to and urls.is_web(page) else "", losses)
    return Document(mapper.blocks(document.blocks), losses.words)


class _Mapper:
    """Rebuild a tree with other inlines."""

    def __init__(self, people: People | None, losses: Losses, *, keep: bool, guessed: bool, unguard: bool) -> None:
        self._people = people
        self._losses = losses
        self._keep = keep
        self._guessed = guessed
        self._unguard = unguard
        self.addresses = Addresses(None, None, "", losses)

    def blocks(self, blocks: Blocks) -> Blocks:
        """Rebuild blocks."""
        return tuple(self._block(block) for block in blocks)

    def _block(self, block: Block) -> Block:
        match block:
            case Paragraph(inlines) | Heading(inlines=inlines):
                return replace(block, inlines=self._inlines(inlines))
            case BulletList(items) | OrderedList(items) | TaskList(items):
                return replace(block, items=tuple(self._item(item) for item in items))
            case Quote(inner) | Panel(blocks=inner) | Expand(blocks=inner) | Section(inner):
                return replace(block, blocks=self.blocks(inner))
            case Table(rows):
                return replace(block, rows=tuple(tuple(self._cell(cell) for cell in row) for row in rows))
            case Opaque():
                moved = self.addresses.file(block)
                return block if moved is block else Paragraph((moved,))
            case _:
                return block

    def _item(self, item: Item) -> Item:
        return replace(item, blocks=self.blocks(item.blocks))

    def _cell(self, cell: Cell) -> Cell:
        return replace(cell, blocks=self.blocks(cell.blocks))

    def _inlines(self, inlines: Inlines) -> Inlines:
        return tuple(self._inline(inline) for inline in inlines)

    def _inline(self, inline: Inline) -> Inline:
        match inline:
            case Mention(known, name, marks=marks):
                target = self._people(known) if self._people else None
                if target:
                    return Mention(target, name, account=False, marks=marks)
                if self._keep:
                    return inline
                if not self._guessed:
                    self._losses.add("mention shown as a name: the person is not known in the target")
                return Run(f"@{name or known}", marks)
            case Run(text) if self._unguard:
                return self.addresses.link(replace(inline, text=unguarded(text)))
            case Image() | Opaque():
                return self.addresses.file(inline)
            case _:
                return self.addresses.link(inline)
