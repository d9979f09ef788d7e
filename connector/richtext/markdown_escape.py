"""Escape text for Markdown: as much as needed to stay text, as little as possible to stay readable.

Rules are CommonMark's (0.31) and GFM's; where a sign could mean something only in company, it is
escaped only in that company.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_SIGNS: Final = re.compile(r"[\\`*_~\[\]<&!]")
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_PUNCTUATION: Final = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_LINE: Final = re.compile(
    r"(?=#{1,6}(?:\s|$)|>|[-+*](?:\s|$)|=+\s*$|[-|: ]*-[-|: ]*$|\[![A-Za-z]|\[(?:[^\[\]\\\n]|\\.){0,1000}(?:\]:|$))"
    r"|(?P<number>[0-9]{1,9})(?=[.)](?:\s|$))"
)
_CLOSING: Final = re.compile(r"(^|\s)(#+)$")


def is_space(letter: str) -> bool:
    """Tell white space, or the edge of a line ("")."""
    return not letter or letter.isspace()


def is_punctuation(letter: str) -> bool:
    """Tell what every Markdown dialect takes for punctuation."""
    return letter in _PUNCTUATION or unicodedata.category(letter).startswith("P")


def may_be_punctuation(letter: str) -> bool:
    """Tell what some dialects take for punctuation: symbols too."""
    return unicodedata.category(letter)[0] in "PS"


def text(words: str, before: str, after: str, *, in_link: bool = False, tildes: bool = False) -> str:
    """Escape text that stands between the letters ``before`` and ``after`` ("" at a line's edge).

    ``tildes`` tells that another tilde stands in the paragraph.
    """

    def escape(found: re.Match[str]) -> str:
        sign, start, end = found[0], found.start(), found.end()
        left = words[start - 1] if start else before
        right = words[end] if end < len(words) else after
        return "\\" + sign if _means(sign, left, right, words, start, in_link=in_link, tildes=tildes) else sign

    return _SIGNS.sub(escape, words)


def _means(sign: str, left: str, right: str, words: str, place: int, *, in_link: bool, tildes: bool) -> bool:
    match sign:
        case "\\":
            return not right or right == "\n" or right in _PUNCTUATION
        case "`":
            return True
        case "*":
            return not left or not (left.isspace() and is_space(right))
        case "_":
            return not (left.isalnum() and right.isalnum())
        case "~":
            return tildes
        case "[":
            return in_link
        case "]":
            return in_link or right == "("
        case "<":
            return not right or right.isalpha() or right in "/!?"
        case "&":
            return _ENTITY.match(words, place) is not None
        case _:
            return right == "[" and place == len(words) - 1


def line_start(line: str) -> str:
    """Escape the beginning of a written line that would begin a block."""
    found = _LINE.match(line)
    if found is None or not line:
        return line
    number = found["number"]
    return f"{number}\\{line[len(number) :]}" if number else "\\" + line


def heading_end(line: str) -> str:
    """Escape hashes at the end of a heading, which would close it."""
    found = _CLOSING.search(line)
    return f"{line[: found.start(2)]}\\{found[2]}" if found else line


def destination(href: str) -> str:
    """Write the address of a link for between round brackets."""
    href = _ENTITY.sub(lambda found: "\\" + found[0], href)
    if "(" in href or ")" in href or not href:
        return f"<{href}>"
    return href


def code(words: str) -> str:
    """Write a code span: fences longer than any run of backticks in it."""
    fence = "`" * (longest(words, "`") + 1)
    padded = words.startswith(("`", " ")) or words.endswith(("`", " "))
    return f"{fence} {words} {fence}" if padded else f"{fence}{words}{fence}"


def longest(words: str, sign: str) -> int:
    """Return the length of the longest run of a sign."""
    return max((len(run) for run in re.findall(re.escape(sign) + "+", words)), default=0)
