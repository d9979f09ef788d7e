"""Write the tree as Jira wiki markup; no text that was copied can start a macro, a link or a mention.

Signs that would mean something are escaped with a backslash, which both Jira and our reader take off
again; a backslash itself is an entity, because two of them are a line break.  A mark that touches a
letter or digit cannot be written (Jira wants white space or punctuation there) and is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from connector.richtext import fitting, plain, urls
from connector.richtext.guard import GUARD
from connector.richtext.spans import Node, Span, nest, tidy
from connector.richtext.tree import (
    Block,
    Break,
    BulletList,
    Card,
    CodeBlock,
    Document,
    Emoji,
    Heading,
    Image,
    Inline,
    Kind,
    Losses,
    Mention,
    Opaque,
    OrderedList,
    Panel,
    Paragraph,
    Quote,
    Rule,
    Run,
    Style,
    Table,
    TaskList,
    Written,
)

SIGNS: Final = {
    Kind.STRONG: "*", Kind.EM: "_", Kind.STRIKE: "-", Kind.UNDERLINE: "+", Kind.SUP: "^", Kind.SUB: "~",
}  # fmt: skip
_MARKS: Final = frozenset({*SIGNS, Kind.LINK, Kind.CODE, Kind.COLOUR})
_LOST: Final = {Kind.BACKGROUND: "background colour: wiki markup has none"}
_KEEP: Final[frozenset[type]] = frozenset({Mention, Emoji, Card, Image})
_DOCUMENT: Final = frozenset({Paragraph, Heading, BulletList, OrderedList, CodeBlock, Quote, Rule, Table, Panel})
_IN_BOX: Final = frozenset({Paragraph, Heading, BulletList, OrderedList, CodeBlock, Rule, Table})
_PANELS: Final = {
    "info": "info",
    "note": "note",
    "tip": "tip",
    "warning": "warning",
    "error": "warning",
    "success": "tip",
}
_NONE: Final = "wiki markup has none"

_START: Final = re.compile(r"\s*(?:(?P<dot>h[1-6]|bq)\.(?=\s)|(?P<sign>[*#-])(?=[*#-]*(?:\s|$))|(?P<rule>-{4,})\s*$)")
_EMOTICON: Final = re.compile(r"(?=:[()PD]|;\)|\((?:[yni/x!+?*-]|on|flag)\))")
_ENTITY: Final = re.compile(r"&(?=#?[A-Za-z0-9]{1,8};)")
_ALWAYS: Final = str.maketrans({"{": "\\{", "}": "\\}", "[": "\\[", "]": "\\]", "|": "\\|"})
_EDGE: Final = re.compile(r"[*_\-+^~!?]")
_NAME: Final = re.compile(r"[^\[\]|\s{}~]{1,200}")


def write(document: Document, style: Style) -> Written:
    """Write a document."""
    del style  # nothing in wiki text calls anybody but [~name], and that is only written for a mention
    writer = _Writer()
    return Written(writer.blocks(document.blocks, _DOCUMENT, _NONE), writer.losses.words)


def escaped(text: str, before: str = "", after: str = "") -> str:
    """Escape text that stands between the letters ``before`` and ``after``."""
    text = _ENTITY.sub("\0", text)
    lead = len(before)

    def part(found: re.Match[str]) -> str:
        place = found.start() + lead
        left, right = whole[place - 1 : place] if place else "", whole[place + 1 : place + 2]
        inside = left.isalnum() and right.isalnum()
        alone = left.isspace() and right.isspace()
        # A lone hyphen inside a word or between spaces is a hyphen to everybody.
        return found[0] if inside or (alone and found[0] != "-") else f"\\{found[0]}"

    # Backslashes of the text itself go first, so that those put in below are ours.
    text = text.replace("\\", "\1")
    whole = f"{before}{text}{after}"
    text = _EDGE.sub(part, text).translate(_ALWAYS).replace("\1", "&#92;")
    text = _EMOTICON.sub("\\\\", text)
    return text.replace("\0", "\\&")


class _Writer:
    """Carry what one document needs while it is written."""

    def __init__(self) -> None:
        self.losses = Losses()

    def blocks(self, blocks: Iterable[Block], allowed: frozenset[type], where: str) -> str:
        """Write blocks, empty lines between them."""
        done = [self.block(block) for block in fitting.fit(blocks, allowed, self.losses, where)]
        return "\n\n".join(text for text in done if text)

    def block(self, block: Block) -> str:
        """Write one block."""
        match block:
            case Paragraph(inlines):
                return self.inlines(inlines)
            case Heading(level, inlines):
                text = self.inlines(Run(" ") if isinstance(one, Break) else one for one in inlines)
                return f"h{level}. {text}" if text else ""
            case BulletList() | OrderedList():
                return "\n".join(self.items(block, ""))
            case CodeBlock(text, language):
                return self.code(text, language)
            case Quote(inner):
                text = self.blocks(inner, _IN_BOX, "not possible in a quote")
                return f"{{quote}}\n{text}\n{{quote}}" if text else ""
            case Panel(kind, title, inner):
                return self.panel(kind, title, inner)
            case Rule():
                return "----"
            case Table():
                return self.table(block)
            case Opaque("wiki", native, _):
                return native
            case Opaque(plain=text):
                return self.inlines(tuple(plain.line_inlines(text)))
            case _:
                return ""

    def code(self, text: str, language: str) -> str:
        """Write a code block; its text is kept letter by letter."""
        name = "code" if "{code}" not in text else "noformat"
        if f"{{{name}}}" in text:
            self.losses.add("a code block's own {code} is parted by an unseen character")
            text = text.replace(f"{{{name}}}", f"{{{GUARD}{name}}}")
        option = f":{language}" if language and name == "code" and re.fullmatch(r"[\w+#.-]{1,40}", language) else ""
        return f"{{{name}{option}}}\n{text}\n{{{name}}}"

    def panel(self, kind: str, title: str, inner: tuple[Block, ...]) -> str:
        """Write a box."""
        name = _PANELS.get(kind, "panel")
        if kind in {"error", "success"}:
            self.losses.add(f"panel of kind {kind} shown as {name}: {_NONE}")
        text = self.blocks(inner, _IN_BOX, "not possible in a panel")
        words = re.sub(r"[{}|=\n]", " ", title).strip()
        option = f":title={words}" if words else ""
        return f"{{{name}{option}}}\n{text}\n{{{name}}}" if text or words else ""

    def items(self, block: BulletList | OrderedList | TaskList, signs: str) -> list[str]:
        """Write the points of a list, those of inner lists below them."""
        signs += "#" if isinstance(block, OrderedList) else "*"
        if isinstance(block, OrderedList) and block.start != 1:
            self.losses.add("first number of a list: wiki markup always begins at 1")
        done = []
        for item in block.items:
            item = fitting.boxed(item) if item.done is not None else item  # noqa: PLW2901 - the same point, drawn
            lists = [one for one in item.blocks if isinstance(one, BulletList | OrderedList | TaskList)]
            rest = tuple(one for one in item.blocks if not isinstance(one, BulletList | OrderedList | TaskList))
            boxes = [self.block(one) for one in rest if isinstance(one, CodeBlock)]
            words = tuple(one for one in rest if not isinstance(one, CodeBlock))
            text = self.inlines(fitting.one_line(words))
            if text or boxes or not lists:
                done.append("\n".join([f"{signs} {text or GUARD}", *boxes]))
            for inner in lists:
                done += self.items(inner, signs)
        return done

    def table(self, table: Table) -> str:
        """Write a table; a cell is one line."""
        lines = []
        for row in fitting.spread(table, self.losses, "wiki markup cannot merge them"):
            text = ""
            for cell in row:
                bar = "||" if cell.header else "|"
                words = self.inlines(fitting.one_line(cell.blocks), " \\\\ ")
                text += f"{bar} {words or ' '} "
            lines.append(text.rstrip(" ") + ("||" if row and row[-1].header else " |"))
        return "\n".join(lines)

    def inlines(self, inlines: Iterable[Inline], new_line: str = "\n") -> str:
        """Write inlines; a line that looks like a list, a heading or a rule stays text."""
        simple = fitting.simple(map(self.shown, inlines), _KEEP, "wiki", self.losses)
        lines: list[list[Inline]] = [[]]
        for inline in tidy(simple, _MARKS, self.losses, _LOST):
            if isinstance(inline, Break):
                lines.append([])
            else:
                lines[-1].append(inline)
        return new_line.join(_line_start(self.line(line)) for line in lines)

    def shown(self, inline: Inline) -> Inline:
        """Replace what wiki markup has no sign for."""
        match inline:
            case Image(url, alt) if not (urls.is_web(url) or re.fullmatch(r"[^|!\n]{1,200}\.[A-Za-z]\w{1,4}", url)):
                return Run(alt or url, inline.marks)
            case Mention(known, name) if not _NAME.fullmatch(known):
                return Run(f"@{name or known}", inline.marks)
            case Emoji(short, text):
                return Run(text or f":{short}:", inline.marks)
            case Card(url) if ":" not in url:
                return Run(url)
            case _:
                return inline

    def line(self, inlines: Sequence[Inline]) -> str:
        """Write one line."""
        return _Line(self.losses).written(nest(inlines, frozenset({Kind.LINK})))


class _Line:
    """Write one line, knowing the letter that was written last."""

    def __init__(self, losses: Losses) -> None:
        self.parts: list[str] = []
        self.last = ""
        self._losses = losses

    def written(self, nodes: Sequence[Node]) -> str:
        """Return the line."""
        self.nodes(nodes, "")
        return "".join(self.parts)

    def put(self, text: str) -> None:
        """Add written text."""
        if text:
            self.parts.append(text)
            self.last = text[-1]

    def nodes(self, nodes: Sequence[Node], after: str) -> None:
        """Write nodes before the letter ``after``."""
        for place, node in enumerate(nodes):
            following = _first(nodes[place + 1]) if place + 1 < len(nodes) else after
            match node:
                case Span(mark, children) if mark.kind is Kind.LINK:
                    words = "".join(one.text for one in children if isinstance(one, Run))
                    self.put(f"[{escaped(words) or _address(mark.value)}|{_address(mark.value)}]")
                case Span(mark, children) if mark.kind is Kind.COLOUR:
                    colour = re.sub(r"[^#\w(), -]", "", mark.value)
                    self.put(f"{{color:{colour}}}")
                    self.nodes(children, "{")
                    self.put("{color}")
                case Span(mark, children):
                    self.span(SIGNS[mark.kind], children, following)
                case _:
                    self.leaf(node, following)

    def span(self, sign: str, children: Sequence[Node], after: str) -> None:
        """Write a mark, or only what it covers where the sign would not work."""
        if self.last.isalnum() or after.isalnum() or sign in (self.last, after):
            self._losses.add("formatting inside of a word: wiki markup cannot do it")
            self.nodes(children, after)
            return
        self.put(sign)
        self.nodes(children, sign)
        self.put(sign)

    def leaf(self, inline: Inline, after: str) -> None:
        """Write an inline."""
        match inline:
            case Run(text, marks) if any(mark.kind is Kind.CODE for mark in marks):
                self.put("{{" + escaped(text, "{", "}") + "}}")
            case Run(text):
                self.put(escaped(text, self.last, after))
            case Card(url):
                bare = urls.is_bare(url) and not self.last.strip() and not after.strip()
                self.put(url if bare else f"[{_address(url)}]")
            case Mention(known, account=account):
                self.put(f"[~{'accountid:' if account else ''}{known}]")
            case Image(url):
                self.put(f"!{url}!")
            case Opaque(native=native):
                self.put(native)
            case _:
                return


def _line_start(line: str) -> str:
    found = _START.match(line)
    if found is None:
        return line
    place = found.end("dot") if found["dot"] else found.start("rule") if found["rule"] else found.start("sign")
    return f"{line[:place]}\\{line[place:]}"


def _address(url: str) -> str:
    return urls.safe(url).replace("|", "%7C").replace("]", "%5D").replace("[", "%5B")


def _first(node: Node) -> str:
    match node:
        case Run(text, marks):
            return "{" if any(mark.kind is Kind.CODE for mark in marks) else text[:1]
        case Span(mark, children):
            return "[" if mark.kind in {Kind.LINK, Kind.COLOUR} else _first(children[0]) if children else ""
        case Card(url):
            return url[:1]
        case _:
            return "["
