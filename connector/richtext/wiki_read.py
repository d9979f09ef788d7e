"""Read Jira wiki markup, which is written by people and editors alike, into the tree.

Sources: the notation that Atlassian documents, and the cases of the jira2markdown package.  Anything
that is not markup stays text; nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from connector.richtext import wiki_macros
from connector.richtext.spans import clean
from connector.richtext.tree import (
    Block,
    Blocks,
    Break,
    BulletList,
    Cell,
    Document,
    Heading,
    Inline,
    Item,
    OrderedList,
    Paragraph,
    Quote,
    Rule,
    Table,
)
from connector.richtext.wiki_inline import inlines
from connector.richtext.wiki_macros import Line
from connector.richtext.wiki_table import cells

MOST_LEVELS: Final = 16
"""Levels of a list; more signs in a row are a line drawn by hand."""

_HEADING: Final = re.compile(r"\s*h([1-6])\.\s+(.*)", re.DOTALL)
_QUOTE: Final = re.compile(r"\s*bq\.\s+(.*)", re.DOTALL)
_LIST: Final = re.compile(rf"\s*([*#]{{1,{MOST_LEVELS}}}|-[*#-]{{0,{MOST_LEVELS - 1}}})(?:\s+(.*)|$)", re.DOTALL)

_VERBATIM: Final = re.compile(r"\{(?:code|noformat)(:[^{}\n]{0,1000})?\}.*?\{(?:code|noformat)\}", re.DOTALL)
_UNTOLD: Final = {
    "colours or borders of a panel": re.compile(r"\{panel:[^{}\n]{0,1000}?(?:[bB]order|[cC]olor)[A-Za-z]{0,10}="),
    "title or look of a code block": re.compile(
        r"\{code:[^{}\n]{0,1000}?(?:title|border[A-Z][a-z]+|[a-z]{2,12}Color|linenumbers|collapse)="
    ),
    "size or place of an image": re.compile(r"![^\s!|\[\]{}][^!|\n\[\]{}]{0,500}\|[^!|\n]{1,200}!"),
    "anchor within the text": re.compile(r"(?<!\\)\{anchor:[^{}\n]{1,200}\}"),
}
"""What is lost in words -> how it is written."""


def read(content: Any) -> Document:
    """Read a str."""
    text = clean(str(content or ""))
    return Document(_blocks(text, 0), tuple(_lost(text)))


def _lost(text: str) -> Iterator[str]:
    """Name what markup says that the tree has no word for; in code it says nothing."""
    if "{" in text or "|" in text:
        known = _VERBATIM.sub(r"{code\1}", text)
        yield from (words for words, sign in _UNTOLD.items() if sign.search(known))


def _blocks(text: str, depth: int) -> Blocks:
    return _Lines(wiki_macros.lines(text, _blocks, depth)).blocks()


@dataclass(slots=True)
class _Point:
    """A point of a list while it is read."""

    signs: str
    lines: list[Line]
    points: list[_Point] = field(default_factory=list)


class _Lines:
    """Read lines one after the other into blocks."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._place = 0

    def blocks(self) -> Blocks:
        """Read all lines."""
        done: list[Block] = []
        held: list[Line] = []

        def flush() -> None:
            done.extend(_paragraphs(held))
            held.clear()

        while self._place < len(self._lines):
            line = self._lines[self._place]
            text = _text(line)
            if _is_empty(line):
                flush()
                self._place += 1
            elif found := _HEADING.match(text):
                flush()
                self._one(done, Heading(int(found[1]), inlines(found[2].strip())), line)
            elif text.strip() == "----" and len(line) == 1:
                flush()
                self._one(done, Rule(), line)
            elif found := _QUOTE.match(text):
                flush()
                self._quote(done)
            elif self._is_point(text, ""):
                flush()
                done += self._list()
            elif text.lstrip().startswith("|"):
                flush()
                done += self._table()
            else:
                held.append(line)
                self._place += 1
        flush()
        return tuple(done)

    def _one(self, done: list[Block], block: Block, line: Line) -> None:
        """Take a line that is a block of its own; boxes in it follow."""
        done.append(block)
        self._place += 1
        done += _paragraphs([line[1:]])

    def _quote(self, done: list[Block]) -> None:
        """Read ``bq.`` lines: those in a row are one quote."""
        words: list[Inline] = []
        rest: list[Block] = []
        while self._place < len(self._lines) and not rest:
            line = self._lines[self._place]
            found = _QUOTE.match(_text(line))
            if found is None:
                break
            words += [*([Break()] if words else []), *inlines(found[1].strip())]
            rest = _paragraphs([line[1:]])
            self._place += 1
        done += [Quote((Paragraph(tuple(words)),)), *rest]

    def _is_point(self, text: str, above: str) -> bool:
        """Tell whether a line is a point; deeper ones need the one they belong to above them."""
        found = _LIST.match(text)
        return bool(found) and len(found[1]) <= len(above) + 1 and not (found[1] == "-" and _is_dash(text))  # type: ignore[index]

    def _list(self) -> list[Block]:
        """Read lines of one list, with what continues them, up to an empty line or another block."""
        root = _Point("", [])
        path = [root]
        while self._place < len(self._lines):
            line = self._lines[self._place]
            text = _text(line)
            found = _LIST.match(text)
            if found and self._is_point(text, path[-1].signs):
                signs = found[1]
                path = path[: len(signs)]
                if len(path) < len(signs):
                    break
                rest = (found[2] or "").rstrip()
                point = _Point(signs, [[*([rest] if rest else []), *line[1:]]])
                path[-1].points.append(point)
                path.append(point)
            elif (
                _is_empty(line)
                or _HEADING.match(text)
                or _QUOTE.match(text)
                or text.strip() == "----"
                or text.lstrip().startswith("|")
            ):
                break
            else:
                path[-1].lines.append(line)
            self._place += 1
        return _lists(root.points)

    def _table(self) -> list[Block]:
        """Read rows; a row that is not closed goes on in the next line."""
        rows: list[tuple[Cell, ...]] = []
        while self._place < len(self._lines):
            line = self._lines[self._place]
            if not _text(line).lstrip().startswith("|"):
                break
            row = list(line)
            self._place += 1
            while not _is_closed(row) and self._place < len(self._lines):
                following = self._lines[self._place]
                if _is_empty(following) or _text(following).lstrip().startswith("|"):
                    break
                row = [*row, "\n", *following]
                self._place += 1
            if made := cells(row, _cell):
                rows.append(made)
        return [Table(tuple(rows))] if rows else []


