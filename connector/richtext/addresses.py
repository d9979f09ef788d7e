"""Let links and attached files of a copied text lead to where the target's readers find them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from connector.richtext import urls
from connector.richtext.tree import Break, Card, Image, Inline, Kind, Losses, Mark, Opaque, Run, marked

Links = Callable[[str], str | None]
"""The address of something in the source -> the address of what it is linked with in the target."""

Files = Callable[[str], str | None]
"""The name of an attached file -> the address where the target's readers find it."""

_ATTACHMENT: Final = re.compile(r"\[(?:[^\[\]|]*\|)?\^([^\[\]|]+)\]")
_MEDIA: Final = re.compile(r'"type": "media(?:Single|Inline)"\}$')
_PICTURE: Final = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|bmp)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Translate addresses; ``page`` is where files are that ``files`` does not know, "" for nowhere."""

    links: Links | None
    files: Files | None
    page: str
    losses: Losses

    def link(self, inline: Inline) -> Inline:
        """Return an inline whose link, if the target has a counterpart of it, leads there."""
        if self.links is None or isinstance(inline, Break):
            return inline
        if isinstance(inline, Card):
            there = self.links(inline.url)
            return Card(there, inline.marks) if there else inline
        for mark in inline.marks:
            if mark.kind is Kind.LINK and (there := self.links(mark.value)):
                text = there if isinstance(inline, Run) and inline.text == mark.value else None
                others = tuple(one for one in inline.marks if one.kind is not Kind.LINK)
                moved = replace(inline, marks=marked(others, Mark(Kind.LINK, there)))
                return replace(moved, text=text) if text and isinstance(moved, Run) else moved
        return inline

    def file(self, inline: Image | Opaque) -> Image | Opaque | Run:
        """Return what shows an attached file in the target, or leads to it; anything else as it is."""
        name = _name(inline)
        if not name or not (self.files or self.page):
            return inline
        shown = inline.alt if isinstance(inline, Image) else inline.plain
        kept = tuple(mark for mark in inline.marks if mark.kind is not Kind.LINK)
        there = self.files(name) if self.files else None
        if there and (isinstance(inline, Image) or _PICTURE.search(name)):
            return Image(there, shown or name, inline.marks)
        if not there and not self.page:
            return inline
        if not there:
            self.losses.add("attached file named, with a link to the page where it is")
        return Run(shown or name, marked(kept, Mark(Kind.LINK, there or self.page)))


def _name(inline: Image | Opaque) -> str:
    """Return the name of the attached file that an inline or a block stands for, "" for anything else."""
    match inline:
        case Image(url):
            return "" if urls.is_web(url) or not urls.safe(url) else url
        case Opaque("wiki", native):
            found = _ATTACHMENT.fullmatch(native)
            return found[1].strip() if found else ""
        case Opaque("adf", native, plain):
            return plain if _MEDIA.search(native[-40:]) else ""
        case _:
            return ""
