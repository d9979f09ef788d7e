"""Read GitHub Flavored Markdown, with the HTML and the alerts that GitHub renders, into the tree."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from markdown_it.token import Token

from connector.richtext import html_read, plain
from connector.richtext.markdown_inline import Inliner
from connector.richtext.markdown_parse import parse
from connector.richtext.spans import clean
from connector.richtext.tree import (
    Block,
    Blocks,
    Break,
    BulletList,
    Cell,
    CodeBlock,
    Document,
    Emoji,
    Expand,
    Heading,
    Inlines,
    Item,
    Losses,
    OrderedList,
    Panel,
    Paragraph,
    Quote,
    Rule,
    Run,
    Table,
    TaskList,
)

ALERTS: Final = {"note": "info", "tip": "tip", "important": "note", "warning": "warning", "caution": "error"}
"""GitHub's alerts and the panels they stand for (the names are GitHub's, the pairing is ours)."""

MOST_DETAILS: Final = 16
"""Foldable sections inside each other; with the parser's own limit they keep within the tree's."""

_ALERT: Final = re.compile(r"\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]\s*", re.IGNORECASE)
_UNDERSTOOD: Final = frozenset({"details", "summary", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "p", "hr", "div"})
_TASK: Final = re.compile(r"\[([ xX])\](?: +|$)")


def read(content: Any) -> Document:
    """Read a str."""
    losses = Losses()
    text = str(content or "").replace("\r\n", "\n").replace("\r", "\n")
    blocks = _Reader(losses).blocks(parse(text))
    return Document(blocks, losses.words)


def sliced(text: str) -> list[tuple[int, int, Blocks]]:
    """Return the blocks of a text with the lines (first, one past the last) that they stand in.

    A foldable section is one slice, from its first element to its last; lines between slices hold
    nothing that shows (empty lines, definitions of links).
    """
    reader = _Reader(Losses())
    done: list[tuple[int, int, Blocks]] = []
    frames = [_Frame()]
    start = 0
    tokens = parse(text)
    place = 0
    while place < len(tokens):
        end = _end(tokens, place) if tokens[place].nesting > 0 else place
        first, last = tokens[place].map or (start, start)
        start = first if len(frames) == 1 else start
        reader.step(tokens[place : end + 1], frames)
        place = end + 1
        if len(frames) > 1 and place == len(tokens):
            reader.close(frames)
        if len(frames) == 1:
            done.append((start, last, tuple(frames[0].blocks)))
            frames[0].blocks.clear()
    return done


@dataclass(slots=True)
class _Frame:
    """A ``<details>`` that is open among the blocks of one container."""

    title: str = ""
    blocks: list[Block] = field(default_factory=list)


def _end(tokens: list[Token], start: int) -> int:
    """Return where the token that closes the one at ``start`` stands."""
    level = 0
    for place in range(start, len(tokens)):
        level += tokens[place].nesting
        if not level:
            return place
    return len(tokens) - 1


class _Reader:
    """Build blocks of tokens."""

    def __init__(self, losses: Losses) -> None:
        self.losses = losses
        self._open = 0

    def blocks(self, tokens: list[Token]) -> Blocks:
        """Read the tokens between the open and the close of one container."""
        frames = [_Frame()]
        place = 0
        while place < len(tokens):
            end = _end(tokens, place) if tokens[place].nesting > 0 else place
            self.step(tokens[place : end + 1], frames)
            place = end + 1
        self.close(frames)
        return tuple(frames[0].blocks)

    def step(self, tokens: list[Token], frames: list[_Frame]) -> None:
        """Read the tokens of one block into the innermost frame."""
        if tokens[0].type == "html_block":
            self.html(tokens[0].content, frames)
        else:
            frames[-1].blocks += self.block(tokens[0], tokens[1:-1])

    def close(self, frames: list[_Frame]) -> None:
        """Close every ``<details>`` that is still open."""
        while len(frames) > 1:
            self.fold(frames)

    def fold(self, frames: list[_Frame]) -> None:
        """Close the innermost ``<details>``."""
        self._open -= 1
        frame = frames.pop()
        frames[-1].blocks.append(Expand(frame.title, tuple(frame.blocks)))

    def block(self, token: Token, inner: list[Token]) -> list[Block]:
        """Read one block."""
        match token.type:
            case "paragraph_open":
                return [Paragraph(self.inlines(inner))]
            case "heading_open":
                return [Heading(int(token.tag[1:]), self.inlines(inner))]
            case "bullet_list_open":
                return [_tasked(BulletList(self.items(inner)))]
            case "ordered_list_open":
                return [OrderedList(self.items(inner), int(token.attrs.get("start", 1)))]
            case "blockquote_open":
                return [_alerted(self.blocks(inner))]
            case "fence" | "code_block":
                code = token.content.removesuffix("\n")
                return [CodeBlock(code, (token.info.split() or [""])[0])]
            case "hr":
                return [Rule()]
            case "table_open":
                return [Table(tuple(self.rows(inner)))]
            case _:
                if token.type == "too_deep":
                    self.losses.add("content nested too deep shown as text")
                return [Paragraph((Run(clean(token.content)),))] if token.content.strip() else []

    def items(self, tokens: list[Token]) -> tuple[Item, ...]:
        """Read the items of a list."""
        done: list[Item] = []
        place = 0
        while place < len(tokens):
            end = _end(tokens, place)
            done.append(Item(self.blocks(tokens[place + 1 : end])))
            place = end + 1
        return tuple(done)

    def html(self, content: str, frames: list[_Frame]) -> None:
        """Read a block of HTML into the innermost frame; ``<details>`` opens and closes frames."""
        inliner = Inliner(self.losses)
        place = ""

        def flush() -> None:
            inlines = _lines(inliner.take())
            if place == "summary":
                frames[-1].title = _title(inlines)
            elif inlines and place in {"h1", "h2", "h3", "h4", "h5", "h6"}:
                frames[-1].blocks.append(Heading(int(place[1]), inlines))
            elif inlines and place == "pre":
                code = "".join(one.text if isinstance(one, Run) else "\n" for one in inlines)
                frames[-1].blocks.append(CodeBlock(code.strip("\n")))
            elif inlines:
                frames[-1].blocks.append(Paragraph(inlines))

        for piece in html_read.scan(content):
            if isinstance(piece, str):
                if piece.strip() or inliner.inlines:
                    inliner.text(piece)
            elif piece.name in {"td", "th"}:
                inliner.inlines += [Run(" | ")] if inliner.inlines and not piece.closing else []
            elif piece.name in html_read.BLOCKS:
                flush()
                if piece.name not in _UNDERSTOOD:
                    self.losses.add("HTML element shown as its content")
                place = "" if piece.closing else piece.name
                if piece.name == "details":
                    if not piece.closing and self._open < MOST_DETAILS:
                        self._open += 1
                        frames.append(_Frame())
                    elif piece.closing and len(frames) > 1:
                        self.fold(frames)
                elif piece.name == "hr":
                    frames[-1].blocks.append(Rule())
                elif piece.name == "li" and not piece.closing:
                    inliner.inlines.append(Run("• "))
            else:
                inliner.tag(piece)
        flush()

    def inlines(self, tokens: list[Token]) -> Inlines:
        """Read the inline tokens of one block."""
        inliner = Inliner(self.losses)
        for token in tokens:
            inliner.tokens(token.children or [])
        return inliner.take()

    def rows(self, tokens: list[Token]) -> list[tuple[Cell, ...]]:
        """Read the rows of a table."""
        rows: list[list[Cell]] = []
        for token, following in zip(tokens, [*tokens[1:], None], strict=True):
            if token.attrs.get("style"):
                self.losses.add("alignment of the columns of a table")
            if token.type == "tr_open":
                rows.append([])
            elif token.type in {"th_open", "td_open"} and following is not None:
                inlines = self.inlines([following])
                rows[-1].append(Cell((Paragraph(inlines),) if inlines else (), header=token.type == "th_open"))
        return [tuple(row) for row in rows]


def _title(inlines: Inlines) -> str:
    """Show a title, with emoji as they were written."""
    words = (f":{one.short}:" if isinstance(one, Emoji) else plain.words([one]) for one in inlines)
    return " ".join("".join(words).split())


def _lines(inlines: Inlines) -> Inlines:
    """Drop what only laid the HTML out: empty runs and breaks at both ends."""
    done = list(inlines)
    while done and (isinstance(done[-1], Break) or (isinstance(done[-1], Run) and not done[-1].text.strip())):
        done.pop()
    return tuple(done)


def _tasked(made: BulletList) -> BulletList | TaskList:
    """Make it a task list if every point has a box."""
    items = [_task(item) for item in made.items]
    tasks = tuple(item for item in items if item is not None)
    return TaskList(tasks) if len(tasks) == len(items) else made


def _task(item: Item) -> Item | None:
    match item.blocks:
        case (Paragraph((Run(text, ()), *inlines)), *blocks) if found := _TASK.match(text):
            rest = text[found.end() :]
            first = Paragraph((*([Run(rest)] if rest else []), *inlines))
            return Item((first, *blocks), done=found[1] != " ")
        case _:
            return None


def _alerted(blocks: Blocks) -> Quote | Panel:
    match blocks:
        case (Paragraph((Run(text, ()), *inlines)), *rest) if (found := _ALERT.match(text)) and (
            found.end() == len(text) and (not inlines or isinstance(inlines[0], Break))
        ):
            first = (Paragraph(tuple(inlines[1:])),) if inlines[1:] else ()
            return Panel(ALERTS[found[1].lower()], "", (*first, *rest))
        case _:
            return Quote(blocks)
