"""Transform text: each function checks its arguments and makes the step."""

from __future__ import annotations

import re
from typing import Any, Literal

from connector import phrases
from connector.errors import Rejected
from connector.transforms.steps import MOST_CHARACTERS, Step, pattern_of, texts

Unit = Literal["chars", "utf16", "bytes"]


def lower() -> Step:
    """Write in small letters.

    >>> lower()("Needs TRIAGE")
    'needs triage'
    """
    return texts(str.lower)


def upper() -> Step:
    """Write in capitals.

    >>> upper()("p0")
    'P0'
    """
    return texts(str.upper)


def title() -> Step:
    """Begin every word with a capital and leave the rest of it as it is.

    >>> title()("fix the API gateway's log")
    "Fix The API Gateway's Log"
    """
    return texts(lambda text: re.sub(r"(?:^|(?<=\s))\S", lambda first: first[0].upper(), text))


def strip(*, characters: str = "") -> Step:
    """Take white space, or the given characters, off both ends.

    >>> strip()("  padded ")
    'padded'
    >>> strip(characters="[]")("[WEB]")
    'WEB'
    """
    return texts(lambda text: text.strip(characters or None))


def truncate(*, length: int, unit: Unit = "chars", ellipsis: str = "…") -> Step:
    """Cut text to a length that includes the ellipsis.

    ``unit`` is what the target counts: ``chars`` (code points), ``utf16`` (as Jira's and GitHub's
    servers may count an emoji as two) or ``bytes`` of UTF-8.

    >>> truncate(length=5)("hello world")
    'hell…'
    >>> truncate(length=4, unit="utf16", ellipsis="")("🎉🎉🎉")
    '🎉🎉'
    """
    if not 1 <= length <= MOST_CHARACTERS:
        raise ValueError(f"length must lie between 1 and {MOST_CHARACTERS}")
    return texts(lambda text: phrases.cut(text, length, unit, ellipsis))


def slug(*, separator: str = "-", length: int = 255) -> Step:
    """Make a word of text: letters and digits in small letters, everything else a separator.

    >>> slug()("Payments: Refunds & Returns")
    'payments-refunds-returns'
    """
    if not 1 <= length <= MOST_CHARACTERS:
        raise ValueError(f"length must lie between 1 and {MOST_CHARACTERS}")

    def made(text: str) -> str:
        words = re.findall(r"[^\W_]+", text.lower())
        word = separator.join(words)[:length]
        return word.removesuffix(separator) if separator else word

    return texts(made)


def replace(*, old: str, new: str) -> Step:
    """Replace a piece of text wherever it stands.

    >>> replace(old="/", new=" › ")("web/checkout")
    'web › checkout'
    """
    if not old:
        raise ValueError("old must not be empty")

    def replaced(text: str) -> str:
        if len(text) + text.count(old) * max(0, len(new) - len(old)) > MOST_CHARACTERS:
            raise Rejected(f"the text is longer than {MOST_CHARACTERS} characters", cause="transform:size")
        return text.replace(old, new)

    return texts(replaced)


def regex(*, pattern: str, replace: str) -> Step:
    r"""Replace what an RE2 pattern matches; ``\1`` is its first group.

    >>> regex(pattern=r"^\[(\w+)\]\s*", replace=r"\1: ")("[web] Button is grey")
    'web: Button is grey'
    """
    compiled = pattern_of(pattern)
    highest = max((int(number) for number in re.findall(r"\\(\d)", replace)), default=0)
    if highest > compiled.groups:
        raise ValueError(f"replace names group {highest}, the pattern has {compiled.groups}")

    def replaced(text: str) -> str:
        if len(replace) * len(text) > 64 * MOST_CHARACTERS:
            raise Rejected("the text is too long for this replacement", cause="transform:size")
        return str(compiled.sub(replace, text))

    return texts(replaced)


def extract(*, pattern: str) -> Step:
    r"""Take what an RE2 pattern matches: its first group, or all of it; None where nothing matches.

    >>> extract(pattern=r"severity/(\w+)")("severity/high")
    'high'
    """
    compiled = pattern_of(pattern)
    group = 1 if compiled.groups else 0

    def extracted(text: str) -> str | None:
        found = compiled.search(text)
        return None if found is None else found.group(group)

    return texts(extracted)


def prefix(*, text: str) -> Step:
    """Put text in front, unless it is there already or there is nothing.

    >>> prefix(text="gh:")(["bug", "gh:ui"])
    ['gh:bug', 'gh:ui']
    """
    return texts(lambda value: value if not value or value.startswith(text) else text + value)


def suffix(*, text: str) -> Step:
    """Put text at the end, unless it is there already or there is nothing.

    >>> suffix(text=" (web)")("Checkout")
    'Checkout (web)'
    """
    return texts(lambda value: value if not value or value.endswith(text) else value + text)


def split(*, separator: str = ",") -> Step:
    """Make a list of text; pieces are stripped, empty ones left out.

    >>> split()("ui, checkout,,api")
    ['ui', 'checkout', 'api']
    """
    if not separator:
        raise ValueError("separator must not be empty")
    pieces = texts(lambda text: [piece.strip() for piece in text.split(separator) if piece.strip()])

    def flat(value: Any) -> Any:
        made = pieces(value)
        return [piece for row in made for piece in row or ()] if isinstance(value, list) else made

    return flat
