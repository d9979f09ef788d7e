"""Convert rich text between systems through one tree, saying what each cannot hold.

``convert`` is all that systems and templates need; the codecs behind it are listed in `FORMATS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from connector.event import Text
from connector.richtext import (
    adf_read,
    adf_write,
    markdown_read,
    markdown_write,
    mrkdwn_read,
    mrkdwn_write,
    wiki_read,
    wiki_write,
)
from connector.richtext import plain as plain_text
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
    Kind,
    Mark,
    Mention,
    OrderedList,
    Panel,
    Paragraph,
    Quote,
    Run,
    Style,
    Table,
    TaskList,
    Written,
)

__all__ = ["FORMATS", "Codec", "Converted", "convert", "plain"]


@dataclass(frozen=True, slots=True)
class Codec:
    """How one format is read into the tree and written from it; neither raises on any content."""

    read: Callable[[Any], Document]
    write: Callable[[Document, Style], Written]


FORMATS: Final[Mapping[str, Codec]] = {
    "markdown": Codec(markdown_read.read, markdown_write.write),
    "adf": Codec(adf_read.read, adf_write.write),
    "wiki": Codec(wiki_read.read, wiki_write.write),
    "mrkdwn": Codec(mrkdwn_read.read, mrkdwn_write.write),
    "plain": Codec(plain_text.read, plain_text.write),
}


@dataclass(frozen=True, slots=True)
class Converted:
    """Text in another format (a dict for ``adf``, else a str), and what was lost on the way, in words."""

    content: Any
    losses: tuple[str, ...] = ()


def convert(
    text: Text | str | None,
    to: str,
    *,
    limit: int | None = None,
    people: Callable[[str], str | None] | None = None,
    more: str = "",
) -> Converted:
    """Convert a text to format ``to``.

    ``people`` maps a person of the source (an id) to one of the target: only then does a mention
    stay one; otherwise it is shown as ``@Name`` and nobody is called.  The output is never longer
    than ``limit`` (the larger of code points and UTF-16 units; for ``adf`` its text is counted): it
    is cut between blocks or words, and ends with where the rest is (``more``, a URL).
    """
    source = text if isinstance(text, Mapping) else {"format": "plain", "content": text or ""}
    codec = FORMATS.get(str(source.get("format")), FORMATS["plain"])
    document = codec.read(source.get("content"))
    blocks = _known(document.blocks, people)
    written = FORMATS[to].write(Document(blocks), Style())
    losses = (*document.losses, *written.losses)
    if limit is not None and _length(written.content) > limit:
        written = _cut(blocks, to, limit, more)
        losses = (*losses, *written.losses, f"text cut at {limit} characters")
    return Converted(written.content, tuple(dict.fromkeys(losses)))


def plain(text: Text | str | None) -> str:
    """Return a text as plain words, for titles, conditions and templates."""
    if text is None or isinstance(text, str):
        return text or ""
    codec = FORMATS.get(str(text.get("format")), FORMATS["plain"])
    return plain_text.show(codec.read(text.get("content")).blocks).strip("\n")


# --- people ------------------------------------------------------------------------------------------
def _known(blocks: Blocks, people: Callable[[str], str | None] | None) -> Blocks:
    """Turn mentions into those of the target, or into their names."""

    def inline(one: Inline) -> Inline:
        if not isinstance(one, Mention):
            return one
        there = people(one.id) if people is not None else None
        # An Atlassian account id is known by its form; a server's user name has none of its signs.
        return (
            replace(one, id=there, account=":" in there or len(there) == 24)
            if there
            else Run(f"@{one.name or one.id}", one.marks)
        )

    return tuple(_mapped(block, lambda inlines: tuple(inline(one) for one in inlines)) for block in blocks)


def _mapped(block: Block, change: Callable[[Inlines], Inlines]) -> Block:
    def inside(blocks: Iterable[Block]) -> Blocks:
        return tuple(_mapped(one, change) for one in blocks)

    match block:
        case Paragraph(inlines):
            return Paragraph(change(inlines))
        case Heading(level, inlines):
            return Heading(level, change(inlines))
        case BulletList(items) | OrderedList(items) | TaskList(items):
            return replace(block, items=tuple(replace(item, blocks=inside(item.blocks)) for item in items))
        case Quote(blocks) | Panel(blocks=blocks) | Expand(blocks=blocks):
            return replace(block, blocks=inside(blocks))
        case Table(rows):
            return Table(tuple(tuple(replace(cell, blocks=inside(cell.blocks)) for cell in row) for row in rows))
        case _:
            return block


# --- cutting -----------------------------------------------------------------------------------------
def _length(content: object) -> int:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return max(len(text), len(text.encode("utf-16-le", "surrogatepass")) // 2)


def _cut(blocks: Blocks, to: str, limit: int, more: str) -> Written:
    """Keep as many whole blocks as fit, then as many words of the next, then say where the rest is."""
    write = FORMATS[to].write

    def made(kept: Blocks) -> Written:
        return write(Document((*kept, _ending(more))), Style())

    low, high = 0, len(blocks)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _length(made(blocks[:middle]).content) <= limit else (low, middle - 1)
    whole = blocks[:low]
    if low < len(blocks):
        words = plain_text.show((blocks[low],))
        least, most = 0, len(words)
        while least < most:
            middle = (least + most + 1) // 2
            fits = _length(made((*whole, _part(blocks[low], words[:middle]))).content) <= limit
            least, most = (middle, most) if fits else (least, middle - 1)
        kept = words[:least].rpartition(" ")[0] or words[:least]
        if kept.strip():
            whole = (*whole, _part(blocks[low], kept))
    found = made(whole)
    if _length(found.content) <= limit:
        return found
    # Not even the ending fits: nothing but the bare sign, or nothing at all.
    bare = write(Document((Paragraph((Run("…"),)),)), Style())
    return bare if _length(bare.content) <= limit else write(Document(()), Style())


def _part(block: Block, words: str) -> Block:
    if isinstance(block, CodeBlock):
        return CodeBlock(words, block.language)
    return Paragraph(tuple(plain_text.line_inlines(words)))


def _ending(more: str) -> Block:
    said = Run("… (truncated)")
    if not more:
        return Paragraph((said,))
    link = Run("full text", (Mark(Kind.LINK, more),))
    return Paragraph((said, Run(" "), link))
