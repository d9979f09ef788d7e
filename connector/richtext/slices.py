"""Cut a text into its blocks without changing a letter, so that blocks nobody edited stay as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector.richtext import markdown_read, wiki_macros
from connector.richtext.formats import FORMATS
from connector.richtext.tree import Blocks

_EMPTY_LINES: Final = re.compile(r"\n(?:[ \t]*\r?\n)+")
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_FENCED: Final = re.compile(r"```.*?```", re.DOTALL)

Part = tuple[Any, Blocks]


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a text: a node of ADF, or source that runs to the start of the next slice.

    ``blocks`` are what it is read as; without any it shows nothing (a comment, a definition).
    ``place`` counts from 0.
    """

    native: Any
    blocks: Blocks
    place: int


def sliced(known: str, content: Any) -> list[Slice]:
    """Cut the content of a text in format ``known``; one slice where nothing smaller reads the same."""
    read = FORMATS[known].read
    if known == "adf":
        found: list[Part] = [(node, read([node]).blocks) for node in nodes(content)]
    elif known == "markdown":
        found = _lines(str(content or ""))
    else:
        text = str(content or "")
        found = [(source, read(source).blocks) for source in _sources(known, text)]
        whole = read(text).blocks
        # A sign far away may mean something here (a macro that is never closed): then nothing is cut.
        found = found if tuple(block for _, blocks in found for block in blocks) == whole else [(text, whole)]
    return [Slice(native, blocks, place) for place, (native, blocks) in enumerate(found)]


def nodes(content: Any) -> list[Any]:
    """Return the top nodes of a document of Atlassian (its JSON text is taken too)."""
    if isinstance(content, str):
        try:
            content = json.loads(content)
        except (ValueError, RecursionError):
            return [content]
    found = content.get("content") if isinstance(content, Mapping) and content.get("type") == "doc" else content
    return found if isinstance(found, list) else [] if found is None else [found]


def _lines(text: str) -> list[Part]:
    """Cut Markdown at the lines that its parser names; empty lines belong to what stands before them."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    starts = [0, *(found.end() for found in _LINE_END.finditer(text)), len(text)]
    done: list[Part] = []
    place = 0
    for start, end, blocks in [*markdown_read.sliced(plain), (len(starts) - 1, len(starts) - 1, ())]:
        empty = place
        while empty < start and done and not text[starts[empty] : starts[empty + 1]].strip():
            empty += 1
        if empty > place:
            done[-1] = (done[-1][0] + text[starts[place] : starts[empty]], done[-1][1])
        if hidden := text[starts[empty] : starts[start]]:
            done.append((hidden, ()))
        if start < end:
            done.append((text[starts[start] : starts[end]], blocks))
        place = end
    return done


def _sources(known: str, text: str) -> Iterator[str]:
    """Cut at empty lines that stand in no box and in no code."""
    boxes = list(wiki_macros.ranges(text)) if known == "wiki" else []
    if known == "mrkdwn":
        boxes = [range(*found.span()) for found in _FENCED.finditer(text)]
    done = box = 0
    for found in _EMPTY_LINES.finditer(text):
        while box < len(boxes) and boxes[box].stop <= found.start():
            box += 1
        if box < len(boxes) and boxes[box].start < found.end():
            continue
        yield text[done : found.end()]
        done = found.end()
    if done < len(text):
        yield text[done:]
