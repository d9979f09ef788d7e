"""Read Slack's mrkdwn, as messages arrive, into the tree.

Slack escapes ``& < >`` and wraps everything special in angle brackets, so text cannot be mistaken
for a link or a call.  Calls of a whole channel become plain words: they were for there and then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from connector.richtext import emoji, urls
from connector.richtext.guard import GUARD
from connector.richtext.pairs import Sign, pair
from connector.richtext.spans import clean, joined
from connector.richtext.tree import (
    Block,
    Blocks,
    Break,
    BulletList,
    Card,
    CodeBlock,
    Document,
    Emoji,
    Inline,
    Inlines,
    Item,
    Kind,
    Mark,
    Mention,
    Opaque,
    OrderedList,
    Paragraph,
    Quote,
    Rule,
    Run,
)

JOIN: Final = "\u2060"
"""Word joiner: stands outside a sign in the middle of a word, where Slack wants an edge of a word."""
RULE: Final = "———"
BULLETS: Final = "•◦▪"
MOST_LEVELS: Final = 8

POINT: Final = re.compile(r"([ \t]{0,64})(?:[•◦▪‣]|([0-9]{1,9})\.)[ \t]+(?=\S)")
_QUOTE: Final = re.compile(r"(?:&gt;|>) ?")
_SIGNS: Final = {"*": Kind.STRONG, "_": Kind.EM, "~": Kind.STRIKE}
_TOKEN: Final = re.compile(
    rf"(?P<literal>[*_~`]){GUARD}|{JOIN}?`(?P<code>[^`\n{GUARD}][^`\n]*)`{JOIN}?|(?P<sign>{JOIN}?[*_~]{JOIN}?)"
    r"|<(?P<special>[^<>\n]{1,4000})>|" + emoji.SHORT.pattern
)
_NATIVE: Final = re.compile(r"#[CGD][A-Z0-9]{1,30}(?:\|[^<>|`]*)?|!date\^-?[0-9]{1,15}\^[^<>|`]*\|[^<>`]*")
_ENTITIES: Final = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}


def unescaped(text: str) -> str:
    """Resolve the three entities that Slack has."""
    return re.sub(r"&(?:lt|gt|amp);", lambda found: _ENTITIES[found[0]], text) if "&" in text else text


def is_native(markup: str) -> bool:
    """Tell markup that may be carried from message to message: it shows something and calls nobody."""
    return markup[:1] == "<" and markup[-1:] == ">" and _NATIVE.fullmatch(markup[1:-1]) is not None


def read(content: Any) -> Document:
    """Read a str."""
    text = clean(str(content or ""))
    blocks: list[Block] = []
    done = 0
    while (start := text.find("```", done)) >= 0 and (end := text.find("```", start + 3)) >= 0:
        blocks += _blocks(text[done:start].split("\n"))
        body = text[start + 3 : end].removeprefix("\n").removesuffix("\n")
        blocks.append(CodeBlock(unescaped(re.sub(r"<(https?://[^<>|\n]{1,4000})(?:\|[^<>\n]*)?>", r"\1", body))))
        done = end + 3
    blocks += _blocks(text[done:].split("\n"))
    return Document(tuple(blocks))


def _blocks(lines: Sequence[str], *, quoted: bool = False) -> Blocks:
    blocks: list[Block] = []
    held: list[str] = []
    place = 0

    def flush() -> None:
        if held:
            blocks.append(Paragraph(inlines("\n".join(held))))
            held.clear()

    while place < len(lines):
        line = lines[place]
        stop = place + 1
        if not line.strip():
            flush()
        elif line.strip() == RULE:
            flush()
            blocks.append(Rule())
        elif not quoted and _QUOTE.match(line):
            flush()
            while stop < len(lines) and _QUOTE.match(lines[stop]):
                stop += 1
            inner = [one[found.end() :] for one in lines[place:stop] if (found := _QUOTE.match(one))]
            blocks.append(Quote(_blocks(inner, quoted=True)))
        elif POINT.match(line):
            flush()
            while stop < len(lines) and lines[stop].strip() and not (not quoted and _QUOTE.match(lines[stop])):
                stop += 1
            blocks += _list(lines[place:stop])
        else:
            held.append(line)
        place = stop
    flush()
    return tuple(blocks)


@dataclass(slots=True)
class _Point:
    """A point while it is read; ``number`` is None for a bullet."""

    number: int | None
    lines: list[str]
    points: list[_Point] = field(default_factory=list)


def _list(lines: Sequence[str]) -> Iterator[Block]:
    """Read points by their indentation, four spaces a level; other lines go on the point before."""
    root = _Point(None, [])
    path = [root]
    for line in lines:
        found = POINT.match(line)
        if found is None:
            path[-1].lines.append(line)
            continue
        level = min(len(found[1].expandtabs(4)) // 4, len(path) - 1, MOST_LEVELS)
        point = _Point(int(found[2]) if found[2] else None, [line[found.end() :]])
        path = path[: level + 1]
        path[-1].points.append(point)
        path.append(point)
    yield from _lists(root.points)


def _lists(points: Sequence[_Point]) -> Iterator[Block]:
    held: list[Item] = []
    start: int | None = None
    for place, point in enumerate(points):
        start = point.number if not held else start
        held.append(Item((Paragraph(inlines("\n".join(point.lines))), *_lists(point.points))))
        following = points[place + 1] if place + 1 < len(points) else None
        if following is None or (following.number is None) != (point.number is None):
            yield BulletList(tuple(held)) if start is None else OrderedList(tuple(held), start)
            held = []


def inlines(text: str) -> Inlines:
    """Read a text; line feeds in it are breaks, which no mark goes over."""
    done: list[Inline] = []
    for number, line in enumerate(text.split("\n")):
        if number:
            done.append(Break())
        done += pair(list(_atoms(line)))
    return tuple(joined(done))


def _atoms(line: str) -> Iterator[Inline | Sign]:
    done = 0
    for found in _TOKEN.finditer(line):
        made = _atom(found, line)
        if made is None:
            continue
        if found.start() > done:
            yield Run(unescaped(line[done : found.start()]))
        yield made
        done = found.end()
    if done < len(line):
        yield Run(unescaped(line[done:]))


def _atom(found: re.Match[str], line: str) -> Inline | Sign | None:
    if literal := found["literal"]:
        return Run(literal)
    if code := found["code"]:
        return Run(unescaped(code), (Mark(Kind.CODE),)) if code.strip() else None
    if special := found["special"]:
        return _special(special)
    if sign := found["sign"]:
        return _sign(sign, line[: found.start()][-1:], line[found.end() : found.end() + 1])
    short = found[found.re.groups]
    return Emoji(short, emoji.BY_NAME[short]) if short in emoji.BY_NAME else None


def _sign(sign: str, before: str, after: str) -> Sign:
    joined_before, joined_after = sign.startswith(JOIN), sign.endswith(JOIN)
    text = sign.strip(JOIN)
    opens = (joined_before or not before.isalnum()) and not joined_after and bool(after) and not after.isspace()
    closes = (joined_after or not after.isalnum()) and not joined_before and bool(before) and not before.isspace()
    return Sign(text, _SIGNS[text], opens, closes)


def _special(body: str) -> Inline:
    """Read what stands in angle brackets."""
    target, _bar, label = body.partition("|")
    words = unescaped(label.replace(f"`{GUARD}", "`"))
    if target.startswith("@") and len(target) > 1:
        return Mention(target[1:], words.removeprefix("@"))
    if _NATIVE.fullmatch(body):
        return Opaque("mrkdwn", f"<{body}>", f"#{words or target[1:]}" if target.startswith("#") else words)
    if target.startswith(("!", "#")):
        name = words or target[1:].partition("^")[0]
        return Run(name if name.startswith(("@", "#")) or target.startswith("!date") else f"@{name}")
    href = urls.safe(unescaped(target))
    if not href or not urls.has_scheme(href):
        return Run(unescaped(f"<{body}>"))
    if not words or words == href:
        return Card(href)
    return Run(words, (Mark(Kind.LINK, href),))
