"""Draw documents as people, editors and attackers write them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

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
    Marks,
    Mention,
    Opaque,
    OrderedList,
    Panel,
    Paragraph,
    Quote,
    Rule,
    Run,
    Status,
    Table,
    TaskList,
    marked,
)

PIECES = (
    *"*_~`-+^#>|![](){}<>&\\@:;.,?/=\"' ",
    *("a", "b c", "é", "Я", "日", "😀", "\u200b", "\u2060", "\u00a0", "\n", "\t", "1", "12", "  "),
    *("**", "__", "~~", "``", "```", "--", "---", "----", "??", "{{", "}}", "||", "\\\\", "[x]", "[ ]", "](", "![", "h1. "),
    *("bq. ", "1. ", "- ", "# ", "* ", "> ", "• ", "———", "&lt;", "&amp;", "&#42;", "<b>", "</b>", "<br>", "<!--", "-->"),
    *("{code}", "{quote}", "{panel:title=x}", "{color:red}", "{color}", "{noformat}", "{*}", "{info}", "[~bob]", "[^a.txt]"),
    *("[a|http://x.y]", "[http://x.y]", "!a.png!", "!http://x.y/z.png|width=3!", "<!channel>", "<@U123>", "<http://x.y|z>"),
    *("http://x.y/a_b", "https://x.y/(a)", "http://", "@bob", "#12", "Closes #1", ":)", "(x)", ":tada:", "[!NOTE]", "[a]: b"),
    *("|---|", "| a |", "<details>", "<summary>", "</details>", "snake_case", "word", "a@b.c", "GH-1", "/close"),
)  # fmt: skip
"""What means something in one of the formats, and what stands between it."""

# Control characters and lone surrogates too: JSON can spell them.
nasty_text = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
any_text = st.one_of(nasty_text, st.text(max_size=40), st.text(st.characters(), max_size=20))
words = st.one_of(nasty_text.filter(str.strip), st.sampled_from(["word", "two words", "snake_case", "a.", "(b)"]))

urls = st.sampled_from(
    ["http://x.y", "https://x.y/a_b?c=d&e=f#g", "https://x.y/(z)", "https://x.y/a|b", "mailto:a@b.c", "javascript:x", "#a",
     "file.txt", "https://x.y/ a", "https://x.y/[a]{b}", "http://x.y/*a*", "https://x.y/é", "www.x.y", "", "https://x.y/a)"]
)  # fmt: skip
colours = st.sampled_from(["red", "#ff0000", "#abc", "no colour", "rgb(1,2,3)"])


@st.composite
def marks(draw: st.DrawFn) -> Marks:
    made: Marks = ()
    for kind in draw(
        st.lists(st.sampled_from([kind for kind in Kind if kind is not Kind.NATIVE]), max_size=3, unique=True)
    ):
        value = draw(urls) if kind is Kind.LINK else draw(colours) if kind in {Kind.COLOUR, Kind.BACKGROUND} else ""
        if kind is Kind.SUP and any(mark.kind is Kind.SUB for mark in made):
            continue
        made = marked(made, Mark(kind, value))
    return tuple(mark for mark in made if mark.kind is not Kind.SUB or all(m.kind is not Kind.SUP for m in made))


EXTENSION = json.dumps(
    {"type": "extension", "attrs": {"extensionType": "com.x", "extensionKey": "y", "parameters": {"z": 1}}},
    sort_keys=True,
)
INLINE_EXTENSION = json.dumps(
    {"type": "inlineExtension", "attrs": {"extensionType": "com.x", "extensionKey": "y"}}, sort_keys=True
)

inlines: st.SearchStrategy[Inline] = st.one_of(
    st.builds(Run, words, marks()),
    st.builds(Run, words),
    st.builds(Run, words, marks()),
    st.just(Break()),
    st.builds(Mention, st.sampled_from(["bob", "U123ABC", "5b10a2844c20165700ede21g", "557058:ab-c", "a b", "acme/web"]),
              st.sampled_from(["", "Bob B"]), st.booleans(), marks()),
    st.builds(Emoji, st.sampled_from(["tada", "x", "+1", "custom", "Odd name"]), st.sampled_from(["", "🎉", "❌"]), marks=marks()),
    st.builds(Date, st.sampled_from(["1700000000000", "x", "", "-1", "9" * 30]), marks()),
    st.builds(Status, st.one_of(words, st.just("")), st.sampled_from(["green", "none"]), marks()),
    st.builds(Card, urls, marks()),
    st.builds(Image, urls | st.sampled_from(["a.png", "http://x.y/z.png", "my file.png"]), any_text, marks()),
    st.just(Opaque("adf", INLINE_EXTENSION, "an extension")),
    st.just(Opaque("mrkdwn", "<#C123|general>", "#general")),
    st.just(Opaque("mrkdwn", "<!channel>", "@channel")),
)  # fmt: skip
lines = st.lists(inlines, max_size=5).map(tuple)
code = st.one_of(nasty_text, st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)).map(
    lambda text: text.replace("\u200b", "")
)


def _containers(inner: st.SearchStrategy[Blocks]) -> st.SearchStrategy[Block]:
    items = st.lists(st.builds(Item, inner), min_size=1, max_size=3).map(tuple)
    tasks = st.lists(st.builds(Item, inner, st.booleans()), min_size=1, max_size=3).map(tuple)
    cells = st.lists(
        st.builds(Cell, inner, st.booleans(), st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=3
    ).map(tuple)
    return st.one_of(
        st.builds(BulletList, items),
        st.builds(OrderedList, items, st.integers(0, 12)),
        st.builds(TaskList, tasks),
        st.builds(Quote, inner),
        st.builds(Panel, st.sampled_from(["info", "note", "tip", "warning", "error", "success", "custom", "odd"]),
                  st.one_of(st.just(""), words), inner),
        st.builds(Expand, st.one_of(st.just(""), words), inner),
        st.builds(Table, st.lists(cells, min_size=1, max_size=3).map(tuple)),
    )  # fmt: skip


leaves: st.SearchStrategy[Block] = st.one_of(
    st.builds(Paragraph, lines),
    st.builds(Paragraph, lines),
    st.builds(Heading, st.integers(1, 6), lines),
    st.builds(CodeBlock, code, st.sampled_from(["", "py", "C++", "odd lang`"])),
    st.just(Rule()),
    st.just(Opaque("adf", EXTENSION, "an extension")),
)
blocks: st.SearchStrategy[Blocks] = st.recursive(
    st.lists(leaves, max_size=3).map(tuple),
    lambda inner: st.lists(st.one_of(leaves, _containers(inner)), max_size=3).map(tuple),
    max_leaves=6,
)
documents = st.builds(Document, blocks)

json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_NODE_TYPES = (
    "doc paragraph heading bulletList orderedList listItem taskList taskItem codeBlock blockquote panel rule table "
    "tableRow tableCell tableHeader expand nestedExpand mediaSingle media text hardBreak mention emoji date status "
    "inlineCard blockCard layoutSection layoutColumn placeholder extension decisionList unknownNode caption"
).split()


def _node(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    attrs = st.dictionaries(
        st.sampled_from(["level", "order", "localId", "state", "language", "panelType", "title", "id", "text", "shortName",
                         "timestamp", "color", "url", "colspan", "rowspan", "type", "alt", "href"]),
        st.one_of(json_values, st.text(max_size=5), st.integers(-2, 200)), max_size=4,
    )  # fmt: skip
    mark = st.fixed_dictionaries(
        {
            "type": st.sampled_from(
                ["strong", "em", "code", "link", "textColor", "subsup", "annotation", "alignment", "odd"]
            )
        },
        optional={"attrs": st.one_of(attrs, json_values)},
    )
    return st.fixed_dictionaries(
        {"type": st.sampled_from(_NODE_TYPES)},
        optional={
            "content": st.one_of(st.lists(inner, max_size=3), json_values),
            "attrs": st.one_of(attrs, json_values),
            "marks": st.one_of(st.lists(mark, max_size=2), json_values),
            "text": st.one_of(any_text, json_values),
        },
    )


adf_like = st.recursive(json_values, _node, max_leaves=10)
