"""What rests and what is due is told in the time of a place, also on the days when its clocks move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.schedule import (
    Cron,
    Span,
    Window,
    check_cron,
    check_zone,
    clock_of,
    days_of,
    is_moment,
    moment_of,
    rests_until,
)

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: str = "Europe/Berlin", *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def window(start: str, end: str, days: str = "mon-sun", zone: str = "Europe/Berlin") -> Window:
    return Window(clock_of(start), clock_of(end), zone, days_of(days.split()))


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2027-01-15 21:59", None),
        ("2027-01-15 22:00", "2027-01-16 06:00"),
        ("2027-01-16 05:59", "2027-01-16 06:00"),
        ("2027-01-16 06:00", None),
    ],
)
def test_a_window_over_midnight(now: str, until: str | None) -> None:
    assert window("22:00", "06:00").until(at(now)) == (at(until) if until else None)


@pytest.mark.parametrize(
    ("now", "rests"),
    [
        ("2027-01-15 23:00", True),  # a Friday
        ("2027-01-16 05:00", True),  # what began on Friday goes on
        ("2027-01-16 23:00", False),
        ("2027-01-18 05:00", False),  # Monday morning belongs to Sunday's night
    ],
)
def test_days_are_those_on_which_a_window_begins(now: str, *, rests: bool) -> None:
    assert (window("22:00", "06:00", "mon-fri").until(at(now)) is not None) == rests


def test_a_window_is_one_of_its_zone() -> None:
    night = window("22:00", "06:00", zone="America/New_York")
    assert night.until(at("2027-01-15 23:00")) is None
    assert night.until(at("2027-01-16 05:00")) == at("2027-01-16 06:00", "America/New_York")


def test_a_whole_day_ends_at_24() -> None:
    assert window("00:00", "24:00", "sun").until(at("2027-01-17 12:00")) == at("2027-01-18 00:00")


# 28 March 2027, 02:00 becomes 03:00; 31 October 2027, 03:00 becomes 02:00.
@pytest.mark.parametrize(
    ("start", "end", "now", "until"),
    [
        ("22:00", "06:00", at("2027-03-27 23:00"), datetime(2027, 3, 28, 4, 0, tzinfo=UTC)),
        ("22:00", "06:00", at("2027-10-30 23:00"), datetime(2027, 10, 31, 5, 0, tzinfo=UTC)),
        # An end that does not come is as much later as the clocks have moved.
        ("22:00", "02:30", at("2027-03-28 01:59"), datetime(2027, 3, 28, 1, 30, tzinfo=UTC)),
        ("22:00", "02:30", at("2027-03-28 03:15"), datetime(2027, 3, 28, 1, 30, tzinfo=UTC)),
        ("02:30", "06:00", at("2027-03-28 03:15"), None),
        ("02:30", "06:00", at("2027-03-28 03:45"), datetime(2027, 3, 28, 4, 0, tzinfo=UTC)),
        # Of an hour that comes twice a window takes both.
        ("22:00", "02:30", at("2027-10-31 02:45"), datetime(2027, 10, 31, 1, 30, tzinfo=UTC)),
        ("22:00", "02:30", at("2027-10-31 02:15", fold=1), datetime(2027, 10, 31, 1, 30, tzinfo=UTC)),
        ("22:00", "02:30", at("2027-10-31 02:45", fold=1), None),
        ("02:30", "06:00", at("2027-10-31 02:45"), datetime(2027, 10, 31, 5, 0, tzinfo=UTC)),
        ("02:30", "06:00", at("2027-10-31 02:15", fold=1), datetime(2027, 10, 31, 5, 0, tzinfo=UTC)),
    ],
)
def test_windows_when_the_clocks_move(start: str, end: str, now: datetime, until: datetime | None) -> None:
    assert window(start, end).until(now) == until


@given(
    st.integers(0, 366 * 24 * 60),
    st.integers(0, 95),
    st.integers(0, 95),
)
def test_whoever_rests_is_let_go_at_the_end_that_was_told(minutes: int, start: int, length: int) -> None:
    now = datetime(2027, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    begins = timedelta(minutes=15 * start)
    one = Window(begins, (begins + timedelta(minutes=15 * (length % 95 + 1))) % timedelta(days=1), "Europe/Berlin")
    until = one.until(now)
    if until is not None:
        assert now < until <= now + timedelta(hours=26)
        assert one.until(until - timedelta(microseconds=1)) == until
        assert (one.until(until) or until + timedelta(1)) > until


def test_windows_that_follow_each_other_are_one() -> None:
    night, morning = window("22:00", "06:00"), window("06:00", "08:00")
    assert rests_until((morning, night), at("2027-01-15 23:00")) == at("2027-01-16 08:00")
    assert rests_until((morning, night), at("2027-01-15 12:00")) is None
    assert rests_until((), at("2027-01-15 12:00")) is None


def test_who_always_rests_is_told_an_end_all_the_same() -> None:
    whole = window("00:00", "24:00")
    until = rests_until((whole,), at("2027-01-15 12:00"))
    assert until is not None
    assert until > at("2027-01-20 00:00")


def test_a_span_comes_once() -> None:
    one = Span(at("2027-01-16 22:00"), at("2027-01-17 04:00"))
    assert one.until(at("2027-01-16 21:59")) is None
    assert one.until(at("2027-01-16 22:00")) == at("2027-01-17 04:00")
    assert one.until(at("2027-01-17 04:00")) is None
    assert moment_of("2027-01-16 22:00", "Europe/Berlin") == at("2027-01-16 22:00")
    assert is_moment("2027-01-16 22:00")
    assert not is_moment("22:00")


def test_the_moments_of_a_cron_are_those_of_its_zone() -> None:
    office = Cron("*/10 8-18 * * mon-fri", "Europe/Berlin")
    assert office.last(at("2027-01-15 12:07")) == at("2027-01-15 12:00")
    assert office.last(at("2027-01-15 12:10")) == at("2027-01-15 12:10")
    assert office.last(at("2027-01-18 07:59")) == at("2027-01-15 18:50"), "over the weekend"
    assert office.following(at("2027-01-15 18:50")) == at("2027-01-18 08:00")


def moments(cron: Cron, day: str) -> list[str]:
    """Return the moments of one day, in UTC."""
    now, found = at(f"{day} 00:00") - timedelta(seconds=1), []
    while (now := cron.following(now)) < at(f"{day} 00:00") + timedelta(days=1):
        found.append(f"{now:%H:%M}")
        assert cron.last(now) == now
        assert cron.last(now + timedelta(seconds=59)) == now
    return found


def test_a_daily_moment_comes_once_when_the_clocks_move() -> None:
    daily = Cron("30 2 * * *", "Europe/Berlin")
    assert moments(daily, "2027-03-28") == ["01:00"], "02:30 does not come: at once when the clocks have moved"
    assert moments(daily, "2027-10-31") == ["00:30"], "02:30 comes twice: the first counts"


def test_what_comes_every_hour_comes_in_every_hour_there_is() -> None:
    hourly = Cron("15 * * * *", "Europe/Berlin")
    assert len(moments(hourly, "2027-03-27")) == 24
    assert len(moments(hourly, "2027-03-28")) == 23
    assert len(moments(hourly, "2027-10-31")) == 25


@pytest.mark.parametrize(
    ("words", "days"),
    [(["mon-fri"], {0, 1, 2, 3, 4}), (["sat", "sun"], {5, 6}), (["fri-mon"], {4, 5, 6, 0}), (["wed"], {2})],
)
def test_days_are_read(words: list[str], days: set[int]) -> None:
    assert days_of(words) == days


@pytest.mark.parametrize("text", ["9:00", "25:00", "24:01", "12:60", "noon", "22:00:00"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a time of day like 22:00"):
        clock_of(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("* * * *", "five fields"),
        ("0 0 * * * *", "five fields"),
        ("61 * * * *", "Bad minute"),
        ("0 0 31 2 *", "Bad day-of-month"),
        ("@daily", "five fields"),
    ],
)
def test_what_is_no_cron_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_cron(text)


@pytest.mark.parametrize("name", ["Berlin", "", "../etc/passwd", "/etc/localtime", "Europe/\0"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        check_zone(name)
