"""Say when something rests and when something is due, in the time of a place: windows of the week, spans, cron.

Times are of the wall clock of their ``zone``, daylight saving included.  Of an hour that comes twice in autumn a
window begins with the first and ends with the second; a time that does not come in spring is as much later as the
clocks have moved (02:30 is 03:30).  Nothing here asks for the time: *now* is handed in, aware.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_CLOCK: Final = re.compile(r"([01]\d|2[0-4]):([0-5]\d)")
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the day that comes back: ``start`` and ``end`` since midnight, ``days`` (0 is Monday) when it begins.

    One whose ``end`` is not after its ``start`` lasts into the next day.
    """

    start: timedelta
    end: timedelta
    zone: str = "UTC"
    days: frozenset[int] = frozenset(range(7))

    def until(self, now: datetime) -> datetime | None:
        """Return when the window ends that ``now`` is in; None where it is in none."""
        here = ZoneInfo(self.zone)
        today = now.astimezone(here).date()
        length = _DAY if self.end <= self.start else timedelta(0)
        ends = [
            end
            for day in (today - _DAY, today)
            if day.weekday() in self.days
            and _first(day, self.start, here) <= now < (end := _last(day, self.end + length, here))
        ]
        return max(ends, default=None)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of time that comes once."""

    start: datetime
    end: datetime

    def until(self, now: datetime) -> datetime | None:
        """Return when it ends, where ``now`` is in it."""
        return self.end if self.start <= now < self.end else None


@dataclass(frozen=True, slots=True)
class Cron:
    """Moments by five cron fields, as Debian's cron reads them, in the time of a zone."""

    text: str
    zone: str = "UTC"

    def last(self, now: datetime) -> datetime:
        """Return the last moment that is not after ``now``, in UTC."""
        # Backwards the iterator leaves out the very moment that it starts from.
        return next(self._from(now + timedelta(seconds=1), reverse=True)).astimezone(UTC)

    def following(self, now: datetime) -> datetime:
        """Return the first moment after ``now``, in UTC."""
        return next(self._from(now, reverse=False)).astimezone(UTC)

    def _from(self, now: datetime, *, reverse: bool) -> Iterator[datetime]:
        return CronSim(self.text, now.astimezone(ZoneInfo(self.zone)).replace(microsecond=0), reverse=reverse)


def rests_until(windows: Iterable[Window | Span], now: datetime) -> datetime | None:
    """Return when the last of the windows ends that ``now`` is in, those that follow without a gap included."""
    known, until = tuple(windows), None
    at = now
    while ends := [end for one in known if (end := one.until(at)) is not None]:
        at = until = max(ends)
        if until - now > timedelta(days=8):
            break  # windows of the whole week: it never ends
    return until


# --- reading what people write ---------------------------------------------------------------------------------------
def clock_of(text: str) -> timedelta:
    """Read ``22:00`` (or ``24:00``, the end of a day); raises ValueError."""
    match = _CLOCK.fullmatch(text)
    if match is None or (match[1] == "24" and match[2] != "00"):
        message = f"must be a time of day like 22:00, not {text!r}"
        raise ValueError(message)
    return timedelta(hours=int(match[1]), minutes=int(match[2]))


def moment_of(text: str, zone: str) -> datetime:
    """Read ``2027-01-16 22:00`` of a zone; raises ValueError."""
    if not _MOMENT.fullmatch(text):
        message = f"must be like 2027-01-16 22:00, not {text!r}"
        raise ValueError(message)
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def is_moment(text: str) -> bool:
    """Tell whether a text names a day, and not only a time of day."""
    return "-" in text


def days_of(words: Iterable[str]) -> frozenset[int]:
    """Read days: ``mon``, or ``mon-fri``; a range may go over the end of the week.  Raises ValueError."""
    found: set[int] = set()
    for word in words:
        first, _, last = word.partition("-")
        try:
            begin, end = DAYS.index(first), DAYS.index(last or first)
        except ValueError:
            message = f"must be a day (mon) or days (mon-fri), not {word!r}"
            raise ValueError(message) from None
        found.update((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    return frozenset(found)


def check_zone(name: str) -> None:
    """Raise ValueError where there is no such time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"there is no time zone {name!r}; known are names like Europe/Berlin, America/New_York and UTC"
        raise ValueError(message) from None


def check_cron(text: str) -> None:
    """Raise ValueError where these are not five fields of cron, or ones that never come."""
    if len(text.split()) != 5:
        message = f"must have five fields (minute, hour, day, month, day of the week), not {text!r}"
        raise ValueError(message)
    try:
        next(CronSim(text, datetime(2027, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        message = f"is no cron expression: {error}"
        raise ValueError(message) from error
    except StopIteration:
        message = f"never comes: {text!r}"
        raise ValueError(message) from None


def _first(day: date, since_midnight: timedelta, zone: ZoneInfo) -> datetime:
    return _at(day, since_midnight, zone, fold=0)


def _last(day: date, since_midnight: timedelta, zone: ZoneInfo) -> datetime:
    return max(_at(day, since_midnight, zone, fold=fold) for fold in (0, 1))


def _at(day: date, since_midnight: timedelta, zone: ZoneInfo, *, fold: int) -> datetime:
    days, rest = divmod(since_midnight, _DAY)
    seconds = int(rest.total_seconds())
    clock = time(seconds // 3600, seconds % 3600 // 60, fold=fold)
    return datetime.combine(day + days * _DAY, clock, zone).astimezone(UTC)
