"""Cut a row of a Jira wiki table into its cells.

Bars part cells, but not those in links, pictures, macros or monospace, nor escaped ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from connector.richtext.tree import Blocks, Cell
from connector.richtext.wiki_macros import Line

_SKIP: Final = re.compile(
    r"\\.|\{\{[^\n{}]{0,2000}\}\}|\{[a-z]{1,20}:[^{}\n]{0,1000}\}|\[(?:[^\[\]\n\\]|\\.){1,4000}\]"
    r"|(?<![A-Za-z0-9])![^\s!|][^!|\n]{0,1000}\|[^!|\n]{0,500}!|(?P<bar>\|{1,2})",
    re.DOTALL,
)


def cells(row: Line, read: Callable[[list[Line]], Blocks]) -> tuple[Cell, ...]:
    """Return the cells of a row; () for one that holds nothing but bars."""
    made: list[tuple[bool, Line]] = []
    for piece in row:
        if not isinstance(piece, str):
            if made:
                made[-1][1].append(piece)
            continue
        done = 0
        for found in _SKIP.finditer(piece):
            if found["bar"] is None:
                continue
            if made and found.start() > done:
                made[-1][1].append(piece[done : found.start()])
            made.append((found["bar"] == "||", []))
            done = found.end()
        if made and done < len(piece):
            made[-1][1].append(piece[done:])
    if made and all(isinstance(piece, str) and not piece.strip() for piece in made[-1][1]):
        made.pop()
    return tuple(Cell(read(_lines(pieces)), header=header) for header, pieces in made)


def _lines(pieces: Line) -> list[Line]:
    """Take the white space off a cell."""
    return [[piece.strip(" \t") if isinstance(piece, str) and len(pieces) == 1 else piece for piece in pieces]]
