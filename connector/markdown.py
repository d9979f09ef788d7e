"""Write outsiders' words into Markdown so that they stay words.

Source: CommonMark 0.31 (any ASCII punctuation may be escaped by a backslash) and GitHub's additions:
tables, strikethrough, bare links, ``@mentions``, ``#123`` references.  A backslash does not stop the
last two, because GitHub looks for them in the rendered text; there a zero-width space parts the sign
from its word.
"""

from __future__ import annotations

import re
from typing import Final

ZERO_WIDTH: Final = "\u200b"


class Safe(str):
    """Markdown that is written as it is: made by a filter of ours from escaped parts."""

    __slots__ = ()


_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PUNCTUATION: Final = re.compile(r"[\\`*_\[\]<>&~|$]")
_LINE_START: Final = re.compile(r"^()([#+-](?=[#+\s-]|$)|=+$|[.)])|^([0-9]{1,9})([.)])(?=\s|$)")
"""Headings, lists, rules and underlines; also the second half of a list number, in case a value follows one."""

_MENTION: Final = re.compile(r"(?<![A-Za-z0-9])@(?=[A-Za-z0-9_])")
_REFERENCE: Final = re.compile(r"#(?=[0-9])|(?<=\bGH)-(?=[0-9])|(?<=\bgh)-(?=[0-9])")
_LINK: Final = re.compile(r":(?=//)|(?<=\b[wW][wW][wW])\.|(?<=\bmailto):|(?<=\bxmpp):", re.IGNORECASE)


def escaped(text: str) -> str:
    """Escape text so that rendering the result shows exactly the text, on the lines it had.

    White space at the ends of lines and empty lines go: they would end a quote or a list.
    """
    flat = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").replace("\x85", "\n"))
    lines = [_escaped_line(line.strip()) for line in flat.split("\n") if line.strip()]
    if not lines:
        return ""
    before = " " if flat[:1] in {" ", "\u00a0"} else ""
    after = " " if flat[-1:] in {" ", "\u00a0"} else ""
    return before + "\\\n".join(lines) + after


def _escaped_line(line: str) -> str:
    line = _PUNCTUATION.sub(r"\\\g<0>", line)
    line = _LINK.sub(r"\\\g<0>", line)
    line = _MENTION.sub("@" + ZERO_WIDTH, line)
    line = _REFERENCE.sub(r"\g<0>" + ZERO_WIDTH, line)
    return _LINE_START.sub(lambda found: f"{found[3] or ''}\\{found[2] or found[4]}", line)


def quoted(markdown: str) -> Safe:
    """Put Markdown into a quote, every line of it."""
    return Safe("\n".join(f"> {line}".rstrip() for line in markdown.strip().split("\n")))
