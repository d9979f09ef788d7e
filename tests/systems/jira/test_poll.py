"""A poll sees what webhooks saw, by the same ids, whatever pages, zones, lags and restarts do."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import Rejected, Retryable
from connector.event import Event, Kind
from connector.link import Marker
from connector.sandbox import Answer, Call, Fault
from connector.system import Inbound, Trust
from connector.systems.jira import SYSTEM, jql, poll
from connector.systems.jira.history import comments
from connector.systems.jira.settings import JiraSource
from tests.systems.direct import Bench
from tests.systems.jira.places import Someone, later, place
from tests.systems.jira.test_deliver import created

SOURCE = JiraSource(("WEB",))
FLAVOURS = pytest.mark.parametrize("flavour", ["cloud", "data-center"])


def polled(here: Bench, cursor: Mapping[str, Any], most: int = 200) -> tuple[list[Event], Mapping[str, Any]]:
    events: list[Event] = []
    for _ in range(most):
        page = poll.poll(here.site, SOURCE, json.loads(json.dumps(cursor)), here.clock())
        events += page.events
        cursor = page.cursor
        if not page.more:
            return events, cursor
    raise AssertionError("the poll never ends")


def hooked(here: Bench) -> list[Event]:
    return [
        event
        for hook in here.sandbox.hooks(here.clock())
        for event in SYSTEM.receive("here", here.site.settings, Inbound(hook.headers, hook.body), Trust.SIGNED).events
    ]


def start(here: Bench) -> Mapping[str, Any]:
    return polled(here, {})[1]


# --- the same ids ----------------------------------------------------------------------------------
@FLAVOURS
def test_every_change_between_two_polls_is_its_own_event(flavour: str) -> None:
    here = place(flavour)
    ada, cursor = Someone(here), start(here)
    issue = ada.creates()
    for number in range(3):
        later(here, seconds=1)
        ada.edits(issue, summary=f"Change {number}")
    later(here, minutes=2)
    events, _ = polled(here, cursor)
    told = {event.id for event in hooked(here)}
    assert {event.id for event in events} == told
    assert len(events) == 4
    changed = [event.change for event in events if event.kind is Kind.ISSUE_UPDATED]
    assert [change["title"]["to"] for change in changed] == ["Change 0", "Change 1", "Change 2"]


@FLAVOURS
def test_an_edit_of_an_old_comment_is_seen_in_a_long_discussion(flavour: str) -> None:
    here = place(flavour)
    ada = Someone(here)
    issue = ada.creates()
    told = [ada.comments(issue, f"Comment {number}") for number in range(130)]
    later(here, hours=1)
    cursor = polled(here, {})[1]
    here.sandbox.hooks(here.clock())
    later(here, seconds=30)
    ada.ask("PUT", f"/issue/{issue}/comment/{told[3]}", {"body": "Changed"})
    later(here, minutes=2)
    events, _ = polled(here, cursor)
    assert [event.id for event in events] == list(dict.fromkeys(event.id for event in hooked(here) if event.sub))
    assert events[0].kind is Kind.COMMENT_UPDATED
    # The search may show only some comments; then the issue's own list is read.
    issue_shown = SYSTEM.find(here.site, None, "WEB-1").raw["issue"]
    cut = {**issue_shown["fields"]["comment"], "comments": issue_shown["fields"]["comment"]["comments"][:20]}
    whole = list(comments(here.site, {**issue_shown, "fields": {**issue_shown["fields"], "comment": cut}}))
    assert len(whole) == 130


def test_a_changelog_that_the_search_cuts_is_read_on() -> None:
    here = place("cloud", page=5)
    ada, cursor = Someone(here), start(here)
    issue = ada.creates()
    for number in range(12):
        later(here, seconds=1)
        ada.edits(issue, summary=f"Change {number}")
    later(here, minutes=2)
    events, _ = polled(here, cursor)
    assert len([event for event in events if event.kind is Kind.ISSUE_UPDATED]) == 12


def test_a_moved_issue_is_polled_under_its_new_key() -> None:
    here = place()
    ada, cursor = Someone(here), start(here)
    ada.creates("Moves", project="OPS")
    later(here, seconds=5)
    here.sandbox.move("OPS-1", "WEB", "ada", here.clock())
    later(here, minutes=2)
    events, _ = polled(here, cursor)
    assert {event.entity.key for event in events} == {"WEB-1"}
    assert any(event.change.get("key") == {"from": "OPS-1", "to": "WEB-1"} for event in events)


# --- pages -----------------------------------------------------------------------------------------
@FLAVOURS
def test_many_issues_in_one_minute_are_all_seen(flavour: str) -> None:
    here = place(flavour, page=10)
    ada, cursor = Someone(here), start(here)
    made = {ada.creates(f"Bulk {number}") for number in range(63)}
    later(here, minutes=3)
    events, after = polled(here, cursor)
    assert {event.entity.id for event in events} == made
    assert "sweep" not in after


@FLAVOURS
def test_issues_over_many_minutes_are_all_seen(flavour: str) -> None:
    here = place(flavour, page=10)
    ada, cursor = Someone(here), start(here)
    made = set()
    for number in range(63):
        made.add(ada.creates(f"Issue {number}"))
        later(here, seconds=17)
    events, _ = polled(here, cursor)
    assert {event.entity.id for event in events} == made


@pytest.mark.parametrize("seed", range(6))
@FLAVOURS
def test_changes_between_two_pages_hide_no_issue(flavour: str, seed: int) -> None:
    here = place(flavour, page=7)
    ada, cursor = Someone(here), start(here)
    chance = random.Random(seed)
    made = [ada.creates(f"Issue {number}") for number in range(40)]
    later(here, minutes=3)
    seen: set[str] = set()
    for turn in range(200):
        page = poll.poll(here.site, SOURCE, cursor, here.clock())
        seen |= {event.entity.id for event in page.events}
        cursor = page.cursor
        if not page.more:
            break
        if turn < 30:
            # Somebody changes issues that were already read: they move to the end of the order.
            for _ in range(chance.randrange(4)):
                later(here, milliseconds=300)
                ada.edits(chance.choice(made), summary=f"Turn {turn} {chance.random()}")
    else:
        raise AssertionError("the poll never ends")
    assert seen == set(made)


def test_an_expired_token_begins_its_minute_again() -> None:
    here = place("cloud", page=5)
    ada, cursor = Someone(here), start(here)
    made = {ada.creates(f"Issue {number}") for number in range(12)}
    later(here, minutes=2)
    seen: set[str] = set()
    broken = False
    for _ in range(20):
        page = poll.poll(here.site, SOURCE, cursor, here.clock())
        seen |= {event.entity.id for event in page.events}
        cursor = json.loads(json.dumps(page.cursor))
        if not page.more:
            break
        if "token" in cursor["sweep"]["place"] and not broken:
            cursor["sweep"]["place"]["token"], broken = "expired", True
    assert broken
    assert seen == made


def test_a_deletion_between_two_pages_hides_no_issue_of_data_center() -> None:
    here = place("data-center", page=5)
    ada, cursor = Someone(here), start(here)
    made = [ada.creates(f"Issue {number}") for number in range(23)]
    later(here, minutes=2)
    seen: set[str] = set()
    gone = made[:3]
    for turn in range(40):
        page = poll.poll(here.site, SOURCE, cursor, here.clock())
        seen |= {event.entity.id for event in page.events}
        cursor = page.cursor
        if not page.more:
            break
        if turn == 2:
            # More rows than the one that is read twice: the rest slides to the left by three.
            assert cursor["sweep"]["place"]["start"] == 4
            for issue in gone:
                ada.ask("DELETE", f"/issue/{issue}")
    assert seen >= set(made) - set(gone)


def test_a_deletion_between_two_pages_of_different_minutes_hides_no_issue_of_cloud() -> None:
    here = place("cloud", page=5)
    ada, cursor = Someone(here), start(here)
    made = []
    for number in range(23):
        made.append(ada.creates(f"Issue {number}"))
        later(here, seconds=61)
    seen: set[str] = set()
    for turn in range(60):
        page = poll.poll(here.site, SOURCE, cursor, here.clock())
        seen |= {event.entity.id for event in page.events}
        cursor = page.cursor
        if not page.more:
            break
        if turn == 2:
            for issue in made[:3]:
                ada.ask("DELETE", f"/issue/{issue}")
    assert seen >= set(made[3:])


def test_what_changes_during_a_sweep_is_found_by_the_next_one() -> None:
    here = place("cloud", page=5)
    ada, cursor = Someone(here), start(here)
    made = [ada.creates(f"Issue {number}") for number in range(23)]
    later(here, hours=1)
    cursor = polled(here, cursor)[1]
    for number in range(12, 23):
        ada.edits(made[number], summary="Changed")
    later(here, minutes=1)
    changed: set[str] = set()
    for turn in range(60):
        page = poll.poll(here.site, SOURCE, cursor, here.clock())
        changed |= {event.entity.id for event in page.events if event.change}
        cursor = page.cursor
        if turn == 3:
            # An issue that the pages already read would have held, and a late one that moves the newest time.
            ada.edits(made[0], summary="Changed late")
            later(here, minutes=5)
            ada.edits(made[22], summary="Changed later still")
        if not page.more:
            break
    assert made[0] not in changed
    changed |= {event.entity.id for event in polled(here, cursor)[0] if event.change}
    assert changed == {made[0], *made[12:]}


def test_a_refused_search_without_a_token_is_told() -> None:
    here = place()
    cursor = start(here)
    here.sandbox.faults.on.append(Fault("status", status=400, path=r".*/search/jql"))
    with pytest.raises(Rejected):
        poll.poll(here.site, SOURCE, cursor, here.clock())


def test_a_project_key_is_quoted_as_jql_quotes() -> None:
    assert jql.listed(('A"B', "C\\D")) == '"A\\"B", "C\\\\D"'


def test_a_failure_in_the_middle_leaves_the_cursor_to_repeat_from() -> None:
    here = place("cloud", page=5)
    ada, cursor = Someone(here), start(here)
    made = {ada.creates(f"Issue {number}") for number in range(12)}
    later(here, minutes=2)
    page = poll.poll(here.site, SOURCE, cursor, here.clock())
    here.sandbox.faults.on.append(Fault("drop", path=r".*/search/jql", times=1))
    with pytest.raises(Retryable):
        poll.poll(here.site, SOURCE, page.cursor, here.clock())
    rest, _ = polled(here, page.cursor)
    assert {event.entity.id for event in [*page.events, *rest]} == made


# --- the index lags ----------------------------------------------------------------------------------
@FLAVOURS
def test_what_the_index_showed_late_is_not_missed(flavour: str) -> None:
    here = place(flavour, index_lag=timedelta(seconds=80))
    ada, cursor = Someone(here), start(here)
    seen: set[str] = set()
    made = set()
    for number in range(30):
        made.add(ada.creates(f"Issue {number}"))
        later(here, seconds=23)
        events, cursor = polled(here, cursor)
        seen |= {event.entity.id for event in events}
    later(here, minutes=3)
    seen |= {event.entity.id for event in polled(here, cursor)[0]}
    assert seen == made


@FLAVOURS
def test_what_came_into_the_index_after_newer_things_is_not_missed(flavour: str) -> None:
    here = place(flavour)
    ada, cursor = Someone(here), start(here)
    slow = ada.creates("Slow")
    here.sandbox.search.late[slow] = timedelta(seconds=85)
    later(here, seconds=70)
    fast = ada.creates("Fast")
    events, cursor = polled(here, cursor)
    assert [event.entity.id for event in events] == [fast]
    later(here, seconds=20)
    assert slow in {event.entity.id for event in polled(here, cursor)[0]}


# --- times in JQL --------------------------------------------------------------------------------------
def test_a_time_is_written_in_the_accounts_zone_and_never_later() -> None:
    at = datetime(2026, 11, 24, 9, 0, 59, 999_000, tzinfo=UTC)
    assert jql.literal(at, ZoneInfo("Europe/Berlin")) == "2026-11-24 10:00"
    assert jql.literal(at, ZoneInfo("Asia/Kathmandu")) == "2026-11-24 14:45"
    assert jql.literal(at, None) == "2026-11-23 21:00"


def test_the_hour_that_comes_twice_is_searched_from_before_it() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for at in (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)):
        assert jql.literal(at, berlin) < "2026-10-25 02:00"


@settings(max_examples=200)
@given(
    st.integers(1_577_836_800, 1_893_456_000).map(lambda second: datetime.fromtimestamp(second, UTC)),
    st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC", "Asia/Kolkata"]
    ),
)
def test_however_jira_reads_the_time_it_is_not_after_the_cursor(at: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    local = datetime.fromisoformat(jql.literal(at, zone))
    for fold in (0, 1):
        assert local.replace(tzinfo=zone, fold=fold) <= at


@settings(max_examples=200)
@given(
    st.integers(1_577_836_800, 1_893_456_000).map(lambda second: datetime.fromtimestamp(second, UTC)),
    st.sampled_from(["Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin", "America/St_Johns"]),
)
def test_without_a_known_zone_it_is_early_enough_everywhere(at: datetime, name: str) -> None:
    local = datetime.fromisoformat(jql.literal(at, None))
    assert local.replace(tzinfo=ZoneInfo(name)) <= at


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles", "Europe/Berlin"])
def test_a_poll_finds_changes_in_any_zone(zone: str) -> None:
    here = place("cloud", zone=zone)
    cursor = start(here)
    made = Someone(here).creates()
    later(here, minutes=1)
    assert [event.entity.id for event in polled(here, cursor)[0]] == [made]


def test_the_clocks_going_back_hide_nothing() -> None:
    here = place("cloud", zone="Europe/Berlin")
    here.clock.at = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    ada, cursor = Someone(here), start(here)
    seen, made = set(), set()
    for number in range(16):
        made.add(ada.creates(f"Issue {number}"))
        later(here, minutes=11)
        events, cursor = polled(here, cursor)
        seen |= {event.entity.id for event in events}
    assert seen == made


# --- backfill --------------------------------------------------------------------------------------------
def backfilled(here: Bench, query: Mapping[str, Any]) -> list[Event]:
    events: list[Event] = []
    cursor: Mapping[str, Any] = {}
    for _ in range(50):
        page = poll.backfill(here.site, SOURCE, query, json.loads(json.dumps(cursor)))
        events += page.events
        cursor = page.cursor
        if not page.more:
            return events
    raise AssertionError("the backfill never ends")


@FLAVOURS
def test_the_past_is_read_whole_with_its_comments(flavour: str) -> None:
    here = place(flavour, page=4)
    ada = Someone(here)
    made = [ada.creates(f"Issue {number}") for number in range(10)]
    ada.comments(made[0], "First")
    later(here, hours=5)
    ada.creates("Elsewhere", project="OPS")
    events = backfilled(here, {"since": "2026-11-24T00:00:00+00:00"})
    assert list(dict.fromkeys(event.entity.id for event in events if event.kind.is_state)) == made
    assert [event.data["comment"]["id"] for event in events if event.sub]
    assert {event.origin for event in events} == {"backfill"}


def test_the_comments_of_the_past_are_read_with_one_call_a_page() -> None:
    here = place("cloud")
    ada = Someone(here)
    made = [ada.creates(f"Issue {number}") for number in range(5)]
    for number in made:
        for text in ("First", "Second"):
            ada.comments(number, text)
    secret = ada.comments(made[0], "Secret", visibility={"type": "role", "value": "Administrators"})
    here.sandbox.site.issues[made[1]].comments["20003"].properties["sd.public.comment"] = {"internal": True}
    later(here, hours=5)
    here.transport.sent.clear()
    told = [event for event in backfilled(here, {"since": "2026-11-24T00:00:00+00:00"}) if event.sub]
    assert [one.method for one in here.transport.sent if "comment" in one.path] == ["POST"]
    assert len(told) == 11
    for event in told:
        assert not event.partial
        alone = SYSTEM.complete(here.site, event)
        assert alone is not None
        assert (event.data, event.marker, event.actor) == (alone.data, alone.marker, alone.actor)
    seen = {event.sub: event.data["comment"]["visibility"] for event in told}
    assert (seen[secret], seen["20003"], seen["20001"]) == ("restricted", "internal", "public")


def test_comments_that_cannot_be_listed_are_read_later() -> None:
    here = place("cloud")
    ada = Someone(here)
    ada.comments(ada.creates("Issue"), "First")
    later(here, hours=5)
    here.sandbox.faults.on.append(Fault("status", path=r".*/comment/list", status=403))
    told = [event for event in backfilled(here, {"since": "2026-11-24T00:00:00+00:00"}) if event.sub]
    assert [event.partial for event in told] == [True]


@FLAVOURS
def test_a_search_tells_whether_an_issue_is_ours_as_far_as_it_can(flavour: str) -> None:
    here = place(flavour)
    cursor = start(here)
    ours, theirs = created(here, "ours").entity.id, Someone(here).creates("theirs")
    later(here, minutes=3)
    found = {event.entity.id: event for event in polled(here, cursor)[0] if event.kind is Kind.ISSUE_CREATED}
    past = {event.entity.id: event for event in backfilled(here, {"since": "2026-11-24T00:00:00+00:00"})}
    for told in (found, past):
        if flavour == "cloud":
            assert Marker.find(told[ours].marker)
            assert not told[theirs].marker
        # The first of a server carries its mark in the text as well.
        assert SYSTEM.tells_mark(told[ours])
        assert SYSTEM.tells_mark(told[theirs]) is (flavour == "cloud")


def test_a_webhook_does_not_tell_whether_an_issue_is_ours() -> None:
    here = place("cloud")
    created(here, "ours")
    assert not any(SYSTEM.tells_mark(event) for event in hooked(here))


@FLAVOURS
def test_a_polled_comment_is_read_alone(flavour: str) -> None:
    here = place(flavour)
    ada, cursor = Someone(here), start(here)
    ada.comments(ada.creates("Issue"), "First")
    later(here, minutes=3)
    (event,) = [event for event in polled(here, cursor)[0] if event.kind is Kind.COMMENT_CREATED]
    here.transport.sent.clear()
    full = SYSTEM.complete(here.site, event)
    assert full is not None
    assert [one.path.rpartition("/issue/")[2] for one in here.transport.sent] == [
        f"{event.entity.id}/comment/{event.sub}"
    ]


def test_a_backfill_stays_in_the_sources_projects_whatever_the_query_says() -> None:
    here = place()
    ada = Someone(here)
    ada.creates("One", labels=["x"])
    ada.creates("Two")
    ada.creates("Elsewhere", project="OPS", labels=["x"])
    events = backfilled(here, {"jql": 'labels = x OR project = OPS ORDER BY "rank"'})
    assert [event.data["title"] for event in events] == ["One"]


def test_a_backfill_needs_a_zone() -> None:
    with pytest.raises(Rejected):
        backfilled(place(), {"since": "2026-11-24T00:00:00"})


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("a = 1 ORDER BY b", "a = 1"),
        ("a = 1 order  by b DESC", "a = 1"),
        ('a = "order by x"', 'a = "order by x"'),
        ("a = 'it\\'s order by' order by x", "a = 'it\\'s order by'"),
        ("border by = 1", "border by = 1"),
        ("ORDER BY x", ""),
    ],
)
def test_only_a_real_order_is_dropped(query: str, kept: str) -> None:
    assert jql.without_order(query) == kept


def test_a_site_that_does_not_tell_a_zone_is_polled_too() -> None:
    here = place()
    inner = here.sandbox

    class Reticent:
        """A Server that keeps the zone of its users to itself."""

        ledger, faults = inner.ledger, inner.faults

        def __call__(self, call: Call, now: datetime) -> Answer:
            answer: Answer = inner(call, now)
            if not call.path.endswith("/myself"):
                return answer
            return Answer.of(200, {k: v for k, v in json.loads(answer.body).items() if k != "timeZone"})

    here.transport.sandbox = Reticent()  # type: ignore[assignment]
    cursor = start(here)
    made = Someone(here).creates()
    later(here, minutes=1)
    assert [event.entity.id for event in polled(here, cursor)[0]] == [made]
