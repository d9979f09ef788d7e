"""Cut text and write times as asked: the string work that transforms and templates share."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

UNITS: Final = ("chars", "utf16", "bytes")
"""What a length counts: code points, UTF-16 units (as Java and JavaScript do), or UTF-8 bytes."""

_FORMAT: Final = re.compile(r"(?:[^%]|%[YmdHMSyjbBaApIfzZ%])*", re.DOTALL)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MILLISECONDS: Final = 100_000_000_000
"""Numbers above it are milliseconds since 1970; as seconds it is the year 5138."""


def size(text: str, unit: str) -> int:
    """Measure text in one of `UNITS`."""
    match unit:
        case "utf16":
            return len(text) + sum(letter > "\uffff" for letter in text)
        case "bytes":
            return len(text.encode("utf-8", "surrogatepass"))
        case _:
            return len(text)


def cut(text: str, length: int, unit: str = "chars", ellipsis: str = "…") -> str:
    """Cut text to ``length`` units, the ellipsis included; never inside a character.

    A combining mark or joiner is not parted from the letter before it.

    >>> cut("hello world", 8)
    'hello w…'
    >>> cut("naïve", 5, "bytes", "")
    'naïv'
    """
    if size(text, unit) <= length:
        return text
    room = length - size(ellipsis, unit)
    if room < 0:
        return cut(text, length, unit, "")
    if unit == "chars":
        kept = room
    else:
        kept = used = 0
        for letter in text:
            used += size(letter, unit)
            if used > room:
                break
            kept += 1
    while 0 < kept < len(text) and _joins(text[kept - 1], text[kept]):
        kept -= 1
    return text[:kept].rstrip() + ellipsis


def _joins(before: str, after: str) -> bool:
    """Tell whether two code points belong to one visible character (a cheap approximation)."""
    return before == "\u200d" or after in "\u200d\ufe0f" or "\u0300" <= after <= "\u036f" or "🏻" <= after <= "🏿"


def zone(name: str) -> tzinfo:
    """Find a time zone by its IANA name; raises ValueError."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error


def check_format(wanted: str) -> None:
    """Refuse a date format that is not ``iso``, ``date`` or strftime's portable directives."""
    if wanted not in {"iso", "date"} and ("%" not in wanted or not _FORMAT.fullmatch(wanted)):
        raise ValueError(f"must be iso, date or a pattern like '%Y-%m-%d %H:%M', not {wanted!r}")


def moment(value: Any) -> datetime:
    """Read an ISO 8601 time or a Unix time (seconds or milliseconds); no zone means UTC."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS else value
            return datetime.fromtimestamp(seconds, UTC)
        found = datetime.fromisoformat(str(value).strip())
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"is not a date or time: {str(value)[:40]!r}") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def dated(value: Any, to: str, where: tzinfo) -> str:
    """Write a time as ``to`` says, in a zone; a plain date belongs to no zone and is not moved.

    >>> dated("2026-11-23T23:30:00+0000", "%d.%m.%Y", ZoneInfo("Europe/Berlin"))
    '24.11.2026'
    >>> dated("2026-11-23", "date", UTC)
    '2026-11-23'
    """
    found = moment(value)
    if not (isinstance(value, str) and _DATE.fullmatch(value.strip())):
        try:
            found = found.astimezone(where)
        except OverflowError as error:
            raise ValueError(f"is outside the calendar: {str(value)[:40]!r}") from error
    match to:
        case "iso":
            return found.isoformat()
        case "date":
            return found.date().isoformat()
        case _:
            return found.strftime(to)