def _text(line: Line) -> str:
    return line[0] if line and isinstance(line[0], str) else ""


def _is_empty(line: Line) -> bool:
    return all(isinstance(piece, str) and not piece.strip() for piece in line)


def _is_dash(text: str) -> bool:
    return text.strip() in {"--", "---"}


def _is_closed(row: Line) -> bool:
    last = row[-1]
    return isinstance(last, str) and last.rstrip().endswith("|") and len("".join(map(str, row)).strip()) > 1


def _cell(lines: list[Line]) -> Blocks:
    return tuple(_paragraphs(lines))


def _paragraphs(lines: Sequence[Line]) -> list[Block]:
    """Turn lines of running text into paragraphs, parted where boxes stand."""
    done: list[Block] = []
    words: list[str] = []

    def flush() -> None:
        text = "\n".join(line.strip() for line in words).strip("\n")
        if text.strip():
            done.append(Paragraph(inlines(text)))
        words.clear()

    for line in lines:
        fresh = True
        for piece in line:
            if not isinstance(piece, str):
                flush()
                done.append(piece)
                fresh = True
            elif fresh or not words:
                words.extend(piece.split("\n"))
                fresh = False
            else:
                first, *others = piece.split("\n")
                words[-1] += first
                words.extend(others)
    flush()
    return done


def _lists(points: Sequence[_Point]) -> list[Block]:
    """Turn points into lists: neighbours of one kind of sign are one."""
    done: list[Block] = []
    held: list[Item] = []
    kind = ""
    for place, point in enumerate(points):
        kind = point.signs[-1]
        held.append(Item((*_paragraphs(point.lines), *_lists(point.points))))
        following = points[place + 1].signs[-1] if place + 1 < len(points) else ""
        if following != kind:
            done.append(OrderedList(tuple(held)) if kind == "#" else BulletList(tuple(held)))
            held = []
    return done
