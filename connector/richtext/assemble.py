"""Put blocks that stay and blocks that are new together to one text, each staying what it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from connector.richtext.formats import FORMATS
from connector.richtext.guard import GUARD
from connector.richtext.slices import Slice
from connector.richtext.tree import Block, Blocks, Document, Losses, Opaque, Style

_MOST_END: Final = 200
_PARTED: Final = re.compile(r"\n[ \t]*\r?\n\Z")
"""An empty line at the end, within so many letters."""
_WORD: Final = re.compile(r"[\w@#!/.-]+")
_GUARDED: Final = re.compile(rf"[\w@#!/.-]*{GUARD}[\w@#!/.-]*")
_CLOSING: Final = re.compile(rf"([\w{GUARD}]+:?)(\s{{1,4}})(?=<?https?://|\[)")


def assembled(known: str, content: Any, made: Sequence[Slice | Blocks], losses: Losses) -> Any:
    """Return the content, in format ``known``, that ``made`` stands for; ``content`` is what it was.

    Slices go in letter by letter.  Losses of writing the new blocks are added to ``losses``.
    """
    if known == "adf":
        return _document(content, made, losses)
    text = str(content or "")
    line_end = "\r\n" if "\r\n" in text else "\n"
    done = ""
    blocks: list[Block] = []
    last = -2
    for part in _grouped(made):
        if isinstance(part, Slice):
            source = str(part.native)
            blocks += part.blocks
        else:
            written = FORMATS[known].write(Document(part), Style())
            losses.add_all(written.losses)
            source = str(written.content)
            source = _awake(source, text) if known == "markdown" else source
            blocks += FORMATS[known].read(source).blocks
            source = source.replace("\n", line_end)
        if not source:
            continue
        place = part.place if isinstance(part, Slice) else -2
        if done and place != last + 1 and not _PARTED.search(done[-_MOST_END:]):
            done = done.rstrip("\r\n") + line_end * 2
        done += source
        last = place
    if last < 0 and text.endswith("\n") and done:
        done += line_end
    if FORMATS[known].read(done).blocks == tuple(blocks):
        return done
    # A slice means something else beside its new neighbours: then all of it is written anew.
    whole = str(FORMATS[known].write(Document(tuple(blocks)), Style()).content)
    return (_awake(whole, text) if known == "markdown" else whole).replace("\n", line_end)


def _grouped(made: Sequence[Slice | Blocks]) -> Iterator[Slice | Blocks]:
    """Join neighbours that are new: lists next to each other must be told apart by their writer."""
    held: Blocks = ()
    for part in made:
        if not isinstance(part, Slice):
            held += part
            continue
        if held:
            yield held
        held = ()
        yield part
    if held:
        yield held


def _awake(written: str, text: str) -> str:
    """Take guards off what stood in ``text`` already: an author's own ``#12`` goes on to be a link."""
    if GUARD not in written:
        return written
    known = set(_WORD.findall(text))
    closing = {found[1].lower() for found in _CLOSING.finditer(text)}

    def word(found: re.Match[str]) -> str:
        bare = found[0].replace(GUARD, "")
        return bare if bare in known or bare.rstrip(".-") in known else found[0]

    def command(found: re.Match[str]) -> str:
        bare = found[1].replace(GUARD, "")
        return bare + found[2] if bare.lower() in closing else found[0]

    return _CLOSING.sub(command, _GUARDED.sub(word, written))


def _document(content: Any, made: Sequence[Slice | Blocks], losses: Losses) -> dict[str, Any]:
    """Return a document of Atlassian: nodes that stay are carried through its writer as they are."""
    blocks: list[Block] = []
    for part in made:
        if isinstance(part, Slice):
            blocks.append(Opaque("adf", json.dumps(part.native, ensure_ascii=False, default=str), ""))
        else:
            blocks += part
    written = FORMATS["adf"].write(Document(tuple(blocks)), Style())
    losses.add_all(written.losses)
    new: Any = written.content
    if isinstance(content, Mapping) and content.get("type") == "doc":
        return {**content, "content": new["content"]}
    return dict(new)
