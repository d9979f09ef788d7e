"""Bring the edit of a translated text back into the text it was translated from, and touch nothing else.

A translation cannot hold everything: GitHub has no panels of Atlassian's, Slack no tables.  So an
edited translation is never simply translated back: what nobody edited stays the very same node, and
only what people changed is made anew.  No hidden sign is needed in the foreign text, so there is none
that somebody could damage or fake.

Three laws hold (the tests search for exceptions): *no edit, no change*, letter by letter; *an edit of
one block changes that block only*; and *what the edit says is what the new native text says*, as far
as its translation can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import fields, replace
from typing import Any, Final, NamedTuple, TypeVar, cast

from connector.event import Text
from connector.richtext import align, plain, restore_inlines, slices
from connector.richtext.addresses import Files, Links
from connector.richtext.assemble import assembled
from connector.richtext.compare import bare, unnamed
from connector.richtext.formats import FORMATS, parts
from connector.richtext.settle import People, settled
from connector.richtext.slices import Slice
from connector.richtext.tree import (
    Block,
    Blocks,
    BulletList,
    Cell,
    CodeBlock,
    Document,
    Expand,
    Inline,
    Inlines,
    Item,
    Losses,
    Panel,
    Paragraph,
    Quote,
    Section,
    Style,
    TaskList,
)
from connector.richtext.walk import INSIDE

T = TypeVar("T")

_DEGRADED: Final = "a text that could only be shown simpler was edited there, and is now that simpler text"
_CHILDREN: Final = {**INSIDE, CodeBlock: "text"}
"""The member of each block that is merged part by part; blocks with one of the same name can be merged."""


class Merged(NamedTuple):
    """A text in its native format, and what of the edit, or of the text edited, it could not hold."""

    text: Text
    losses: tuple[str, ...]


def merge_back(
    native_before: Text,
    rendered_before: Text,
    edited: Text,
    *,
    people: People | None = None,
    links: Links | None = None,
    files: Files | None = None,
    more: str = "",
) -> Merged:
    """Return ``native_before`` with the edit that made ``edited`` of ``rendered_before``.

    ``native_before`` is the text when both sides were last equal, ``rendered_before`` what the other
    side held then (cut, with a notice, with an author's line before it: what is in it and does not
    come from the native text is left out), ``edited`` what the other side holds now; the latter two
    are of one format.  ``people`` and ``links`` map the id of a person, the address of an issue there
    to those here; ``files`` and ``more`` are those that the text was written there with, see `convert`.
    Never raises: whatever is no document is taken as the text it shows.
    """
    known, content = parts(native_before)
    foreign, _ = parts(edited)
    merger = _Merger(known, foreign, people=people, links=links, files=files, page=more)
    before, after = merger.document(rendered_before), merger.document(edited)
    if merger.bare(before.blocks) == merger.bare(after.blocks):
        return Merged(native_before, ())
    merger.losses.add_all(words for words in after.losses if words not in before.losses)
    old = slices.sliced(known, content)
    shown = [merger.shown(one.blocks) for one in old]
    made: list[Slice | Blocks] = []
    for step in merger.steps(shown, merger.bare(before.blocks), before.blocks, after.blocks):
        natives = [old[place] for place in step.unit.natives] if step.unit else []
        new = tuple(after.blocks[place] for place in step.after)
        if step.kept:
            made += natives
        elif len(natives) == 1 and step.unit:
            theirs = before.blocks[step.unit.shown.start : step.unit.shown.stop]
            blocks = tuple(merger.blocks(natives[0].blocks, theirs, new))
            made.append(natives[0] if blocks == natives[0].blocks else blocks)
        else:
            made.append(merger.adopted(new, natives))
    done = assembled(known, content, made, merger.losses)
    return Merged({"format": known, "content": done}, merger.losses.words)


class _Merger:
    """Merge trees, knowing how a native block is shown in the other format."""

    def __init__(
        self,
        known: str,
        foreign: str,
        *,
        people: People | None,
        links: Links | None,
        files: Files | None,
        page: str,
    ) -> None:
        self.losses = Losses()
        self._known = known
        self._foreign = foreign
        self._people = people
        self._links = links
        self._files = files
        self._page = page
        self._inlines: dict[Inline, Inlines] = {}

    def bare(self, value: T) -> T:
        """Return nodes as they are compared: what only one format says counts between two of that format."""
        return bare(value, extras=self._known == self._foreign)

    def document(self, text: Text) -> Document:
        """Read a text of the other side, its people and links being ours."""
        known, content = parts(text)
        return self.ours(FORMATS[known].read(content), known)

    def ours(self, document: Document, known: str) -> Document:
        """Return a document of the other side with our people and links."""
        return settled(document, known=known, to=self._known, people=self._people, links=self._links, pings=False)

    def shown(self, blocks: Blocks) -> Blocks:
        """Return blocks of ours as a reader of the other side sees them, ready to be compared."""
        if not blocks:
            return ()
        there = settled(
            Document(blocks),
            known=self._known,
            to=self._foreign,
            people=None,
            files=self._files,
            page=self._page,
            pings=False,
        )
        codec = FORMATS[self._foreign]
        return self.bare(self.ours(codec.read(codec.write(there, Style()).content), self._foreign).blocks)

    def steps(
        self,
        shown: Sequence[Sequence[Hashable]],
        keys: Sequence[Hashable],
        before: Sequence[Any],
        after: Sequence[Any],
    ) -> list[align.Step]:
        """Say what becomes of each native element; ``keys`` of ``before`` are compared with ``shown``."""
        units = align.units(shown, keys)
        old, new = [self.bare(one) for one in before], [self.bare(one) for one in after]
        pairs = align.matched(old, new)
        came = {there: here for here, there in pairs}
        equal = set(came)
        single = {unit.shown.start for unit in units if len(unit.shown) == 1}
        moved: dict[Hashable, list[int]] = {}
        for here in sorted(single - set(came.values()), reverse=True):
            moved.setdefault(old[here], []).append(here)
        for there in range(len(new)):
            if there not in came and moved.get(new[there]):
                came[there] = moved[new[there]].pop()
                equal.add(there)
        taken = set(came.values())
        words = _Words()
        for stood, stands in align.gaps(pairs, len(old), len(new)):
            gone = [place for place in stood if place not in taken]
            fresh = [place for place in stands if place not in came]
            found = align.likely(gone, fresh, lambda one, other: words.alike(before[one], after[other]))
            came.update((place, origin) for origin, place in found)
        return align.woven(units, len(new), came, frozenset(equal))

    def blocks(self, natives: Blocks, before: Blocks, after: Blocks) -> list[Block]:
        """Merge the blocks of one place."""
        done: list[Block] = []
        shown = [self.shown((block,)) for block in natives]
        for step in self.steps(shown, self.bare(before), before, after):
            mine = natives[step.unit.natives.start : step.unit.natives.stop] if step.unit else ()
            new = tuple(after[place] for place in step.after)
            if step.kept:
                done += mine
            elif len(mine) == 1 and step.unit:
                theirs = before[step.unit.shown.start : step.unit.shown.stop]
                done += self.edited(mine[0], theirs, new)
            else:
                done += self.adopted(new, mine)
        return done

    def edited(self, native: Block, before: Blocks, after: Blocks) -> Blocks:
        """Merge into one block what its translation became; what cannot be merged becomes the edit."""
        made: Block | None = None
        if len(before) == 1 == len(after):
            made = self.block(native, before[0], after[0])
        if made is None and isinstance(native, Quote | Panel | Expand | Section):
            # Shown as what is in it: its blocks are merged one by one.
            made = replace(native, blocks=tuple(self.blocks(native.blocks, before, after)))
        if made is not None and (self.says((made,), after) or not self.says(after, after)):
            return (made,)
        return self.adopted(after, (native,))

    def says(self, blocks: Blocks, after: Blocks) -> bool:
        """Tell that blocks, written in our format, are shown as the edit, whoever is named in it."""
        codec = FORMATS[self._known]
        native = codec.read(codec.write(Document(blocks), Style()).content)
        return unnamed(self.shown(native.blocks)) == unnamed(self.bare(after))

    def adopted(self, after: Blocks, natives: Sequence[Any]) -> Blocks:
        """Take the edit as it is for the natives that stood there."""
        if any(not isinstance(native, Paragraph | Slice) for native in natives):
            self.losses.add(_DEGRADED)
        return after

    def block(self, native: Block, before: Block, after: Block) -> Block | None:
        """Merge one block that is shown as one block; None where their parts do not correspond."""
        if isinstance(native, TaskList) and isinstance(before, BulletList) and isinstance(after, BulletList):
            before, after = plain.unboxed(before), plain.unboxed(after)
        name = _CHILDREN.get(type(native))
        if name is None or not name == _CHILDREN.get(type(before)) == _CHILDREN.get(type(after)):
            return None
        mine, old, new = (getattr(one, name) for one in (native, before, after))
        match name:
            case "inlines":
                inside: Any = restore_inlines.merged(mine, old, new, self.inline)
            case "items":
                inside = self.each(mine, old, new, self.item)
                if type(before) is not type(after) or isinstance(native, TaskList):
                    inside = _points(inside, tasks=isinstance(after, TaskList))
            case "rows":
                inside = self.each(mine, old, new, self.row)
            case "blocks":
                inside = tuple(self.blocks(mine, old, new))
            case _:
                inside = mine if old == new else new
        shell: Any = native if type(before) is type(after) else after
        return cast("Block", replace(_outside(shell, native, before, after), **{name: inside}))

    def inline(self, inline: Inline) -> Inlines:
        """Return what an inline is shown as."""
        if inline not in self._inlines:
            match self.shown((Paragraph((inline,)),)):
                case (Paragraph(inlines),):
                    self._inlines[inline] = inlines
                case _:
                    self._inlines[inline] = ()
        return self._inlines[inline]

    def each(
        self, mine: Sequence[Any], old: Sequence[Any], new: Sequence[Any], merge: Callable[[Any, Any, Any], Any]
    ) -> tuple[Any, ...]:
        """Merge parts of one kind (points, rows, cells): one by one where they are as many."""
        even = len(mine) == len(old)
        keys: list[Hashable] = list(range(len(old))) if even else [_words_of(one) for one in old]
        shown = [[place if even else _words_of(one)] for place, one in enumerate(mine)]
        done: list[Any] = []
        for step in self.steps(shown, keys, old, new):
            natives = [mine[place] for place in step.unit.natives] if step.unit else []
            if step.kept:
                done += natives
            elif len(natives) == 1 == len(step.after) and step.unit and len(step.unit.shown) == 1:
                done.append(merge(natives[0], old[step.unit.shown.start], new[step.after[0]]))
            else:
                done += [new[place] for place in step.after]
        return tuple(done)

    def item(self, native: Item, before: Item, after: Item) -> Item:
        """Merge a point of a list."""
        inside = tuple(self.blocks(native.blocks, before.blocks, after.blocks))
        return replace(_outside(native, native, before, after), blocks=inside)

    def row(self, native: tuple[Cell, ...], before: tuple[Cell, ...], after: tuple[Cell, ...]) -> tuple[Cell, ...]:
        """Merge a row of a table."""
        return self.each(native, before, after, self.cell)

    def cell(self, native: Cell, before: Cell, after: Cell) -> Cell:
        """Merge a cell."""
        inside = tuple(self.blocks(native.blocks, before.blocks, after.blocks))
        return replace(_outside(native, native, before, after), blocks=inside)


def _points(items: tuple[Item, ...], *, tasks: bool) -> tuple[Item, ...]:
    """Return points as those of a list of tasks, or of one that has none."""
    if tasks:
        return tuple(replace(item, done=bool(item.done)) for item in items)
    return tuple(replace(item, done=None, local_id="") for item in items)


def _outside(shell: T, native: Any, before: Any, after: Any) -> T:
    """Return ``shell`` with the members that the edit changed; all others are the native ones."""
    names = {one.name for one in fields(cast("Any", shell))} - set(_CHILDREN.values())
    names -= {"extra"} if type(shell) is not type(native) else set()
    changed: dict[str, Any] = {}
    for name in names:
        values = [getattr(one, name, None) for one in (native, before, after)]
        if type(shell) is type(native) and type(before) is type(after):
            if type(after) is type(native) and values[1] != values[2]:
                changed[name] = values[2]
        elif type(before) is type(native) and values[1] == values[2] and values[0] is not None:
            changed[name] = values[0]
    return cast("T", replace(cast("Any", shell), **changed))


class _Words:
    """Weigh how alike two elements are by their words."""

    def __init__(self) -> None:
        self._known: dict[int, frozenset[str]] = {}

    def alike(self, before: Any, after: Any) -> float:
        """Return 0 for elements that cannot be merged, up to about 1 for the same words."""
        if _CHILDREN.get(type(before), type(before)) != _CHILDREN.get(type(after), type(after)):
            return 0.0
        one, other = self._of(before), self._of(after)
        return 0.05 + 2 * len(one & other) / max(len(one) + len(other), 1)

    def _of(self, element: Any) -> frozenset[str]:
        if id(element) not in self._known:
            self._known[id(element)] = frozenset(_words_of(element).split())
        return self._known[id(element)]


def _words_of(element: Any) -> str:
    """Return the words of a block, a point, a row or a cell."""
    if isinstance(element, tuple):
        return " | ".join(_words_of(one) for one in element)
    return plain.show(element.blocks if isinstance(element, Item | Cell) else (element,))
