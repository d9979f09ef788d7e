"""A poll brings what no webhook brought, keeps its place, and goes quietly when it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from connector.errors import ConnectorError, RateLimited, Retryable, Scope, Unauthorized
from connector.event import Kind
from connector.ports import Site
from connector.system import Page
from tests.workers.office import Office, bugs, event
from workers.poller import PAGES, Polled, backfill, due, poll


class Pages:
    """A source with numbered issues, two a page; ``fails`` are raised, one a call."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.fails: list[ConnectorError] = []

    def __call__(self, _site: Site, _source: Any, cursor: Mapping[str, Any], *_: Any) -> Page:
        if self.fails:
            raise self.fails.pop(0)
        start = int(cursor.get("n", 0))
        end = min(self.count, start + 2)
        events = tuple(event(1, Kind.ISSUE_CREATED, issue=n, title=f"T{n}") for n in range(start, end))
        return Page(events, {"n": end}, more=end < self.count)


@pytest.fixture
def pages(office: Office) -> Pages:
    made = Pages(6)

    def past(site: Site, source: Any, _query: Mapping[str, Any], cursor: Mapping[str, Any]) -> Page:
        return made(site, source, cursor)

    office.systems["git"] = replace(office.systems["git"], poll=made, backfill=past)
    return made


def ask(office: Office) -> Polled:
    return poll(office.desk, office.inbox, office.config.connectors["bugs"])


def test_a_poll_reads_on_from_where_it_stopped(office: Office, pages: Pages) -> None:
    assert ask(office) == Polled(6, 6)
    assert office.store.cursor("poll") == {"n": 6}
    pages.count = 7
    assert ask(office) == Polled(1, 1)
    office.work()
    assert office.store.counts()["delivered"] == 7


def test_a_refused_page_keeps_what_came_before_it(office: Office, pages: Pages) -> None:
    real = pages.__class__.__call__
    calls: list[int] = []

    def second_fails(site: Site, source: Any, cursor: Mapping[str, Any], now: datetime) -> Page:
        calls.append(1)
        if len(calls) == 2:
            raise Retryable("502", sent=False)
        return real(pages, site, source, cursor, now)

    office.systems["git"] = replace(office.systems["git"], poll=second_fails)
    got = ask(office)
    assert (got.accepted, got.problem) == (2, "502")
    assert office.store.cursor("poll") == {"n": 2}
    assert ask(office) == Polled(4, 4)
    assert office.store.counts()["accepted"] == 6


def test_a_repeated_page_adds_nothing(office: Office, pages: Pages) -> None:
    ask(office)
    office.client.hdel(office.store.tag + "cursor", "poll")
    assert ask(office) == Polled(6, 0)


def test_a_long_way_to_catch_up_lets_others_go_first(office: Office, pages: Pages) -> None:
    pages.count = 2 * PAGES + 2
    assert ask(office).more
    assert not ask(office).more
    assert office.store.counts()["accepted"] == pages.count


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unauthorized("401", status=401), "paused"),
        (RateLimited("429", scope=Scope.CONNECTION, retry_after=timedelta(seconds=60)), "limit"),
        (RateLimited("budget", scope=Scope.CONNECTION, status=None), ""),
    ],
)
def test_a_refusal_closes_as_much_as_it_speaks_of(
    office: Office, pages: Pages, error: ConnectorError, kind: str
) -> None:
    pages.fails.append(error)
    assert ask(office).problem
    assert office.desk.connections.state("git").kind == kind
    assert ask(office) == (Polled() if kind else Polled(6, 6))


def test_sources_that_cannot_be_read_open_the_breaker_and_one_that_can_forgets_it(office: Office, pages: Pages) -> None:
    office.declare(*(bugs(name=name) for name in ("bugs", "more", "most")))

    def fails(name: str) -> str:
        pages.fails.append(Retryable("502", sent=False, status=502))
        assert poll(office.desk, office.inbox, office.config.connectors[name]).problem
        return office.desk.connections.state("git").kind

    assert [fails("bugs") for _ in range(4)] == [""] * 4, "one connector alone may have a trouble of its own"
    assert fails("more") == ""
    assert not ask(office).problem
    assert [fails(name) for name in ("bugs", "more", "most")] == ["", "", "breaker"]
    assert ask(office) == Polled()


def test_one_of_many_tickers_polls(office: Office, pages: Pages) -> None:
    connector = office.config.connectors["bugs"]
    assert [due(office.desk, connector) for _ in range(3)] == [True, False, False]
    assert not due(office.desk, replace(connector, poll_every=timedelta(0)))


@pytest.mark.parametrize(("scope", "endpoint"), [(Scope.CONNECTION, ""), (Scope.ENDPOINT, "search")])
def test_a_backfill_comes_by_its_own_lane_and_outlasts_a_limit(
    office: Office, pages: Pages, scope: Scope, endpoint: str
) -> None:
    pages.fails.append(RateLimited("429", scope=scope, retry_after=timedelta(seconds=9), endpoint=endpoint))
    told: list[tuple[int, int]] = []
    waits: list[float] = []
    got = backfill(
        office.desk,
        office.inbox,
        office.config.connectors["bugs"],
        {"since": "2020"},
        told=lambda events, accepted: told.append((events, accepted)),
        paused=waits.append,
    )
    assert got == Polled(6, 6)
    assert (told, waits) == ([(2, 2), (4, 4), (6, 6)], [9.0])
    assert office.store.backlog()["backfill"] == 6
    assert office.store.cursor("poll") == {}


def test_a_system_without_a_past_says_so(office: Office) -> None:
    connector = office.config.connectors["bugs"]
    got = backfill(office.desk, office.inbox, connector, {}, told=lambda *_: None, paused=lambda _: None)
    assert "no way to read the past" in got.problem
    assert ask(office) == Polled()
