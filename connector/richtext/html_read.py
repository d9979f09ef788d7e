"""Read the HTML that people put into Markdown: marks, pictures, foldable sections; the rest is text.

Code hosts render only an allowed list of elements.  Here a known element counts for what it means or
for nothing, and what merely looks like one (``List<String>``) stays the text it is.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from connector.richtext.tree import Kind, Mark

MARKS: Final = {
    "b": Kind.STRONG, "strong": Kind.STRONG, "i": Kind.EM, "em": Kind.EM, "q": Kind.EM, "cite": Kind.EM,
    "s": Kind.STRIKE, "strike": Kind.STRIKE, "del": Kind.STRIKE, "u": Kind.UNDERLINE, "ins": Kind.UNDERLINE,
    "sub": Kind.SUB, "sup": Kind.SUP, "code": Kind.CODE, "tt": Kind.CODE, "kbd": Kind.CODE, "samp": Kind.CODE,
}  # fmt: skip
BLOCKS: Final = frozenset(
    [
        "address",
        "article",
        "blockquote",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
        "hr",
        "caption",
    ]
)
_OTHERS: Final = frozenset(
    [
        "a",
        "abbr",
        "br",
        "font",
        "img",
        "span",
        "small",
        "mark",
        "picture",
        "source",
        "var",
        "wbr",
        "video",
        "ruby",
        "rt",
        "rp",
        "bdo",
        "dfn",
        "time",
    ]
)
KNOWN: Final = frozenset(MARKS) | BLOCKS | _OTHERS

_TAG: Final = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]{0,20})(?=[\s/>])")
_ATTRIBUTE: Final = re.compile(r"([A-Za-z_:][\w:.-]{0,40})\s{0,8}=\s{0,8}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'=<>`]+))")


@dataclass(frozen=True, slots=True)
class Tag:
    """A start or end tag; ``name`` in lower case."""

    name: str
    closing: bool = False
    attrs: Mapping[str, str] = field(default_factory=dict)

    @property
    def mark(self) -> Mark | None:
        """The mark that this element puts on its content."""
        if self.name in MARKS:
            return Mark(MARKS[self.name])
        if self.name == "a" and self.attrs.get("href"):
            return Mark(Kind.LINK, self.attrs["href"])
        if self.name == "font" and self.attrs.get("color"):
            return Mark(Kind.COLOUR, self.attrs["color"])
        return None


def scan(text: str) -> Iterator[Tag | str]:
    """Cut HTML into tags of known elements and text with its entities resolved; comments vanish."""
    done = place = 0
    while (start := text.find("<", place)) >= 0:
        if text.startswith("<!--", start):
            close = text.find("-->", start + 4)
            yield from _text(text[done:start])
            if close < 0:
                return
            done = place = close + 3
            continue
        found = _TAG.match(text, start)
        end = text.find(">", start) if found else -1
        if found is None or end < 0 or found[2].lower() not in KNOWN:
            place = start + 1
            if found is not None and end < 0:
                break
            continue
        yield from _text(text[done:start])
        yield Tag(found[2].lower(), bool(found[1]), _attributes(text[found.end() : end]))
        done = place = end + 1
    yield from _text(text[done:])


def _text(text: str) -> Iterator[str]:
    if text:
        yield html.unescape(text)


def _attributes(text: str) -> dict[str, str]:
    return {
        found[1].lower(): html.unescape(found[2] or found[3] or found[4] or "") for found in _ATTRIBUTE.finditer(text)
    }
