"""A connector that rests writes nothing and loses nothing; a connection in maintenance fails nobody."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.config import Config, Mode
from connector.errors import Retryable, Unauthorized
from connector.schedule import Cron, Span, Window
from connector.system import Page
from tests.workers.office import CREATED, NEW, Office, bugs, event
from workers.operating.standing import standing
from workers.poller import backfill, due, poll
from workers.resting import may_poll, rest_of

HOUR = timedelta(hours=1)


def quiet_for(office: Office, hours: float) -> None:
    """Let quiet hours begin an hour ago and last."""
    midnight = office.now().replace(hour=0, minute=0, second=0, microsecond=0)
    begun = office.now() - midnight
    end = (begun + timedelta(hours=hours)) % timedelta(days=1)
    office.change(quiet=(Window((begun - HOUR) % timedelta(days=1), end),))


def maintained(office: Office, connection: str, hours: float, *, after: float = 0) -> None:
    """Let maintenance of a connection begin ``after`` seconds."""
    begins = office.now() + timedelta(seconds=after)
    span = Span(begins, begins + timedelta(hours=hours))
    connections = dict(office.config.connections)
    connections[connection] = replace(connections[connection], maintenance=(span,))
    office.config = Config("test", connections, office.config.connectors, hash="h2")


def state(office: Office) -> tuple[str, str, int]:
    got = standing(office.desk, office.config.connectors["bugs"])
    return got.state, got.why, got.until


def test_in_quiet_hours_events_are_taken_in_and_wait(office: Office) -> None:
    quiet_for(office, 2)
    assert office.accept(CREATED) == ["accepted"]
    office.work()
    office.later(3600)
    assert office.did() == []
    assert state(office) == ("quiet", "quiet hours", int((office.now() + HOUR).timestamp() * 1000))
    office.later(3600)
    office.later(61)
    assert office.did() == NEW
    assert state(office)[0] == "running"


def test_a_turn_that_runs_ends_when_quiet_hours_begin(office: Office) -> None:
    for number in range(3):
        office.accept(event(number, issue=number, title="Broken", state="open"))
    minute = timedelta(minutes=1)
    begins = office.now() - office.now().replace(hour=0, minute=0) + minute
    office.change(quiet=(Window(begins, begins + HOUR),))
    office.clock.move(55_000)
    office.jira.before_call = lambda on: office.clock.move(5_000 if on == "create" else 0)
    turn = office.work_once()
    assert (turn.delivered, turn.ended) == (1, "ok")
    office.work()
    assert len([one for one in office.did() if one.startswith("add issue")]) == 1


def test_a_changed_configuration_ends_quiet_hours_within_a_minute(office: Office) -> None:
    quiet_for(office, 12)
    office.accept(CREATED)
    office.work()
    office.change(quiet=())
    office.later(61)
    assert office.did() == NEW


def test_what_a_person_did_is_told_before_quiet_hours(office: Office) -> None:
    quiet_for(office, 2)
    office.change(mode=Mode.PAUSED)
    assert state(office)[:2] == ("paused", "mode: paused in its file")


@pytest.mark.parametrize("connection", ["git", "jira"])
def test_a_connection_in_maintenance_is_not_called(connection: str, office: Office) -> None:
    maintained(office, connection, 2)
    office.accept(CREATED)
    office.work()
    office.later(3600)
    assert office.did() == []
    assert state(office)[:2] == ("maintenance", f"{connection} is in maintenance")
    office.later(3601)
    office.later(61)
    assert office.did() == NEW
    assert office.store.tally()["retries"] == 0


@pytest.mark.parametrize(
    "error",
    [
        lambda: Retryable("502", sent=True, status=502),
        lambda: Unauthorized("the login is away", status=401),
    ],
)
def test_what_was_under_way_when_maintenance_began_counts_nothing(error: Any, office: Office) -> None:
    def broke() -> Exception:
        office.clock.move(5_000)
        raised: Exception = error()
        return raised

    maintained(office, "jira", 1, after=5)
    office.jira.breaks("create", broke, times=1)
    office.accept(CREATED)
    office.work()
    (letter,) = office.store.waiting()
    assert (letter.attempts, letter.fields["error"]) == (0, type(error()).__name__)
    connection = office.desk.connections.state("jira")
    assert (connection.kind, connection.failing, office.desk.failing) == ("", 0, set())
    office.later(3600)
    office.later(61)
    assert office.did() == NEW


def test_three_failures_in_maintenance_open_no_breaker(office: Office) -> None:
    office.change(concurrency=8)
    for number in range(4):
        office.accept(event(number, issue=number, title="Broken", state="open"))

    def broke() -> Exception:
        office.clock.move(5_000)
        return Retryable("502", sent=True, status=502)

    maintained(office, "jira", 1, after=5)
    office.jira.breaks("create", broke, times=4)
    office.work()
    assert office.desk.connections.state("jira").kind == ""


def polled(office: Office) -> list[datetime]:
    """Let the source be pollable; returns when it was."""
    seen: list[datetime] = []

    def ask(_site: Any, _source: Any, _cursor: Any, now: datetime) -> Page:
        seen.append(now)
        return Page((), {"since": now.isoformat()})

    def past(_site: Any, _source: Any, _query: Any, _cursor: Any) -> Page:
        seen.append(office.now())
        return Page((), {})

    office.systems["git"] = replace(office.systems["git"], poll=ask, backfill=past)
    return seen


def test_a_source_in_maintenance_is_not_polled(office: Office) -> None:
    seen, one = polled(office), office.config.connectors["bugs"]
    maintained(office, "git", 1)
    assert not due(office.desk, one)
    poll(office.desk, office.inbox, one)
    got = backfill(office.desk, office.inbox, one, {}, told=lambda *_: None, paused=lambda _: None)
    assert "maintenance" in got.problem
    assert seen == []
    office.clock.move(3_600_000)
    assert due(office.desk, one)
    poll(office.desk, office.inbox, one)
    assert seen


def test_a_target_in_maintenance_keeps_no_source_from_being_polled(office: Office) -> None:
    seen = polled(office)
    maintained(office, "jira", 1)
    poll(office.desk, office.inbox, office.config.connectors["bugs"])
    assert seen


def test_where_both_are_in_maintenance_the_longer_one_counts_and_nothing_is_polled(office: Office) -> None:
    maintained(office, "git", 1)
    maintained(office, "jira", 2)
    got = rest_of(office.desk, office.config, office.config.connectors["bugs"])
    assert got is not None
    assert (got.why, got.calls) == ("git is in maintenance and jira is in maintenance", False)
    assert got.until == int((office.now() + 2 * HOUR).timestamp() * 1000)


def test_in_quiet_hours_sources_are_polled(office: Office) -> None:
    quiet_for(office, 2)
    assert may_poll(office.desk, office.config, office.config.connectors["bugs"])


def test_a_poll_that_fails_in_maintenance_opens_no_breaker(office: Office) -> None:
    def ask(*_: Any) -> Page:
        office.clock.move(5_000)
        raise Retryable("502", sent=True, status=502)

    maintained(office, "git", 1, after=5)
    office.systems["git"] = replace(office.systems["git"], poll=ask)
    poll(office.desk, office.inbox, office.config.connectors["bugs"])
    assert office.desk.connections.state("git").failing == 0


def test_a_cron_says_when_a_source_is_polled(office: Office) -> None:
    polled(office)
    start = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)  # a Friday; 09:00 in Berlin
    assert office.now() == start
    office.change(poll_at=Cron("0 9-18 * * mon-fri", "Europe/Berlin"))
    taken = []
    for _ in range(4 * 24 * 12):
        if due(office.desk, office.config.connectors["bugs"]):
            taken.append(f"{office.now():%a %H:%M}")
        office.clock.move(300_000)
    # From Friday 08:00 UTC to Tuesday: ten moments on Friday and on Monday, none between.
    assert taken == [f"{day} {hour:02}:00" for day in ("Fri", "Mon") for hour in range(8, 18)]


def test_a_moment_that_nobody_served_is_served_late_but_not_before_there_was_a_connector(office: Office) -> None:
    polled(office)
    office.clock.move(600_000)  # 08:10 UTC
    office.change(poll_at=Cron("0 8 * * *"))
    one = office.config.connectors["bugs"]
    assert not due(office.desk, one), "it was not there at eight"
    office.clock.move(24 * 3_600_000)
    assert due(office.desk, one), "no worker ran at eight"
    assert not due(office.desk, one)


def test_a_changed_cron_is_followed_at_its_next_moment(office: Office) -> None:
    polled(office)
    office.change(poll_at=Cron("0 8 * * mon"))
    due(office.desk, office.config.connectors["bugs"])
    office.change(poll_at=Cron("*/10 * * * *"))
    office.clock.move(600_000)
    assert due(office.desk, office.config.connectors["bugs"])


def test_who_may_work_rests_not(office: Office) -> None:
    assert rest_of(office.desk, office.config, bugs()) is None
