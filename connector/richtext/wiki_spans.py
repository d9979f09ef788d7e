"""Write inlines as Jira wiki markup, with text escaped where Jira would take it for markup.

Where a sign has a letter on its outer side it would not count; there it is braced (``a{*}b{*}c``), as
Jira's own editor does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from connector.richtext import emoji, fitting, urls
from connector.richtext.spans import Node, Span, nest, tidy
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
    marked,
)
from connector.richtext.wiki_inline import is_link, is_picture, link

_MARKS: Final = frozenset(Kind) - {Kind.BACKGROUND, Kind.NATIVE}
_LOST: Final = {Kind.BACKGROUND: "colour behind text: wiki markup has none"}
_KEEP: Final[frozenset[type]] = frozenset({Mention, Emoji, Card, Image})
_SIGNS: Final = {
    Kind.STRONG: "*", Kind.EM: "_", Kind.STRIKE: "-", Kind.UNDERLINE: "+", Kind.SUP: "^", Kind.SUB: "~",
}  # fmt: skip
_ACCOUNT: Final = re.compile(r"[0-9a-f]{24}|[0-9]{1,10}:[\w-]{1,100}|[\w-]{1,100}:[\w:-]{1,200}")
_NAME: Final = re.compile(r"[^\[\]|\s\\~^]{1,200}")
_ATTACHMENT: Final = re.compile(r"\[(?:[^\[\]\n|{}\\]{1,500}\|)?\^[^\[\]\n|{}\\]{1,500}\]")
_COLOUR: Final = re.compile(r"#[0-9A-Fa-f]{3,8}|[A-Za-z]{1,30}")

_SPECIAL: Final = re.compile(r"\?\?|[\\{}\[\]|!*_\-+^~&]|:[()PD]|;\)|\((?:[yni/x!+?*-]|on|flag)\)")
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|[a-z]{2,8});")
_PUNCTUATION: Final = re.compile(r"[!-/:-@\[-`{-~]")
_LINE: Final = re.compile(r"(?=[*#-]{1,40}(?:\s|$)|\|)|(?P<block>h[1-6]|bq)(?=\.\s)")


def prepared(inlines: Iterable[Inline], losses: Losses) -> Inlines:
    """Bring inlines into the form that `written` takes."""
    simple = fitting.simple(inlines, _KEEP, "wiki", losses)
    return tidy((_possible(_shown(one, losses), losses) for one in simple), _MARKS, losses, _LOST)


def _possible(inline: Inline, losses: Losses) -> Inline:
    """Keep only links and colours that can stand in brackets."""
    if isinstance(inline, Break):
        return inline
    kept: list[Mark] = []
    for mark in inline.marks:
        if mark.kind is Kind.LINK and not is_link(_href(mark.value)):
            losses.add("link to something that only its source knows, shown without its address")
        elif mark.kind is not Kind.COLOUR or _COLOUR.fullmatch(mark.value):
            kept.append(mark)
    return replace(inline, marks=tuple(kept)) if len(kept) < len(inline.marks) else inline


def _shown(inline: Inline, losses: Losses) -> Inline:
    """Replace what wiki markup could not say."""
    match inline:
        case Break():
            return inline
        case Mention(known, name, marks=marks):
            if not _NAME.fullmatch(known):
                return Run(f"@{name or known}", marks)
            return Mention(known, "", inline.account, tuple(mark for mark in marks if mark.kind is not Kind.LINK))
        case Emoji(short, text, marks=marks) if short not in emoji.TO_WIKI:
            losses.add(fitting.EMOJI)
            return Run(text or f":{short}:", marks)
        case Image(url, alt, marks):
            url = urls.safe(url) if urls.is_web(url) else url
            if not is_picture(url) or "!" in url or "|" in url:
                return Run(alt or url, marks)
            if alt.strip() not in {"", url}:
                losses.add("words that stand for an image: wiki markup has none")
            if not urls.is_web(url):
                losses.add("attached image named only: its file is not copied along")
            return Image(url, "", tuple(mark for mark in marks if mark.kind is Kind.LINK))
        case Card(url, marks) if url.lower().startswith("mailto:"):
            return Run(url[len("mailto:") :], marked(marks, Mark(Kind.LINK, url)))
        case Card(url, marks):
            url = _encoded(url)
            return Card(url, marks) if is_link(url) else Run(inline.url, marks)
        case Opaque(native=native, plain=text, marks=marks):
            return Run(text, marks) if not _ATTACHMENT.fullmatch(native) else Opaque("wiki", native, text)
        case _:
            return inline


def written(inlines: Inlines, *, one_line: bool = False) -> str:
    """Write prepared inlines; ``one_line`` for places that a line feed would end."""
    lines: list[list[Inline]] = [[]]
    for inline in inlines:
        if isinstance(inline, Break):
            lines.append([])
        else:
            lines[-1].append(inline)
    done = ""
    for place, line in enumerate(lines):
        text = _Line().text(line)
        if not place:
            done = text if one_line else line_start(text)
        elif one_line or not line or not lines[place - 1]:
            done += f"\\\\ {text}"
        else:
            done += f"\n{line_start(text)}"
    return done


def line_start(line: str) -> str:
    """Escape the beginning of a written line that would begin a block."""
    found = _LINE.match(line)
    if not found or not line:
        return line
    block = found["block"] or ""
    return f"{block}\\{line[len(block) :]}"


class _Line:
    """Write one line, knowing the letter that was written last and the signs that are open."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._last = ""
        self._open: list[str] = []

    def text(self, inlines: Sequence[Inline]) -> str:
        """Write the line."""
        self._nodes(nest(inlines), "", in_link=False)
        return "".join(self._parts)

    def _put(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._last = text[-1]

    def _nodes(self, nodes: Sequence[Node], after: str, *, in_link: bool) -> None:
        for place, node in enumerate(nodes):
            following = _first(nodes[place + 1]) if place + 1 < len(nodes) else after
            if isinstance(node, Span):
                self._span(node, following, in_link=in_link)
            else:
                self._leaf(node, following, in_link=in_link)

    def _span(self, span: Span, after: str, *, in_link: bool) -> None:
        match span.mark.kind:
            case Kind.LINK:
                self._put("[")
                alone = len(span.children) == 1
                shown = [Run(one.url) if isinstance(one, Image) and not alone else one for one in span.children]
                self._nodes(shown, "|", in_link=True)
                self._put(f"|{_href(span.mark.value)}]")
            case Kind.COLOUR:
                self._put(f"{{color:{span.mark.value}}}")
                self._nodes(span.children, "{", in_link=in_link)
                self._put("{color}")
            case kind:
                sign = _SIGNS[kind]
                first = _first(span.children[0])
                if self._last.isalnum() or after.isalnum() or first in sign or first.isspace():
                    self._put(f"{{{sign}}}")
                    self._nodes(span.children, "{", in_link=in_link)
                    self._put(f"{{{sign}}}")
                    return
                self._put(sign)
                self._open.append(sign)
                self._nodes(span.children, sign, in_link=in_link)
                self._open.pop()
                self._put(sign)

    def _leaf(self, inline: Inline, after: str, *, in_link: bool) -> None:
        match inline:
            case Run(text, marks) if any(mark.kind is Kind.CODE for mark in marks):
                self._put("{{")
                self._put(self._escaped(text, "}", in_link=True))
                self._put("}}")
            case Run(text):
                self._put(self._escaped(text, after, in_link=in_link))
            case Card(url):
                bare = urls.is_bare(url) and (not self._last or self._last.isspace()) and (not after or after.isspace())
                self._put(url if bare else f"[{_href(url)}]")
            case Mention(known):
                account = inline.account or _ACCOUNT.fullmatch(known) is not None
                self._put(f"[~accountid:{known}]" if account else f"[~{known}]")
            case Emoji(short, text):
                alone = not self._last.isalnum() and not after.isalnum()
                self._put(
                    emoji.TO_WIKI[short] if alone else self._escaped(text or f":{short}:", after, in_link=in_link)
                )
            case Image(url):
                self._put(f"{' ' if self._last.isalnum() else ''}!{url}!")
            case Opaque(native=native):
                self._put(native)
            case _:
                return

    def _escaped(self, words: str, behind: str, *, in_link: bool) -> str:
        """Escape text that stands before the letter ``behind``."""
        first = self._last

        def escape(found: re.Match[str]) -> str:
            sign, start, end = found[0], found.start(), found.end()
            before = words[start - 1] if start else first
            after = words[end] if end < len(words) else behind
            if sign == "\\":
                return "&#92;" if not after or _PUNCTUATION.match(after) else sign
            if sign == "&":
                return "&amp;" if _ENTITY.match(words, start) else sign
            if not self._means(sign, before, after, words, start, in_link=in_link):
                return sign
            return "\\?\\?" if sign == "??" else f"\\{sign}"

        return _SPECIAL.sub(escape, words)

    def _means(self, sign: str, before: str, after: str, words: str, place: int, *, in_link: bool) -> bool:
        """Tell whether a sign in text would be read as markup here."""
        if sign in {"{", "}", "|"}:
            return True
        if sign == "[":
            close = words.find("]", place)
            body = words[place + 1 : close]
            return in_link or close < 0 or any(sign in body for sign in "[\\|") or link(body) is not None
        if sign == "]":
            return in_link
        if sign == "!":
            return bool(after) and not after.isspace()
        if len(sign) > 1 and sign != "??":
            return not before.isalnum() and not after.isalnum()
        opens = not before.isalnum() and bool(after) and not after.isspace()
        closes = sign in self._open and not before.isspace() and not after.isalnum()
        return opens or closes


def _href(url: str) -> str:
    return _ENTITY.sub(lambda found: "&amp;" + found[0][1:], _encoded(url))


def _encoded(url: str) -> str:
    href = urls.safe(url)
    href = f"https://{href}" if href.lower().startswith("www.") else href
    for letter, code in (("|", "%7C"), ("[", "%5B"), ("]", "%5D"), ("{", "%7B"), ("}", "%7D")):
        href = href.replace(letter, code)
    return href


def _first(node: Node) -> str:
    match node:
        case Run(text, marks):
            return "{" if any(mark.kind is Kind.CODE for mark in marks) else text[0]
        case Emoji():
            return "("
        case Image():
            return "!"
        case _:
            return "["
