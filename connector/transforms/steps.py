"""Make steps out of functions on text and on lists, so that every transform treats odd values alike."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final

import re2

from connector import phrases, richtext
from connector.errors import Rejected

Step = Callable[[Any], Any]

MOST_CHARACTERS: Final = 1_000_000
"""No step makes a text longer than this (Jira's and GitHub's longest fields are below 70,000)."""

MOST_PATTERN_MEMORY: Final = 1 << 20


def text_of(value: Any) -> str:
    """Write any value as plain text: a person by name, rich text without marks, a list with commas."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case {"format": str(), "content": _}:
            return richtext.plain(typing.cast("Any", value))
        case Mapping():
            for key in ("name", "login", "email", "id"):
                if value.get(key):
                    return str(value[key])
            return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
        case list():
            return ", ".join(text_of(item) for item in value)
        case _:
            return str(value)


def texts(change: Callable[[str], Any]) -> Step:
    """Make a step of a function on text."""

    def step(value: Any) -> Any:
        match value:
            case str():
                return bounded(change(value))
            case None:
                return None
            case list():
                return [step(item) for item in value]
            case _:
                return bounded(change(text_of(value)))

    return step


def lists(change: Callable[[list[Any]], Any]) -> Step:
    """Make a step of a function on lists."""

    def step(value: Any) -> Any:
        match value:
            case list():
                return bounded(change(value))
            case None:
                return bounded(change([]))
            case _:
                return bounded(change([value]))

    return step


def bounded(value: Any) -> Any:
    """Return the value, or refuse a text that no field could take."""
    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        raise Rejected(f"the text is longer than {MOST_CHARACTERS} characters", cause="transform:size")
    return value


def pattern_of(pattern: str) -> Any:
    """Compile with RE2, which cannot take exponential time; raises ValueError."""
    options = re2.Options()
    options.max_mem = MOST_PATTERN_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"is not a pattern of RE2: {reason}") from error


def shown(value: Any) -> str:
    """Shorten a value for a message."""
    return repr(phrases.cut(text_of(value), 40))
