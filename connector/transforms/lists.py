"""Transform lists: join, choose, order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from connector.errors import Rejected
from connector.transforms.steps import MOST_CHARACTERS, Step, lists, pattern_of, text_of


def join(*, separator: str = ", ") -> Step:
    """Make text of a list.

    >>> join(separator=" / ")(["ui", "api"])
    'ui / api'
    """

    def joined(items: list[Any]) -> str:
        words = [text_of(item) for item in items]
        if sum(map(len, words)) + len(words) * len(separator) > MOST_CHARACTERS:
            raise Rejected(f"the text is longer than {MOST_CHARACTERS} characters", cause="transform:size")
        return separator.join(words)

    return lists(joined)


def concat(*, items: Sequence[str]) -> Step:
    """Add fixed items to a list, those it lacks.

    >>> concat(items=["from-github"])(["ui"])
    ['ui', 'from-github']
    """
    return lists(lambda found: [*found, *(item for item in items if item not in found)])


def first() -> Step:
    """Take the first item; None of an empty list.

    >>> first()(["ui", "api"])
    'ui'
    """
    return lists(lambda items: items[0] if items else None)


def last() -> Step:
    """Take the last item; None of an empty list.

    >>> last()(["ui", "api"])
    'api'
    """
    return lists(lambda items: items[-1] if items else None)


def unique() -> Step:
    """Leave out repeated items and keep the order.

    >>> unique()(["ui", "api", "ui"])
    ['ui', 'api']
    """

    def made(items: list[Any]) -> list[Any]:
        found: dict[str, Any] = {}
        for item in items:
            found.setdefault(json.dumps(item, sort_keys=True, default=str), item)
        return list(found.values())

    return lists(made)


def sort(*, descending: bool = False) -> Step:
    """Sort by text, capitals and small letters alike.

    >>> sort()(["ui", "API", "db"])
    ['API', 'db', 'ui']
    """
    return lists(
        lambda items: sorted(items, key=lambda item: (text_of(item).casefold(), text_of(item)), reverse=descending)
    )


def keep(*, items: Sequence[str] = (), pattern: str = "") -> Step:
    """Keep the items that are named, or that an RE2 pattern matches from end to end.

    >>> keep(pattern="area/.*")(["area/ui", "p0"])
    ['area/ui']
    """
    chosen = _choice(items, pattern)
    return lists(lambda found: [item for item in found if chosen(text_of(item))])


def drop(*, items: Sequence[str] = (), pattern: str = "") -> Step:
    """Leave out the items that are named, or that an RE2 pattern matches from end to end.

    >>> drop(items=["bug"])(["bug", "ui"])
    ['ui']
    """
    chosen = _choice(items, pattern)
    return lists(lambda found: [item for item in found if not chosen(text_of(item))])


def _choice(items: Iterable[str], pattern: str) -> Callable[[str], bool]:
    named = frozenset(items)
    if bool(named) == bool(pattern):
        raise ValueError("give either items or pattern")
    if named:
        return named.__contains__
    compiled = pattern_of(pattern)
    return lambda text: compiled.fullmatch(text) is not None
