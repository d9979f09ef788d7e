"""Transform dates, numbers, people, rich text and emptiness."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any, Literal

from connector import phrases, richtext
from connector.errors import Rejected
from connector.transforms.steps import MOST_CHARACTERS, Step, shown, texts


def date(*, to: str = "iso", zone: str = "UTC") -> Step:
    """Write a time as ``iso``, as a ``date``, or by a pattern such as ``%d.%m.%Y``, in a time zone.

    Reads ISO 8601 and Unix times (seconds or milliseconds).

    >>> date(to="date")("2026-11-23T10:00:00.000+0000")
    '2026-11-23'
    >>> date(to="%d %b %Y %H:%M", zone="Asia/Tokyo")("2026-11-23T20:00:00Z")
    '24 Nov 2026 05:00'
    """
    phrases.check_format(to)
    where = phrases.zone(zone)

    def step(value: Any) -> Any:
        match value:
            case None | "":
                return None
            case list():
                return [step(item) for item in value]
            case _:
                try:
                    return phrases.dated(value, to, where)
                except ValueError as error:
                    raise Rejected(str(error), cause="transform:date") from error

    return step


def number(*, whole: bool = False) -> Step:
    """Read a number; with ``whole`` it is rounded half to even.

    >>> number()("3.5")
    3.5
    >>> number(whole=True)(["1", 2.6])
    [1, 3]
    """

    def read(text: str) -> int | float:
        try:
            found = float(text.strip())
        except ValueError as error:
            raise Rejected(f"is not a number: {shown(text)}", cause="transform:number") from error
        if not abs(found) < 1e15:  # also refuses nan: beyond it a float drops whole numbers
            raise Rejected(f"is not a number a field could hold: {shown(text)}", cause="transform:number")
        return round(found) if whole or found.is_integer() else found

    def step(value: Any) -> Any:
        return None if value == "" else texts(read)(value)

    return step


def yes_no(*, yes: str = "Yes", no: str = "No") -> Step:
    """Say of anything whether it is there: false, 0, empty text and lists and None are ``no``.

    >>> yes_no()(True), yes_no(no="open")(None)
    ('Yes', 'open')
    """
    return lambda value: yes if value else no


def default_if_empty(*, value: Any) -> Step:
    """Stand in for None, empty text and empty lists.

    >>> default_if_empty(value="unassigned")("")
    'unassigned'
    """
    return lambda found: value if found is None or found in ("", [], {}) else found


def lookup(*, table: Mapping[str, Any], default: Any = None) -> Step:
    """Replace text by what a table says, or by ``default`` (None where none is given).

    >>> lookup(table={"p0": "Highest"}, default="Medium")("p3")
    'Medium'
    """
    return texts(lambda text: table.get(text, default))


def plain() -> Step:
    """Make plain text of rich text.

    >>> plain()({"format": "plain", "content": "two words"})
    'two words'
    """
    return texts(lambda text: text)


def markdown() -> Step:
    """Write rich text as Markdown, in a plain string.

    >>> markdown()({"format": "markdown", "content": "**bold**"})
    '**bold**'
    """

    def step(value: Any) -> Any:
        match value:
            case {"format": str(), "content": _}:
                return richtext.convert(typing.cast("Any", value), "markdown", limit=MOST_CHARACTERS).content.strip()
            case list():
                return [step(item) for item in value]
            case _:
                return value

    return step


def person(*, part: Literal["id", "name", "login", "email"] = "name") -> Step:
    """Take one part of a person; None where the source does not give it.

    >>> person(part="login")({"id": "583231", "login": "octocat"})
    'octocat'
    """

    def step(value: Any) -> Any:
        match value:
            case list():
                return [step(item) for item in value]
            case Mapping():
                return value.get(part)
            case _:
                return value

    return step
