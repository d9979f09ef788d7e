"""Try every construct of rich text in every format, and tell what becomes of it there.

The page ``docs/rich-text.md`` is generated from what is tried here, so that it is true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector.richtext import adf_extra
from connector.richtext.compare import anonymous, bare
from connector.richtext.fitting import EQUIVALENT
from connector.richtext.formats import FORMATS
from connector.richtext.plain import show
from connector.richtext.settle import settled
from connector.richtext.tree import (
    Block,
    Blocks,
    Break,
    BulletList,
    Card,
    Cell,
    CodeBlock,
    Date,
    Document,
    Emoji,
    Expand,
    Heading,
    Image,
    Inline,
    Item,
    Kind,
    Mark,
    Mention,
    Opaque,
    OrderedList,
    Panel,
    Paragraph,
    Quote,
    Rule,
    Run,
    Section,
    Status,
    Style,
    Table,
    TaskList,
)

SYSTEMS: Final[Mapping[str, str]] = {
    "adf": "Jira Cloud (ADF)", "wiki": "Jira Data Center (wiki)", "markdown": "GitHub", "mrkdwn": "Slack",
}  # fmt: skip
_PERSON: Final = {"adf": "5b10a2844c20165700ede21g", "wiki": "ann", "markdown": "ann", "mrkdwn": "U012AB3CD"}


def _line(*inlines: Inline | str) -> Paragraph:
    return Paragraph(tuple(Run(one) if isinstance(one, str) else one for one in inlines))


def _marked(*kinds: Kind, value: str = "") -> Blocks:
    marks = tuple(Mark(kind, value if kind in {Kind.LINK, Kind.COLOUR, Kind.BACKGROUND} else "") for kind in kinds)
    return (_line("before ", Run("word", marks), " after"),)


def _points(*blocks: Block) -> tuple[Item, ...]:
    return tuple(Item((block,)) for block in blocks)


def _table(*rows: tuple[Cell, ...]) -> Blocks:
    return (Table(rows),)


def _head(*names: str) -> tuple[Cell, ...]:
    return tuple(Cell((_line(name),), header=True) for name in names)


def _row(*cells: Block | tuple[Block, ...]) -> tuple[Cell, ...]:
    return tuple(Cell(cell if isinstance(cell, tuple) else (cell,)) for cell in cells)


_NESTED: Final = BulletList(
    (Item((_line("one"), OrderedList((Item((_line("two"), BulletList(_points(_line("three"))))),)))),)
)
_CODE: Final = "\tif x:  \n\n    `y` = '```'\n"
_EXTENSION: Final = '{"attrs": {"extensionKey": "roadmap", "extensionType": "com.x"}, "type": "extension"}'
_INLINE_EXTENSION: Final = '{"attrs": {"extensionKey": "k", "extensionType": "com.x"}, "type": "inlineExtension"}'
_FILE: Final = (
    '{"attrs": {"layout": "center"}, "content": [{"attrs": {"alt": "plan.png", "collection": "c", "id": "1", '
    '"type": "file"}, "type": "media"}], "type": "mediaSingle"}'
)

_CENTRED: Final = '{"marks": [{"attrs": {"align": "center"}, "type": "alignment"}]}'

CONSTRUCTS: Final[Mapping[str, Blocks]] = {
    "paragraphs": (_line("one"), _line("two")),
    "line break": (_line("one", Break(), "two"),),
    "bold": _marked(Kind.STRONG),
    "italic": _marked(Kind.EM),
    "bold and italic": _marked(Kind.STRONG, Kind.EM),
    "bold within a word": (_line("a", Run("b", (Mark(Kind.STRONG),)), "c"),),
    "struck through": _marked(Kind.STRIKE),
    "underline": _marked(Kind.UNDERLINE),
    "subscript": _marked(Kind.SUB),
    "superscript": _marked(Kind.SUP),
    "code in a line": _marked(Kind.CODE),
    "colour of text": _marked(Kind.COLOUR, value="#ff5630"),
    "colour behind text": _marked(Kind.BACKGROUND, value="#fedec8"),
    "link": _marked(Kind.LINK, value="https://x.example/a?b=c"),
    "link that runs code (`javascript:`)": _marked(Kind.LINK, value="javascript:alert(1)"),
    "bare address, smart link": (_line("see ", Card("https://x.example/a"), " now"),),
    "smart link as a block": (Paragraph((Card("https://x.example/a", extra='{"type": "blockCard"}'),)),),
    "heading": (Heading(2, (Run("Title"),)),),
    "bullet list": (BulletList(_points(_line("one"), _line("two"))),),
    "numbered list": (OrderedList(_points(_line("one"), _line("two"))),),
    "numbered list from 5": (OrderedList(_points(_line("five"), _line("six")), 5),),
    "lists in lists, mixed": (_NESTED,),
    "point with two paragraphs": (BulletList((Item((_line("one"), _line("two"))),)),),
    "point with a code block": (BulletList((Item((_line("one"), CodeBlock("x = 1", "python"))),)),),
    "task list": (TaskList((Item((_line("to do"),), done=False), Item((_line("finished"),), done=True))),),
    "quote": (Quote((_line("said"),)),),
    "quote with a list": (Quote((_line("said"), BulletList(_points(_line("one"))))),),
    "quote in a quote": (Quote((_line("said"), Quote((_line("earlier"),)))),),
    "code block": (CodeBlock("x = 1\n"),),
    "code block with a language": (CodeBlock("x = 1", "python"),),
    "code block with tabs, spaces at ends, backticks": (CodeBlock(_CODE),),
    "line across": (_line("above"), Rule(), _line("below")),
    "table": _table(_head("a", "b"), _row(_line("c"), _line("d"))),
    "table without a header": _table(_row(_line("a"), _line("b")), _row(_line("c"), _line("d"))),
    "table cell with a bar": _table(_head("a"), _row(_line("x | y"))),
    "table cell with two lines": _table(_head("a"), _row(_line("x", Break(), "y"))),
    "table cell with a list": _table(_head("a"), _row(BulletList(_points(_line("x"), _line("y"))))),
    "merged table cells": _table(_head("a", "b"), (Cell((_line("wide"),), colspan=2),)),
    "panel: info": (Panel("info", "", (_line("boxed"),)),),
    "panel: warning": (Panel("warning", "", (_line("boxed"),)),),
    "panel: success": (Panel("success", "", (_line("boxed"),)),),
    "panel without a meaning": (Panel("custom", "", (_line("boxed"),)),),
    "panel with a title": (Panel("info", "Title", (_line("boxed"),)),),
    "expandable section": (Expand("more", (_line("folded"),)),),
    "person who is mapped": (_line("ask ", Mention("ann", "Ann", account=True), " first"),),
    "emoji": (_line("done ", Emoji("tada", "🎉")),),
    "emoji of one site": (_line("done ", Emoji("acme-logo", "", "f00")),),
    "date": (_line("until ", Date("1700006400000")),),
    "status": (_line("is ", Status("DONE", "green")),),
    "image on the web": (Paragraph((Image("https://x.example/a.png", "a chart"),)),),
    "attached image, by name": (Paragraph((Image("plan.png", "plan.png"),)),),
    "attached image of Jira Cloud": (Opaque("adf", _FILE, "plan.png"),),
    "right-to-left text": (_line("שלום ", Run("עולם", (Mark(Kind.STRONG),))),),
    "signs that mean something in some format": (_line("*a* _b_ # [x] {code} <b> | h1. &amp; ~c~ !d! `e`"),),
    "words that would call somebody": (_line("@channel @everyone <!here> [~ann] @ann Closes #12"),),
    "decisions": (
        BulletList(
            (Item((_line("we go"),), extra='{"attrs": {"localId": "2", "state": "DECIDED"}, "type": "decisionItem"}'),),
            '{"attrs": {"localId": "1"}, "type": "decisionList"}',
        ),
    ),
    "columns": (
        Section(
            (Section((_line("left"),), '{"attrs": {"width": 50}, "type": "layoutColumn"}'),
             Section((_line("right"),), '{"attrs": {"width": 50}, "type": "layoutColumn"}')),
            '{"type": "layoutSection"}',
        ),
    ),
    "centred paragraph": (Paragraph((Run("middle"),), _CENTRED),),
    "app of Jira in the text": (_line("see"), Opaque("adf", _EXTENSION, "[roadmap]")),
    "app of Jira in a line": (_line("see ", Opaque("adf", _INLINE_EXTENSION, "[k]")),),
    "channel of Slack": (_line("see ", Opaque("mrkdwn", "<#C012AB3CD|general>", "#general")),),
}  # fmt: skip
"""A name that people understand, and blocks that hold it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a construct: ``word`` is exact, equivalent, degraded or impossible."""

    word: str
    losses: tuple[str, ...]
    written: Any


def tried(blocks: Blocks, known: str) -> Verdict:
    """Write blocks in a format, read them again, and compare."""
    people = {"ann": _PERSON[known]}.get
    document = settled(Document(blocks), known="adf", to=known, people=people, pings=False)
    codec = FORMATS[known]
    written = codec.write(document, Style())
    beyond = adf_extra.lost(document.blocks) if known != "adf" else ()
    losses = tuple(dict.fromkeys((*document.losses, *beyond, *written.losses)))
    read = codec.read(written.content)
    back = settled(read, known=known, to=known, people=lambda person: person, pings=False).blocks
    extras = known == "adf"
    if anonymous(bare(back, extras=extras)) == anonymous(bare(document.blocks, extras=extras)) and not losses:
        return Verdict("exact", (), written.content)
    said = show(back, addresses=True)
    words = show(document.blocks, addresses=True).replace("(", " ").replace(")", " ").split()
    if not any(word in said for word in words):
        return Verdict("impossible", losses, written.content)
    return Verdict("equivalent" if EQUIVALENT.issuperset(losses) else "degraded", losses, written.content)


def page() -> str:
    """Return the table of constructs and systems as Markdown."""
    rows = [("construct", *SYSTEMS.values()), ("---",) * (len(SYSTEMS) + 1)]
    rows += [(name, *(_cell(tried(blocks, known)) for known in SYSTEMS)) for name, blocks in CONSTRUCTS.items()]
    return "".join(_row_of(row) for row in rows)


def _cell(verdict: Verdict) -> str:
    return f"{verdict.word}: {'; '.join(verdict.losses)}" if verdict.losses else verdict.word


def _row_of(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
