"""Take values out of JSON that may be anything, without raising and without recursion.

What should be a list, an object or a number in somebody else's document may be something else, or be
nested without end; then it counts as empty, or its words are all that is taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from connector.richtext.spans import clean
from connector.richtext.tree import MAX_DEPTH

_SCRIPT: Final = re.compile(r'"(?:[\s\x00-\x20]|\\[a-z0-9]{1,5})*(?:javascript|vbscript|data):', re.IGNORECASE)
"""The beginning of a string that a browser would run."""

MOST_NATIVE_DEPTH: Final = 2 * MAX_DEPTH
"""Levels of a node carried as it is (its content lists count too)."""


def text_of(node: Any) -> str:
    """Return all words in any JSON, in order; works without recursion, so at any depth."""
    found: list[str] = []
    left: list[Any] = [node]
    while left:
        one = left.pop()
        if isinstance(one, list | tuple):
            left += reversed(one)
        elif isinstance(one, Mapping):
            attrs = one.get("attrs")
            attrs = attrs if isinstance(attrs, Mapping) else {}
            for words in (one.get("text"), attrs.get("text"), attrs.get("title"), attrs.get("alt"), attrs.get("url")):
                if isinstance(words, str) and words.strip():
                    found.append(clean(words))
                    break
            left.append(one.get("content"))
    return " ".join(found)


def is_deep(node: Any) -> bool:
    """Tell a node nested deeper than what is carried as it is."""
    level, left = 0, [node]
    while left and level <= MOST_NATIVE_DEPTH:
        level += 1
        below: list[Any] = []
        for one in left:
            below += one.values() if isinstance(one, Mapping) else one if isinstance(one, list | tuple) else ()
        left = below
    return bool(left)


def packed(node: Any) -> str:
    """Return JSON text to carry along; "" for what is nested without end or holds an address that runs code."""
    if is_deep(node):
        return ""
    text = json.dumps(node, ensure_ascii=False, sort_keys=True, default=str)
    return "" if _SCRIPT.search(text) else text


def code(text: str) -> str:
    """Return code with line feeds only."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def attributes(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a node's attributes."""
    attrs = node.get("attrs")
    return attrs if isinstance(attrs, Mapping) else {}


def dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of what should be a list of them."""
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, Mapping))


def string(value: Any) -> str:
    """Return a str, "" for anything else."""
    return value if isinstance(value, str) else ""


def number(value: Any, default: int) -> int:
    """Return a whole number of sane size, ``default`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e9 < value < 1e9:
        return default
    return int(value)
