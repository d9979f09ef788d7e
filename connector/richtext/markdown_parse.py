"""Parse GitHub Flavored Markdown into tokens, in a time that any input keeps to.

markdown-it-py does the work; what it lacks for our use is added here: bare addresses (its linkifier
is a separate library), addresses left as they were written, and a floor to nesting under which it
would silently drop content.
"""

from __future__ import annotations

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.parser_block import ParserBlock
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from connector.richtext import urls

MAX_NESTING: Final = 48
"""Levels of tokens; a list takes two (itself and its item)."""

MOST_BRACKETS: Final = 2_000
"""Opening brackets up to which links are looked for: finding their ends takes quadratic time."""

MOST_ROWS: Final = 2_000
"""Lines that begin with a bar up to which tables are looked for: each row is many objects."""

_HTTP: Final = re.compile(r"(?:^|[^A-Za-z0-9])(https?)$", re.IGNORECASE)


class _Parser(MarkdownIt):
    """markdown-it with addresses as they stand in the text: encoding them is the writer's matter."""

    def normalizeLink(self, url: str) -> str:  # noqa: N802  the library's name
        return url

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802  the library's name
        return link


class _Blocks(ParserBlock):
    """The block parser, which keeps as text what is nested too deep instead of leaving it out."""

    def tokenize(self, state: StateBlock, startLine: int, endLine: int) -> None:  # noqa: N803  the library's names
        if state.level < MAX_NESTING:
            super().tokenize(state, startLine, endLine)
            return
        token = state.push("too_deep", "", 0)
        token.content = state.getLines(startLine, endLine, state.blkIndent, keepLastLF=False).strip()
        state.line = endLine


def _bare_url(state: StateInline, silent: bool) -> bool:
    """Recognise an address at its ``:``; the scheme before it is already in the pending text."""
    if not state.src.startswith("://", state.pos) or state.linkLevel > 0:
        return False
    scheme = _HTTP.search(state.pending[-6:])
    if scheme is None:
        return False
    start = state.pos - len(scheme[1])
    end = urls.bare_end(state.src[: state.posMax], start)
    if end <= state.pos:
        return False
    if not silent:
        state.pending = state.pending[: -len(scheme[1])]
        token = state.push("bare_url", "", 0)
        token.content = state.src[start:end]
    state.pos = end
    return True


def _parser() -> MarkdownIt:
    made = _Parser("commonmark", {"html": True, "maxNesting": 2 * MAX_NESTING})
    rules = made.block.ruler
    made.block = _Blocks()
    made.block.ruler = rules
    made.enable(["table", "strikethrough"])
    made.inline.ruler.before("escape", "bare_url", _bare_url)
    return made


_PARSERS: Final = {
    (links, tables): _parser().disable([*([] if links else ["link", "image"]), *([] if tables else ["table"])])
    for links in (True, False)
    for tables in (True, False)
}


def parse(text: str) -> list[Token]:
    """Return the tokens of a text whose lines end with line feeds."""
    return _PARSERS[text.count("[") <= MOST_BRACKETS, text.count("\n|") <= MOST_ROWS].parse(text)
