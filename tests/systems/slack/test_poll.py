"""A poll tells of everything that was said, in threads too, with the ids that webhooks give."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import Forbidden, Rejected
from connector.event import Event, Kind
from connector.systems.slack import SYSTEM
from connector.systems.slack.poll import OVERLAP
from connector.systems.slack.sandbox import SCOPES
from connector.systems.slack.settings import Source
from tests.systems.direct import Bench
from tests.systems.slack.bodies import received
from tests.systems.slack.scene import ALERTS, BEN, FROM, GENERAL, call, say, scene, started

BOTH = Source((GENERAL, ALERTS))


def polled(here: Bench, cursor: Mapping[str, Any], source: Source = FROM) -> tuple[list[Event], Mapping[str, Any]]:
    assert SYSTEM.poll is not None
    events: list[Event] = []
    for _ in range(100):
        page = SYSTEM.poll(here.site, source, cursor, here.clock())
        events += page.events
        cursor = page.cursor
        if not page.more:
            return events, cursor
    raise AssertionError("the poll never ends")


def begun(here: Bench, source: Source = FROM) -> Mapping[str, Any]:
    events, cursor = polled(here, {}, source)
    assert events == []
    here.clock.move(timedelta(minutes=1))
    return cursor


def words(events: list[Event]) -> list[str]:
    return [e.data["comment"]["body"]["content"] for e in events if e.kind is Kind.MESSAGE_CREATED]


def test_the_past_is_not_polled() -> None:
    here = scene()
    say(here, "before")
    here.clock.move(OVERLAP * 2)
    cursor = begun(here)
    say(here, "after")
    assert words(polled(here, cursor)[0]) == ["after"]


def test_what_is_said_right_after_the_start_is_seen_though_our_clock_runs_ahead() -> None:
    here = scene()
    assert SYSTEM.poll is not None
    cursor = SYSTEM.poll(here.site, FROM, {}, here.clock() + OVERLAP / 2).cursor
    say(here, "early")
    assert words(polled(here, cursor)[0]) == ["early"]


def test_messages_come_in_the_order_they_were_said() -> None:
    here = scene()
    cursor = begun(here, BOTH)
    for number in range(5):
        say(here, str(number), (GENERAL, ALERTS)[number % 2])
    events, _ = polled(here, cursor, BOTH)
    assert words(events) == ["0", "2", "4", "1", "3"], "in order within a channel"


def test_more_pages_than_one_lose_nothing() -> None:
    here = scene()
    cursor = begun(here)
    for number in range(450):
        say(here, str(number))
    events, after = polled(here, cursor)
    assert sorted(words(events), key=int) == [str(n) for n in range(450)]
    here.clock.move(OVERLAP * 2)
    assert "scan" not in after


def test_a_crash_between_two_pages_repeats_but_skips_nothing() -> None:
    here = scene()
    cursor = begun(here)
    for number in range(250):
        say(here, str(number))
    assert SYSTEM.poll is not None
    first = SYSTEM.poll(here.site, FROM, cursor, here.clock())
    assert first.more
    say(here, "meanwhile")
    rest, after = polled(here, first.cursor)
    again, _ = polled(here, after)
    assert set(words([*first.events, *rest, *again])) >= {*map(str, range(250)), "meanwhile"}


def test_a_worn_out_page_token_begins_the_channel_anew() -> None:
    here = scene()
    cursor = begun(here)
    for number in range(250):
        say(here, str(number))
    assert SYSTEM.poll is not None
    page = SYSTEM.poll(here.site, FROM, cursor, here.clock())
    stale = {**page.cursor, "scan": {**page.cursor["scan"], "page": "d29ybiBvdXQ="}}
    events, _ = polled(here, stale)
    assert {str(n) for n in range(250)} <= set(words(events))


def test_replies_in_a_thread_that_began_before_are_seen() -> None:
    here = scene()
    root = say(here, "old")
    here.clock.move(timedelta(hours=5))
    cursor = begun(here)
    say(here, "new reply", token=BEN, thread_ts=root)
    events, _ = polled(here, cursor)
    assert words(events) == ["new reply"]
    assert events[0].entity.id == f"{GENERAL}/{root}"


def test_a_thread_without_new_replies_costs_no_call() -> None:
    here = scene()
    root = say(here, "old")
    say(here, "old reply", thread_ts=root)
    here.clock.move(timedelta(hours=5))
    cursor = begun(here)
    assert polled(here, cursor)[0] == []
    assert "/conversations.replies" not in {request.path for request in here.transport.sent}


def test_a_thread_older_than_the_source_says_is_the_blind_spot() -> None:
    here = scene()
    root = say(here, "old")
    here.clock.move(timedelta(hours=25))
    cursor = begun(here)
    say(here, "unseen", thread_ts=root)
    assert polled(here, cursor)[0] == []
    assert words(polled(here, cursor, Source((GENERAL,), threads=timedelta(hours=48)))[0]) == ["unseen"]


def test_an_edit_of_an_older_first_message_is_seen() -> None:
    here = scene()
    root = say(here, "old")
    here.clock.move(timedelta(hours=5))
    cursor = begun(here)
    call(here, "chat.update", channel=GENERAL, ts=root, text="edited")
    events, _ = polled(here, cursor)
    assert [e.kind for e in events] == [Kind.MESSAGE_UPDATED]
    assert events[0].data["body"]["content"] == "edited"


def test_a_thread_is_told_whole_and_in_order_though_its_first_message_was_edited_last() -> None:
    here = scene()
    cursor = begun(here)
    root = say(here, "root")
    say(here, "reply", thread_ts=root)
    call(here, "chat.update", channel=GENERAL, ts=root, text="edited")
    here.clock.move(timedelta(seconds=1))
    say(here, "another", thread_ts=root)
    kinds = [(e.kind.partition(".")[2], e.sub == root) for e in polled(here, cursor)[0]]
    assert kinds == [("created", True), ("created", False), ("updated", True), ("created", False)]


def test_a_round_comes_to_its_end_though_only_one_call_at_a_time_is_let_through() -> None:
    here = scene()
    cursor = begun(here)
    roots = [say(here, f"root {number}") for number in range(30)]
    for root in roots:
        say(here, "reply", thread_ts=root)
    assert SYSTEM.poll is not None
    told: list[Event] = []
    for _turn in range(200):
        before = len(here.transport.sent)
        page = SYSTEM.poll(here.site, FROM, cursor, here.clock())
        assert len(here.transport.sent) - before <= 1
        told += page.events
        cursor = page.cursor
        if not page.more:
            break
    assert len(words(told)) == 60
    assert "scan" not in cursor


def test_a_thread_that_went_away_during_the_round_is_passed_over() -> None:
    here = scene()
    cursor = begun(here)
    root = say(here, "root")
    under = say(here, "reply", thread_ts=root)
    assert SYSTEM.poll is not None
    page = SYSTEM.poll(here.site, FROM, cursor, here.clock())
    for own in (under, root):
        call(here, "chat.delete", channel=GENERAL, ts=own)
    events, cursor = polled(here, page.cursor)
    assert events == []
    assert "scan" not in cursor


def test_notices_and_tombstones_are_nobodys_words() -> None:
    here = scene()
    cursor = begun(here)
    here.sandbox.space.channels[GENERAL].members.remove("U0000001")
    call(here, "conversations.join", channel=GENERAL)
    root = say(here, "to be deleted")
    say(here, "a reply", token=BEN, thread_ts=root)
    call(here, "chat.delete", channel=GENERAL, ts=root)
    assert words(polled(here, cursor)[0]) == ["a reply"]


def test_an_empty_round_keeps_the_cursor_and_soon_repeats_nothing() -> None:
    here = scene()
    cursor = begun(here, BOTH)
    say(here, "one")
    _, cursor = polled(here, cursor, BOTH)
    say(here, "two", ALERTS)
    _, cursor = polled(here, cursor, BOTH)
    here.clock.move(timedelta(hours=1))
    _, again = polled(here, cursor, BOTH)
    assert again == cursor


def test_a_channel_added_later_starts_now_and_one_taken_off_is_forgotten() -> None:
    here = scene()
    say(here, "long ago", ALERTS)
    here.clock.move(OVERLAP * 2)
    cursor = begun(here)
    events, cursor = polled(here, cursor, BOTH)
    assert events == []
    assert set(cursor["since"]) == {GENERAL, ALERTS}
    _, cursor = polled(here, {**cursor, "scan": {"channel": ALERTS}}, FROM)
    assert set(cursor["since"]) == {GENERAL}


def test_our_own_messages_come_back_with_our_marker() -> None:
    here = scene()
    cursor = begun(here, BOTH)
    started(here)
    events, _ = polled(here, cursor, BOTH)
    assert [e.marker for e in events] == [here.sandbox.ledger.effects[0].marker]


def test_a_cursor_of_another_version_is_refused() -> None:
    here = scene()
    with pytest.raises(Rejected) as caught:
        polled(here, {"version": 2, "since": {}})
    assert caught.value.cause == "cursor"


def test_a_missing_scope_says_which() -> None:
    here = scene(SCOPES - {"channels:history"})
    with pytest.raises(Forbidden, match="channels:history") as caught:
        polled(here, begun(here))
    assert caught.value.where == GENERAL


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "reply", "edit", "poll", "wait"]), st.integers(0, 9), st.sampled_from([GENERAL, ALERTS])
    ),
    max_size=30,
)


@given(STEPS)
@settings(max_examples=60)
def test_whatever_people_do_polling_tells_every_creation_that_webhooks_told(steps: list[tuple[str, int, str]]) -> None:
    here = scene()
    cursor = begun(here, BOTH)
    told: set[str] = set()
    latest: dict[tuple[str, str], str] = {}
    for verb, number, channel in steps:
        roots = here.sandbox.space.channels[channel].order
        root = roots[number % len(roots)] if roots else ""
        match verb:
            case "poll":
                events, cursor = polled(here, cursor, BOTH)
                told |= {e.id for e in events}
            case "wait":
                here.clock.move(timedelta(minutes=number))
            case "say":
                say(here, "root", channel)
            case "reply" if root:
                say(here, "reply", channel, thread_ts=root)
            case "edit" if root:
                call(here, "chat.update", channel=channel, ts=root, text=f"edit {number}")
                here.clock.move(timedelta(seconds=1))
    events, _ = polled(here, cursor, BOTH)
    told |= {e.id for e in events}
    for hook in here.sandbox.hooks(here.clock()):
        for event in received(hook.body, connection="here").events:
            latest[event.sub, event.kind] = event.id
    assert set(latest.values()) <= told


# --- the past -------------------------------------------------------------------------------------
def test_a_backfill_brings_the_past_with_its_threads_once() -> None:
    here = scene()
    since = here.clock()
    root = say(here, "first")
    say(here, "under it", thread_ts=root)
    say(here, "elsewhere", ALERTS)
    for number in range(220):
        say(here, str(number))
    assert SYSTEM.backfill is not None
    events: list[Event] = []
    cursor: Mapping[str, Any] = {}
    while True:
        page = SYSTEM.backfill(here.site, BOTH, {"since": since.isoformat()}, cursor)
        events += page.events
        cursor = page.cursor
        if not page.more:
            break
    assert len(events) == len({e.id for e in events}) == 223
    assert {e.origin for e in events} == {"backfill"}


@pytest.mark.parametrize("query", [{}, {"since": "yesterday"}, {"since": "2026-01-01"}, {"jql": "project = X"}])
def test_a_backfill_needs_a_time(query: Mapping[str, Any]) -> None:
    assert SYSTEM.backfill is not None
    with pytest.raises(Rejected):
        SYSTEM.backfill(scene().site, FROM, query, {})
