"""Write the tree as Slack's mrkdwn; no text that was copied can ping, link or format anything.

Slack needs only ``& < >`` escaped to make text safe.  Signs that would format it are parted from
their words by a zero-width space (documented advice of others, not verified against Slack); our own
reader takes it out again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from connector.richtext import fitting, urls
from connector.richtext.emoji import BY_NAME
from connector.richtext.guard import GUARD
from connector.richtext.mrkdwn_read import BULLETS, JOIN, POINT, RULE, is_native
from connector.richtext.spans import Node, Span, clean, image_as_link, nest, tidy
from connector.richtext.tree import (
    Block,
    Break,
    BulletList,
    Card,
    CodeBlock,
    Document,
    Emoji,
    Image,
    Inline,
    Inlines,
    Kind,
    Losses,
    Marks,
    Mention,
    Opaque,
    OrderedList,
    Panel,
    Paragraph,
    Quote,
    Rule,
    Run,
    Style,
    TaskList,
    Written,
)

_MARKS: Final = frozenset({Kind.LINK, Kind.STRONG, Kind.EM, Kind.STRIKE, Kind.CODE})
_LOST: Final = dict.fromkeys(
    (Kind.UNDERLINE, Kind.COLOUR, Kind.BACKGROUND, Kind.SUB, Kind.SUP),
    "underline, colour, subscript or superscript: Slack has none",
)
_SIGNS: Final = {Kind.STRONG: "*", Kind.EM: "_", Kind.STRIKE: "~"}
_KEEP: Final[frozenset[type]] = frozenset({Mention, Emoji, Card, Image})
_DOCUMENT: Final = frozenset({Paragraph, BulletList, OrderedList, CodeBlock, Quote, Rule})
_IN_QUOTE: Final = frozenset({Paragraph, BulletList, OrderedList})
_PERSON: Final = re.compile(r"[UW][A-Z0-9]{2,30}")
_SILENT: Final = re.compile(f"(?<!@){GUARD}|{JOIN}")
"""Unseen characters of the text itself: here they would say what ours say."""
_ALL: Final = re.compile(r"@(?=(?:channel|here|everyone|group)\b)", re.IGNORECASE)
_SHORT: Final = re.compile(r"[a-z0-9_+\-]{1,40}")
_PANELS: Final = {
    "info": "information_source", "note": "memo", "tip": "bulb", "warning": "warning", "error": "no_entry",
    "success": "white_check_mark",
}  # fmt: skip


def write(document: Document, style: Style) -> Written:
    """Write a document."""
    writer = _Writer(style)
    return Written(writer.blocks(document.blocks, _DOCUMENT, "Slack has none"), writer.losses.words)


def escaped(text: str) -> str:
    """Escape what Slack asks to be escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class _Writer:
    """Carry what one document needs while it is written."""

    def __init__(self, style: Style) -> None:
        self.losses = Losses()
        self._style = style

    def blocks(self, blocks: Iterable[Block], allowed: frozenset[type], where: str) -> str:
        """Write blocks below each other; a list stands right under its paragraph."""
        done: list[str] = []
        before: Block | None = None
        for block in fitting.fit(self.boxed(blocks), allowed, self.losses, where):
            text = self.block(block)
            if not text:
                continue
            if done:
                close = isinstance(before, Paragraph) and isinstance(block, BulletList | OrderedList)
                done.append("\n" if close else "\n\n")
            done.append(text)
            before = block
        return "".join(done)

    def boxed(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Show panels as quotes under a sign, and pass everything else."""
        for block in blocks:
            if isinstance(block, Panel):
                self.losses.add("panel shown as a quote: Slack has none")
                self.losses.add_all([fitting.TITLE] if block.title.strip() else [])
                sign = _PANELS.get(block.kind)
                title: Inlines = fitting.bold((Run(block.title),)) if block.title.strip() else ()
                head: Inlines = (Emoji(sign), Run(" "), *title) if sign else title
                inner = block.blocks
                if head and not title and inner and isinstance(inner[0], Paragraph):
                    head, inner = (*head, *inner[0].inlines), inner[1:]
                yield Quote((*((Paragraph(head),) if head else ()), *inner))
            else:
                yield block

    def block(self, block: Block) -> str:
        """Write one block."""
        match block:
            case Paragraph(inlines):
                return self.inlines(inlines)
            case BulletList() | OrderedList():
                return "\n".join(self.items(block, 0))
            case CodeBlock(text, language):
                if language:
                    self.losses.add("language of a code block: Slack has none")
                if "```" in text:
                    self.losses.add("code fences in a code block parted by an unseen character")
                    text = re.sub("`(?=``)", f"`{GUARD}", text)
                return f"```\n{escaped(clean(text))}\n```"
            case Quote(inner):
                text = self.blocks(inner, _IN_QUOTE, "not possible in a quote")
                return "\n".join(f"> {line}".rstrip(" ") for line in text.split("\n")) if text else ""
            case Rule():
                return RULE
            case _:
                return ""

    def items(self, block: BulletList | OrderedList, level: int) -> Iterator[str]:
        """Write the points of a list, lists in it indented below them."""
        for number, item in enumerate(block.items):
            item = fitting.boxed(item) if item.done is not None else item  # noqa: PLW2901  the same point, drawn
            if any(isinstance(one, TaskList) for one in item.blocks):
                self.losses.add("task list shown as a list: Slack has none")
            lists = [_unboxed(one) for one in item.blocks if isinstance(one, BulletList | OrderedList | TaskList)]
            rest = tuple(one for one in item.blocks if not isinstance(one, BulletList | OrderedList | TaskList))
            if len(rest) > 1:
                self.losses.add(fitting.PARAGRAPHS)
            if any(not isinstance(one, Paragraph) for one in rest):
                self.losses.add("content of list points shown as lines: Slack takes only text there")
            bullet = BULLETS[level % len(BULLETS)]
            sign = f"{block.start + number}." if isinstance(block, OrderedList) else bullet
            text = "\n".join(line for line in self.inlines(fitting.one_line(rest)).split("\n") if line)
            yield f"{' ' * 4 * level}{sign} {text or GUARD}"
            merged = _merged(lists)
            self.losses.add_all([fitting.LISTS] if len(merged) < len(lists) else [])
            for inner in merged:
                yield from self.items(inner, level + 1)

    def inlines(self, inlines: Iterable[Inline]) -> str:
        """Write inlines; text that looks like a point, a quote or a rule stays text."""
        simple = map(self.shown, fitting.simple(inlines, _KEEP, "mrkdwn", self.losses))
        lines: list[list[Inline]] = [[]]
        for inline in tidy(simple, _MARKS, self.losses, _LOST):
            if isinstance(inline, Break):
                lines.append([])
            else:
                lines[-1].append(inline)
        return "\n".join(_line_start(self.line(line)) for line in lines)

    def shown(self, inline: Inline) -> Inline:
        """Replace what Slack would not show, or would take for something else."""
        match inline:
            case Image(url):
                self.losses.add("image shown as a link: a message's text has none")
                return self.shown(image_as_link(inline) if urls.is_web(url) else Run(inline.alt or url, inline.marks))
            case Mention(known, name) if not _PERSON.fullmatch(known):
                return self.shown(Run(f"@{name or known}", inline.marks))
            case Emoji(short, text) if not _SHORT.fullmatch(short):
                self.losses.add(fitting.EMOJI)
                return self.shown(Run(text or f":{short}:", inline.marks))
            case Card(url) if ":" not in url:
                return self.shown(Run(url, inline.marks))
            case Opaque("mrkdwn", native, text) if not is_native(native):
                return self.shown(Run(text, inline.marks))
            case Emoji(short) if short not in BY_NAME:
                self.losses.add(fitting.EMOJI)  # Slack may know it; who reads it back does not
                return inline
            case Emoji(short, marks=marks) if any(mark.kind is Kind.LINK for mark in marks):
                return self.shown(Run(f":{short}:", marks))
            case Mention(marks=marks) | Opaque(marks=marks) if any(mark.kind is Kind.LINK for mark in marks):
                return replace(inline, marks=tuple(mark for mark in marks if mark.kind is not Kind.LINK))
            case Run(text, marks):
                text = _SILENT.sub("", text)
                if any(mark.kind is Kind.LINK for mark in marks):
                    marks = self.linked(marks)
                return Run(text, marks)
            case _:
                return inline

    def linked(self, marks: Marks) -> Marks:
        """Return the marks of a link's words: no code, and an address that Slack links."""
        for mark in marks:
            if mark.kind is Kind.CODE:
                self.losses.add("code in the words of a link shown as text: Slack has none there")
            elif not _is_linkable(mark.value):
                self.losses.add("link without its address: it is not one that may be clicked")
        return tuple(mark for mark in marks if mark.kind is not Kind.CODE and _is_linkable(mark.value))

    def line(self, inlines: Sequence[Inline]) -> str:
        """Write one line."""
        done = _Line(self._style)
        done.nodes(nest(inlines, frozenset({Kind.LINK})), "")
        return "".join(done.parts)


class _Line:
    """Write one line, knowing the letter that was written last."""

    def __init__(self, style: Style) -> None:
        self.parts: list[str] = []
        self._last = ""
        self._style = style

    def put(self, text: str) -> None:
        """Add written text."""
        if text:
            self.parts.append(text)
            self._last = text[-1]

    def nodes(self, nodes: Sequence[Node], after: str) -> None:
        """Write nodes before the letter ``after``."""
        for place, node in enumerate(nodes):
            following = _first(nodes[place + 1]) if place + 1 < len(nodes) else after
            match node:
                case Span(mark, children) if mark.kind is Kind.LINK:
                    words = "".join(one.text for one in children if isinstance(one, Run))
                    words = escaped(words).replace("`", f"`{GUARD}")
                    # Without words Slack shows the address.
                    self.put(f"<{_address(mark.value)}|{words}>" if words else f"<{_address(mark.value)}>")
                case Span(mark, children):
                    sign = _SIGNS[mark.kind]
                    self.put(f"{JOIN if self._last.isalnum() else ''}{sign}")
                    self.nodes(children, sign)
                    self.put(f"{sign}{JOIN if following.isalnum() else ''}")
                case _:
                    self.leaf(node, following)

    def leaf(self, inline: Inline, after: str) -> None:
        """Write an inline."""
        match inline:
            case Run(text, marks) if any(mark.kind is Kind.CODE for mark in marks):
                shown = escaped(text.replace("`", "ˋ"))
                before, behind = (JOIN if letter.isalnum() else "" for letter in (self._last, after))
                self.put(f"{before}`{shown}`{behind}")
            case Run(text):
                self.put(escaped(_defused(text if self._style.pings else _ALL.sub(f"@{GUARD}", text))))
            case Card(url):
                self.put(f"<{_address(url)}>")
            case Mention(known):
                self.put(f"<@{known}>")
            case Emoji(short):
                self.put(f":{short}:")
            case Opaque(native=native):
                self.put(native)
            case _:
                return


def _defused(text: str) -> str:
    """Part signs from their words; one within a word or between spaces formats nothing."""

    def part(found: re.Match[str]) -> str:
        before, after = text[: found.start()][-1:], text[found.end() : found.end() + 1]
        inside = before.isalnum() and after.isalnum()
        alone = before.isspace() and after.isspace()
        return found[0] if found[0] != "`" and (inside or alone) else found[0] + GUARD

    return re.sub(r"[*_~`]", part, text)


def _line_start(line: str) -> str:
    if POINT.match(line) or line.startswith("&gt;") or line.strip() == RULE:
        return GUARD + line
    return line


def _address(url: str) -> str:
    return escaped(urls.safe(url)).replace("|", "%7C").replace("`", "%60")


def _is_linkable(value: str) -> bool:
    return not value or urls.is_web(value) or value.lower().startswith(("mailto:", "tel:", "slack:"))


def _first(node: Node) -> str:
    match node:
        case Run(text, marks):
            return "`" if any(mark.kind is Kind.CODE for mark in marks) else text[0]
        case _:
            return "<"


def _merged(lists: Iterable[BulletList | OrderedList]) -> list[BulletList | OrderedList]:
    """Join neighbouring lists of one kind: nothing in Slack could part them inside of a point."""
    done: list[BulletList | OrderedList] = []
    for one in lists:
        if done and type(done[-1]) is type(one):
            done[-1] = replace(done[-1], items=(*done[-1].items, *one.items))
        else:
            done.append(one)
    return done


def _unboxed(block: BulletList | OrderedList | TaskList) -> BulletList | OrderedList:
    return BulletList(block.items) if isinstance(block, TaskList) else block
