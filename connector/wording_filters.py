"""Give templates their filters, and the room in which one output must fit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC
from typing import Any, Final, cast

import jinja2

from connector import phrases, richtext
from connector.errors import Rejected
from connector.event import Text
from connector.markdown import Safe, escaped, quoted

MOST_ROUNDS: Final = 2_000
"""Iterations of all loops of one output together."""

MOST_RICH: Final = 140_000
"""Characters of rich text in one output: twice what GitHub's longest comment holds."""

MOST_JOINED: Final = 20_000

_URL: Final = re.compile(r"(?:https?://|mailto:)[!-~\u00a0-\uffff]{1,2000}", re.IGNORECASE)
_UNSAFE_IN_URL: Final = re.compile(r"[<>\\\s`|\"]")


class Room:
    """What one output may still hold; a value that does not fit is cut, and nothing follows it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = limit
        self.rich_left = MOST_RICH
        self.rich_taken = 0
        self.rounds_left = MOST_ROUNDS
        self.full = False

    def cut(self, text: str) -> str:
        """Take room for a plain value, as much of it as there is."""
        if len(text) > self.left:
            text, self.full = phrases.cut(text, self.left), True
        self.left -= len(text)
        return text

    def rich(self) -> int:
        """Tell how much rich text may follow."""
        return self.rich_left

    def take(self, made: Safe) -> Safe:
        """Take room for Markdown, which cannot be cut here: all of it or nothing."""
        if len(made) > self.rich_left:
            self.full = True
            return Safe("")
        self.rich_left -= len(made)
        self.rich_taken += len(made)
        return made

    def pieces(self, pieces: Iterable[str]) -> Iterator[str]:
        """Pass an output on until the room is full; escapes may double the length of values."""
        total = 0
        for piece in pieces:
            total += len(piece)
            if total - self.rich_taken > 2 * self.limit:
                break
            yield piece
            if self.full:
                break
        else:
            return
        yield "\n\n… (truncated)"


def shown(value: Any) -> str:
    """Write any value as the words a reader expects."""
    match value:
        case str():
            return value
        case None | jinja2.Undefined():
            return ""
        case bool():
            return "yes" if value else "no"
        case {"format": str(), "content": _}:
            return richtext.plain(cast("Text", value)).strip()
        case Mapping():
            for key in ("name", "login", "email", "id"):
                if value.get(key):
                    return str(value[key])
            return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str) if value else ""
        case list() | tuple():
            return ", ".join(shown(item) for item in value)
        case _:
            return str(value)


def url_of(text: Any) -> Safe:
    """Write a URL as a link that shows itself; what is no http(s) or mailto URL stays text."""
    address = _address(text)
    return Safe(f"<{address}>") if address else Safe(escaped(shown(text)))


def _address(text: Any) -> str:
    found = shown(text).strip().removeprefix("<").removesuffix(">")
    if not _URL.fullmatch(found):
        return ""
    return _UNSAFE_IN_URL.sub(lambda sign: "".join(f"%{byte:02X}" for byte in sign[0].encode()), found)


def _given(value: Any) -> bool:
    return not (value is None or isinstance(value, jinja2.Undefined) or value in ("", []))


# --- the filters -------------------------------------------------------------------------------------
def plain(value: Any) -> str:
    """Rich text without its marks."""
    return shown(value)


def link(value: Any, url: Any) -> Safe:
    """Text that leads to a URL; only http, https and mailto, else the text alone."""
    words = escaped(shown(value)).strip()
    address = _address(url)
    return Safe(f"[{words or escaped(address)}](<{address}>)" if address else words)


def date(value: Any, to: Any = "%Y-%m-%d %H:%M", zone: Any = "UTC") -> str:
    """A time by a pattern, in a time zone; nothing of nothing."""
    if not _given(value):
        return ""
    phrases.check_format(str(to))
    return phrases.dated(value, str(to), UTC if zone == "UTC" else phrases.zone(str(zone)))


def truncate(value: Any, length: Any = 80) -> str:
    """Text cut to a length."""
    if not isinstance(length, int) or not 1 <= length <= MOST_JOINED:
        raise ValueError(f"truncate needs a length between 1 and {MOST_JOINED}")
    return phrases.cut(shown(value), length)


def quote(value: Any) -> Safe:
    """Rich or plain text as a quote, every line of it."""
    match value:
        case Safe():
            return quoted(value)
        case {"format": str(), "content": _}:
            return quoted(richtext.convert(cast("Text", value), "markdown", limit=MOST_RICH).content)
        case _:
            return quoted(escaped(phrases.cut(shown(value), MOST_JOINED)))


def code(value: Any) -> Safe:
    """Text as inline code, with more backticks around it than it holds."""
    text = re.sub(r"\s+", " ", shown(value)).strip()
    if not text:
        return Safe("")
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    pad = " " if text[0] == "`" or text[-1] == "`" else ""
    return Safe(f"{fence}{pad}{text}{pad}{fence}")


def default(value: Any, other: Any = "") -> Any:
    """Another value where there is none."""
    return value if _given(value) else other


def join(value: Any, separator: Any = ", ") -> str:
    """A list as text."""
    items = value if isinstance(value, list | tuple) else [value] if _given(value) else []
    return _joined([part for item in items for part in (separator, item)][1:])


def lower(value: Any) -> str:
    """Text in small letters."""
    return shown(value).lower()


def upper(value: Any) -> str:
    """Text in capitals."""
    return shown(value).upper()


def length(value: Any) -> int:
    """The number of items of a list or mapping, or of characters of anything else."""
    return len(value) if isinstance(value, list | tuple | Mapping) else len(shown(value))


def first(value: Any) -> Any:
    """The first item of a list."""
    return (value[0] if value else None) if isinstance(value, list | tuple) else value


def last(value: Any) -> Any:
    """The last item of a list."""
    return (value[-1] if value else None) if isinstance(value, list | tuple) else value


def _joined(parts: Any) -> str:
    """Join text, as ``~`` does, up to a bound that doubling cannot pass."""
    words = []
    total = 0
    for part in parts:
        word = shown(part)
        total += len(word)
        if total > MOST_JOINED:
            raise Rejected(f"the template joins more than {MOST_JOINED} characters", cause="template:size")
        words.append(word)
    return "".join(words)


@jinja2.pass_context
def _counted(context: Any, value: Any) -> Iterator[Any]:
    """Loop over a list's items or a mapping's keys, and count the rounds of the whole output."""
    room: Room = context["_room"]
    items = list(value) if isinstance(value, list | tuple | Mapping) else []

    def rounds() -> Iterator[Any]:
        for item in items:
            room.rounds_left -= 1
            if room.rounds_left < 0:
                raise Rejected(f"the template loops more than {MOST_ROUNDS} times", cause="template:loops")
            yield item

    return rounds()


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    **{made.__name__: made for made in (plain, link, date, truncate, quote, code, default, join)},
    **{made.__name__: made for made in (lower, upper, length, first, last)},
    "_joined": _joined,
    "_counted": _counted,
}
