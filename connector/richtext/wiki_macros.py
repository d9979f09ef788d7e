"""Cut Jira wiki markup into lines of text and the boxes (code, quotes, panels) that stand in them.

Macros are found before anything else, because they may begin and end anywhere in a line and hold
lines, tables and lists of their own.  A macro that never ends, or that Jira does not have, stays the
text it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from connector.richtext.tree import Block, Blocks, CodeBlock, Expand, Panel, Quote

Piece = str | Block
Line = list[Piece]

VERBATIM: Final = frozenset({"code", "noformat"})
BOXES: Final = frozenset({"quote", "panel", "info", "note", "warning", "tip", "expand"})
MOST_BOXES: Final = 32
"""Boxes inside each other; with lists in them they keep within the tree's depth."""

_MACRO: Final = re.compile(
    r"\\.|\{\{|\{(code|noformat|quote|panel|info|note|warning|tip|expand)(?::([^{}\n]{0,1000}))?\}", re.DOTALL
)
_OPTIONS: Final = frozenset(
    [
        "title",
        "borderstyle",
        "bordercolor",
        "borderwidth",
        "bgcolor",
        "titlebgcolor",
        "titlecolor",
        "language",
        "collapse",
        "linenumbers",
        "firstline",
        "theme",
        "lang",
        "icon",
    ]
)


@dataclass(frozen=True, slots=True)
class _Sign:
    """A macro's sign in the text: ``{name:options}``."""

    name: str
    options: str | None
    start: int
    end: int


def lines(text: str, inside: Callable[[str, int], Blocks], depth: int = 0) -> list[Line]:
    """Return the lines of a text, boxes being pieces of them; ``inside`` reads what a box holds."""
    done: list[Line] = [[]]
    for piece in _pieces(text, inside, depth):
        if isinstance(piece, str):
            first, *others = piece.split("\n")
            if first:
                done[-1].append(first)
            done += [[line] if line else [] for line in others]
        else:
            done[-1].append(piece)
    return done


def ranges(text: str) -> Iterator[range]:
    """Yield where the outermost boxes stand, ascending, their signs included."""
    for sign, _, end in _boxes(text, 0):
        yield range(sign.start, end)


def _pieces(text: str, inside: Callable[[str, int], Blocks], depth: int) -> Iterator[Piece]:
    done = 0
    for sign, close, end in _boxes(text, depth):
        yield from _text(text[done : sign.start])
        if sign.name in VERBATIM:
            yield _verbatim(text, sign, close)
        else:
            yield _box(sign, inside(text[sign.end : close], depth + 1))
        done = end
    yield from _text(text[done:])


def _boxes(text: str, depth: int) -> Iterator[tuple[_Sign, int, int]]:
    """Yield the sign that opens each outermost box, where its content ends, and where it ends.

    What is in a box is cut when its content is read.
    """
    signs = list(_signs(text))
    left: dict[str, int] = {}
    for sign in signs:
        left[sign.name] = left.get(sign.name, 0) + 1
    opened: list[_Sign] = []
    for sign in signs:
        left[sign.name] -= 1
        if sign.name in VERBATIM:
            if not opened:
                close = text.find(f"{{{sign.name}}}", sign.end)
                yield sign, close, close + len(sign.name) + 2
            continue
        holders = [place for place, one in enumerate(opened) if one.name == sign.name]
        if holders and sign.options is None:
            outer = opened[0]
            del opened[holders[-1] :]
            if not opened:
                yield outer, sign.start, sign.end
        elif left[sign.name] and len(opened) + depth < MOST_BOXES:
            opened.append(sign)


def _text(text: str) -> Iterator[str]:
    if text:
        yield text


def _signs(text: str) -> Iterator[_Sign]:
    """Find the signs that count: not escaped, not in monospace, not in code; one for each code block."""
    place = 0
    ended: set[str] = set()
    while found := _MACRO.search(text, place):
        place = found.end()
        name = found[1]
        if found[0] == "{{":
            close = text.find("}}", place) if "}}" not in ended else -1
            if close < 0:
                ended.add("}}")
            elif "\n" not in text[place:close]:
                place = close
            continue
        if name is None:
            continue
        if name not in VERBATIM:
            yield _Sign(name, found[2], found.start(), found.end())
        elif name not in ended:
            close = text.find(f"{{{name}}}", place)
            if close < 0:
                ended.add(name)
                continue
            yield _Sign(name, found[2], found.start(), found.end())
            place = close + len(name) + 2


def _verbatim(text: str, sign: _Sign, close: int) -> CodeBlock:
    """Return a code block; one line end next to each sign belongs to the sign."""
    body = text[sign.end : close]
    body = body.removeprefix("\n").removesuffix("\n") if body != "\n" else ""
    options = _options(sign.options)
    language = options.get("", "") if sign.name == "code" else ""
    return CodeBlock(body, language or options.get("language", ""))


def _box(sign: _Sign, blocks: Blocks) -> Block:
    options = _options(sign.options)
    title = options.get("title") or (options.get("", "") if sign.name == "expand" else "")
    match sign.name:
        case "quote":
            return Quote(blocks)
        case "expand":
            return Expand(title, blocks)
        case "panel":
            return Panel("custom", title, blocks)
        case name:
            return Panel(name, title, blocks)


def _options(text: str | None) -> dict[str, str]:
    """Read ``xml|title=Foo|...``: what has no known name is the macro's own argument."""
    found: dict[str, str] = {}
    for part in (text or "").split("|"):
        name, equals, value = part.partition("=")
        if equals and name.strip().lower() in _OPTIONS:
            found[name.strip().lower()] = value.strip()
        elif part.strip():
            found.setdefault("", part.strip())
    return found
