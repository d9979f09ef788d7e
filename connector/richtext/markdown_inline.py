"""Turn the inline tokens of Markdown into flat inlines with marks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from markdown_it.token import Token

from connector.richtext import emoji, html_read
from connector.richtext.spans import clean
from connector.richtext.tree import (
    Break,
    Card,
    Emoji,
    Image,
    Inline,
    Inlines,
    Kind,
    Losses,
    Mark,
    Marks,
    Mention,
    Run,
    marked,
)

_OPEN: Final = {"strong_open": Kind.STRONG, "em_open": Kind.EM, "s_open": Kind.STRIKE}
MOST_OPEN: Final = 64
"""Marks open at once: each text asks for all of them, so thousands of unclosed tags would cost."""

_CLOSE: Final = frozenset({"strong_close", "em_close", "s_close", "link_close"})

# A person or a team (`@acme/web`); what GitHub takes as a name is general knowledge, not verified.
_WORD: Final = re.compile(
    r"(?<![A-Za-z0-9_/.+\-@`])@([A-Za-z0-9][A-Za-z0-9-]{0,38}(?:/[A-Za-z0-9][\w.-]{0,60})?)(?![A-Za-z0-9_@/])"
    r"|" + emoji.SHORT.pattern
)


class Inliner:
    """Collect inlines while marks open and close around them, in Markdown and in HTML."""

    def __init__(self, losses: Losses) -> None:
        self.inlines: list[Inline] = []
        self._losses = losses
        self._open: list[tuple[str, Mark | None]] = []

    @property
    def marks(self) -> Marks:
        """What is open here."""
        return marked((), *(mark for _, mark in reversed(self._open) if mark))

    def take(self) -> Inlines:
        """Hand out what was collected and begin anew under the same marks."""
        done, self.inlines = tuple(self.inlines), []
        return done

    def text(self, text: str) -> None:
        """Add text: mentions and emoji in it become nodes."""
        marks = self.marks
        if any(mark.kind is Kind.CODE for mark in marks):
            self.inlines.append(Run(clean(text), marks))
            return
        self.inlines += _words(clean(text), marks)

    def opened(self, name: str, mark: Mark | None) -> None:
        """Open a mark; past a depth that nobody means, marks are not counted."""
        if len(self._open) < MOST_OPEN:
            self._open.append((name, mark))

    def closed(self, name: str) -> None:
        """Close the innermost mark of that name, if there is one."""
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place][0] == name:
                del self._open[place]
                return

    def tag(self, tag: html_read.Tag) -> None:
        """Take an HTML tag that stands in a line."""
        if tag.name == "br":
            self.inlines.append(Break())
        elif tag.name == "img" and tag.attrs.get("src"):
            self.inlines.append(Image(tag.attrs["src"], clean(tag.attrs.get("alt", "")), self.marks))
        elif tag.closing:
            self.closed(tag.name)
        elif tag.name in html_read.MARKS or tag.name in {"a", "font"}:
            self.opened(tag.name, tag.mark)

    def tokens(self, tokens: Iterable[Token]) -> None:
        """Take the children of an inline token."""
        address = ""
        for token in tokens:
            if token.attrs.get("title"):
                self._losses.add("title of a link or an image")
            match token.type:
                case "text" if address:
                    mark = Mark(Kind.LINK, address)
                    bare = Card(address, self.marks)
                    self.inlines.append(
                        bare if token.content == address else Run(token.content, marked(self.marks, mark))
                    )
                case "link_open" if token.info == "auto":
                    address = str(token.attrs.get("href", ""))
                case "link_close" if token.info == "auto":
                    address = ""
                case "text":
                    self.text(token.content)
                case "softbreak" | "hardbreak":
                    # In issues and comments of code hosts a line end is a line end, not a space.
                    self.inlines.append(Break())
                case "code_inline":
                    self.inlines.append(Run(clean(token.content), marked(self.marks, Mark(Kind.CODE))))
                case "bare_url":
                    self.inlines.append(Card(token.content, self.marks))
                case "link_open":
                    self.opened("link_close", Mark(Kind.LINK, str(token.attrs.get("href", ""))))
                case "image":
                    alt = " ".join(clean("".join(child.content for child in token.children or [])).split())
                    self.inlines.append(Image(str(token.attrs.get("src", "")), alt, self.marks))
                case "html_inline":
                    self._html(token.content)
                case opening if opening in _OPEN:
                    self.opened(opening.replace("open", "close"), Mark(_OPEN[opening]))
                case closing if closing in _CLOSE:
                    self.closed(closing)
                case _:
                    self.text(token.content)

    def _html(self, content: str) -> None:
        for piece in html_read.scan(content):
            if isinstance(piece, str):
                # One token holds one tag: text in it is a tag that HTML does not know, as it stood.
                self.inlines.append(Run(clean(content if piece else ""), self.marks))
            else:
                self.tag(piece)


def _words(text: str, marks: Marks) -> Iterator[Inline]:
    done = 0
    for found in _WORD.finditer(text):
        name, short = found[1], found[2]
        if short and short not in emoji.BY_NAME:
            continue
        if found.start() > done:
            yield Run(text[done : found.start()], marks)
        if name:
            yield Mention(name, name, marks=marks)
        else:
            yield Emoji(short, emoji.BY_NAME[short], marks=marks)
        done = found.end()
    if done < len(text):
        yield Run(text[done:], marks)
