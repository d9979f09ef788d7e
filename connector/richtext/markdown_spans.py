"""Write inlines as Markdown: signs where their neighbours let them work, HTML elements elsewhere.

``**`` next to a letter on one side and punctuation on the other is just two asterisks; rather than to
lose the mark, or to let the text decide what is bold, such spans become ``<strong>``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from connector.richtext import fitting, markdown_escape, urls
from connector.richtext.emoji import BY_NAME
from connector.richtext.guard import guard
from connector.richtext.markdown_escape import is_punctuation, is_space, may_be_punctuation
from connector.richtext.spans import Node, Span, clean, nest, tidy
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
    Mention,
    Opaque,
    Run,
    Style,
    marked,
)

_MARKS: Final = frozenset(Kind) - {Kind.COLOUR, Kind.BACKGROUND, Kind.NATIVE}
_LOST: Final = dict.fromkeys((Kind.COLOUR, Kind.BACKGROUND), "colour of text: Markdown has none")
_KEEP: Final[frozenset[type]] = frozenset({Mention, Card, Image})
_SIGNS: Final = {
    Kind.STRONG: (("**", "__"), "strong"),
    Kind.EM: (("*", "_"), "em"),
    Kind.STRIKE: (("~~",), "del"),
    Kind.UNDERLINE: ((), "ins"),
    Kind.SUB: ((), "sub"),
    Kind.SUP: ((), "sup"),
}
_LOGIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}(?:/[A-Za-z0-9][\w.-]{0,60})?")
_BEFORE_MENTION: Final = re.compile(r"[A-Za-z0-9_/.+\-@`]")
_AFTER_MENTION: Final = re.compile(r"[A-Za-z0-9_@/\-]")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,31}:")


def prepared(inlines: Iterable[Inline], style: Style, losses: Losses) -> Inlines:
    """Bring inlines into the form that `written` takes."""
    plainer = fitting.simple((_named(one, losses) for one in inlines), _KEEP, "markdown", losses)
    done = tidy((_pictured(one, losses) for one in plainer), _MARKS, losses, _LOST)
    done = tuple(_spaced(done))
    return done if style.pings else guard(done)


def _spaced(inlines: Inlines) -> Iterator[Inline]:
    """Put a space between a mention and a letter that would become part of it, or keep it from being one."""
    last: Inline | None = None
    for inline in inlines:
        if last is not None and inline.marks == last.marks and not isinstance(inline, Break):
            match last, inline:
                case Mention(), Mention():
                    yield Run(" ", inline.marks)
                case Mention(), Run(text) if _AFTER_MENTION.match(text):
                    yield Run(" ", inline.marks)
                case Run(text), Mention() if _BEFORE_MENTION.fullmatch(text[-1]):
                    yield Run(" ", inline.marks)
                case _:
                    pass
        yield inline
        last = inline


def _named(inline: Inline, losses: Losses) -> Inline:
    """Write an emoji by its name if that is a usual one; a mention keeps the marks that it can carry."""
    if isinstance(inline, Mention):
        # Only text can be code, and neighbours are compared by their marks.
        return replace(inline, marks=tuple(mark for mark in inline.marks if mark.kind is not Kind.CODE))
    if isinstance(inline, Emoji):
        named = f":{inline.short}:"
        losses.add_all([fitting.EMOJI] if inline.short not in BY_NAME else [])
        return Run(named if inline.short in BY_NAME else inline.text or named, inline.marks)
    return inline


def _pictured(inline: Inline, losses: Losses) -> Inline:
    match inline:
        case Image(url, alt, marks):
            if not urls.safe(url):
                return Run(alt or "image", marks)
            if not urls.is_web(url):
                losses.add("attached image named only: its file is not copied along")
            return Image(url, clean(alt), marks)
        case Card(url, marks) if not _SCHEME.match(url) and urls.safe(url):
            return Run(url, marked(marks, Mark(Kind.LINK, url)))
        case Mention(known, name, marks=marks) if not _LOGIN.fullmatch(known):
            return Run(f"@{name or known}", marks)
        case _:
            return inline


def written(inlines: Inlines, *, new_line: str = "\n") -> str:
    """Write prepared inlines; ``new_line`` stands for a break (an element in a table's cell)."""
    tildes = sum(one.text.count("~") for one in inlines if isinstance(one, Run)) > 1
    lines: list[list[Inline]] = [[]]
    for inline in inlines:
        if isinstance(inline, Break):
            lines.append([])
        else:
            lines[-1].append(inline)
    done = [_Line(tildes=tildes).text(line) for line in lines]
    if new_line == "\n":
        done = [markdown_escape.line_start(line) or "\\" for line in done] if any(done) else []
    return new_line.join(done)


class _Line:
    """Write one line, knowing the letter that was written last."""

    def __init__(self, *, tildes: bool) -> None:
        self._tildes = tildes
        self._parts: list[str] = []
        self._last = ""

    def text(self, inlines: Sequence[Inline]) -> str:
        """Write the line."""
        self._nodes(nest(inlines), "")
        return "".join(self._parts)

    def _put(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._last = text[-1]

    def _nodes(self, nodes: Sequence[Node], after: str, *, in_link: bool = False) -> None:
        for place, node in enumerate(nodes):
            following = _first(nodes[place + 1]) if place + 1 < len(nodes) else after
            if isinstance(node, Span):
                self._span(node, following, in_link=in_link)
            else:
                self._leaf(node, following, in_link=in_link)

    def _span(self, span: Span, after: str, *, in_link: bool) -> None:
        if span.mark.kind is Kind.LINK:
            self._put("[")
            self._nodes(span.children, "]", in_link=True)
            self._put(f"]({markdown_escape.destination(span.mark.value)})")
            return
        signs, element = _SIGNS[span.mark.kind]
        first, last = _first(span.children[0]), _last(span.children[-1])
        for sign in signs:
            if _works(sign, self._last, first, last, after):
                self._put(sign)
                self._nodes(span.children, sign[0], in_link=in_link)
                self._put(sign)
                return
        self._put(f"<{element}>")
        self._nodes(span.children, "<", in_link=in_link)
        self._put(f"</{element}>")

    def _leaf(self, inline: Inline, after: str, *, in_link: bool) -> None:
        match inline:
            case Run(text, marks):
                if any(mark.kind is Kind.CODE for mark in marks):
                    self._put(markdown_escape.code(text))
                else:
                    self._put(markdown_escape.text(text, self._last, after, in_link=in_link, tildes=self._tildes))
            case Card(url):
                self._card(url, after)
            case Image(url, alt):
                words = markdown_escape.text(" ".join(alt.split()), "[", "]", in_link=True, tildes=True)
                self._put(f"![{words}]({markdown_escape.destination(urls.safe(url))})")
            case Mention(known):
                self._put(f"@{known}")
            case Opaque(native=native):
                self._put(native)
            case _:
                return

    def _card(self, url: str, after: str) -> None:
        if urls.is_bare(url) and is_space(self._last) and is_space(after):
            self._put(url)
        elif _SCHEME.match(url):
            self._put(f"<{url}>")
        else:
            words = markdown_escape.text(url, "[", "]", in_link=True, tildes=True)
            self._put(f"[{words}]({markdown_escape.destination(url)})")


def _works(sign: str, before: str, first: str, last: str, after: str) -> bool:
    """Tell whether a sign opens and closes here, by CommonMark's flanking rules read strictly."""
    if sign[0] in {before, first, last, after} or is_space(first) or is_space(last):
        return False
    free_before = is_space(before) or is_punctuation(before)
    free_after = is_space(after) or is_punctuation(after)
    if sign[0] == "_":
        return free_before and free_after
    return (free_before or not may_be_punctuation(first)) and (free_after or not may_be_punctuation(last))


def _first(node: Node) -> str:
    """Return the letter that a node will begin with, or one of the same class."""
    match node:
        case Span(mark, _):
            return "[" if mark.kind is Kind.LINK else "<"
        case Run(text, marks):
            return "`" if any(mark.kind is Kind.CODE for mark in marks) else text[0]
        case Mention():
            return "@"
        case Image():
            return "!"
        case _:
            return "<"


def _last(node: Node) -> str:
    match node:
        case Run(text, marks):
            return "`" if any(mark.kind is Kind.CODE for mark in marks) else text[-1]
        case Mention(known):
            return known[-1]
        case Span() | Image():
            return ")"
        case _:
            return ">"
