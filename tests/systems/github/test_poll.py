"""Polling brings what webhooks would have brought, skips nothing and asks for no more than it must."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import Forbidden, Rejected
from connector.event import Event, Kind
from connector.sandbox import Answer, Call
from connector.systems.github import SYSTEM
from connector.systems.github.poll import backfill, poll
from connector.systems.github.settings import Source
from tests.systems.direct import Bench
from tests.systems.github.scene import FROM, act, hooked, later, scene

BOTH = Source(("acme/web", "acme/api"))


def polled(here: Bench, cursor: Mapping[str, Any], source: Source = FROM) -> tuple[list[Event], Mapping[str, Any]]:
    events: list[Event] = []
    for _ in range(50):
        page = poll(here.site, source, cursor, here.clock())
        events.extend(page.events)
        cursor = page.cursor
        if not page.more:
            return events, cursor
    raise AssertionError("the poll never ends")


def started(source: Source = FROM, **options: Any) -> tuple[Bench, Mapping[str, Any]]:
    here = scene(**options)
    _, cursor = polled(here, {}, source)
    return here, cursor


def test_a_new_cursor_asks_for_nothing_and_starts_now() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/issues", {"title": "before"})
    later(here)
    events, cursor = polled(here, {})
    assert events == []
    assert here.transport.sent == []
    events, _ = polled(here, cursor)
    assert events == [], "what happened before the activation is not news"


def test_what_happens_in_the_second_of_the_start_is_seen() -> None:
    here = scene()
    here.clock.move(timedelta(milliseconds=300))
    _, cursor = polled(here, {})
    here.clock.move(timedelta(milliseconds=300))
    act(here, "POST", "/repos/acme/web/issues", {"title": "at once"})
    events, _ = polled(here, cursor)
    assert [e.kind for e in events] == [Kind.ISSUE_CREATED]


def test_each_state_that_was_seen_has_the_id_of_its_webhook() -> None:
    here, cursor = started()
    repo = "/repos/acme/web"
    act(here, "POST", f"{repo}/issues", {"title": "One", "labels": ["bug"], "assignees": ["bob"], "milestone": 1})
    later(here)
    act(here, "PATCH", f"{repo}/issues/1", {"title": "Two", "body": "more"})
    act(here, "POST", f"{repo}/pulls", {"title": "Fix", "head": "fix", "base": "main", "draft": True})
    act(here, "POST", f"{repo}/pulls", {"title": "Try", "head": "try", "base": "main"})
    later(here)
    act(here, "PATCH", f"{repo}/pulls/2", {"title": "Fixes", "labels": ["bug"]})
    act(here, "PATCH", f"{repo}/pulls/3", {"state": "closed"})
    later(here)
    act(here, "PUT", f"{repo}/pulls/2/merge", {})
    said = act(here, "POST", f"{repo}/issues/1/comments", {"body": "a"})
    later(here)
    act(here, "PATCH", f"{repo}/issues/comments/{said['id']}", {"body": "b"})
    told = {e.id: e for e in hooked(here)}
    events, _ = polled(here, cursor)
    unknown = [e for e in events if e.id not in told]
    # The one state that no webhook told: the issue whose `updated_at` the comments moved.
    assert [(e.kind, e.entity.key) for e in unknown] == [(Kind.ISSUE_UPDATED, "acme/web#1")]
    kinds = [Kind.ISSUE_CREATED, Kind.PULL_REQUEST_CREATED, Kind.PULL_REQUEST_MERGED, Kind.PULL_REQUEST_CLOSED]
    kinds += [Kind.COMMENT_CREATED, Kind.COMMENT_UPDATED]
    assert set(kinds) <= {e.kind for e in events}
    for event in events:
        if event.id in told:
            assert event.entity == told[event.id].entity


def test_a_polled_update_has_the_id_of_the_webhook_that_told_it() -> None:
    here, cursor = started()
    act(here, "POST", "/repos/acme/web/issues", {"title": "One"})
    later(here)
    act(
        here, "PATCH", "/repos/acme/web/issues/1", {"labels": ["bug"], "state": "closed", "state_reason": "not_planned"}
    )
    updates = {e.id for e in hooked(here) if e.kind is Kind.ISSUE_UPDATED}
    events, _ = polled(here, cursor)
    assert {e.id for e in events if e.kind is Kind.ISSUE_UPDATED} <= updates


def test_an_unchanged_listing_costs_no_quota() -> None:
    here, cursor = started()
    act(here, "POST", "/repos/acme/web/issues", {"title": "One"})
    for _ in range(3):
        _, cursor = polled(here, cursor)
    sent, used = len(here.transport.sent), here.sandbox.quotas["acme-bot"].used
    events, after = polled(here, cursor)
    assert events == []
    assert after == cursor
    assert len(here.transport.sent) == sent + 2
    assert here.sandbox.quotas["acme-bot"].used == used
    later(here)
    act(here, "PATCH", "/repos/acme/web/issues/1", {"title": "Two"})
    events, _ = polled(here, cursor)
    assert Kind.ISSUE_UPDATED in {e.kind for e in events}
    assert {e.data["title"] for e in events} == {"Two"}


class Meddler:
    """A sandbox in which somebody touches the oldest issue whenever a page has been read."""

    def __init__(self, here: Bench) -> None:
        self.here, self.inner = here, here.sandbox
        self.touched: list[int] = []
        self.left = 3

    def __call__(self, call: Call, now: datetime) -> Answer:
        answer: Answer = self.inner(call, now)
        if call.path == "/repos/acme/web/issues" and call.method == "GET" and self.left:
            self.left -= 1
            issues = self.inner.world.repository("acme/web").issues
            oldest = min(issues.values(), key=lambda one: (one.updated, one.number))
            self.here.clock.move(timedelta(seconds=1))
            self.touched.append(oldest.number)
            act(self.here, "PATCH", f"/repos/acme/web/issues/{oldest.number}", {"title": "touched"})
        return answer


def test_an_item_that_changes_between_two_pages_makes_none_be_skipped() -> None:
    here, cursor = started()
    for number in range(250):
        act(here, "POST", "/repos/acme/web/issues", {"title": str(number)})
        later(here, 2)
    meddler = Meddler(here)
    here.transport.sandbox = meddler  # type: ignore[assignment]
    events, _ = polled(here, cursor)
    assert {e.data["number"] for e in events} == set(range(1, 251))
    assert meddler.touched
    assert {e.data["number"] for e in events if e.data["title"] == "touched"} >= set(meddler.touched[:-1])


def test_more_than_a_page_within_one_second_ends() -> None:
    here, cursor = started()
    later(here, 60)
    for number in range(230):
        act(here, "POST", "/repos/acme/web/issues", {"title": str(number)})
    events, cursor = polled(here, cursor)
    assert len({e.entity.id for e in events}) == 230
    later(here)
    act(here, "PATCH", "/repos/acme/web/issues/7", {"title": "seven"})
    events, _ = polled(here, cursor)
    assert "seven" in {e.data["title"] for e in events}


def test_an_etag_does_not_hide_what_comes_after_a_full_page() -> None:
    here, cursor = started()
    for number in range(100):
        act(here, "POST", "/repos/acme/web/issues", {"title": str(number)})
    for _ in range(3):
        _, cursor = polled(here, cursor)
    later(here, 1)
    act(here, "POST", "/repos/acme/web/issues", {"title": "the next one"})
    events, _ = polled(here, cursor)
    assert "the next one" in {e.data["title"] for e in events}


def test_a_crash_in_the_middle_of_a_walk_repeats_only_that_page() -> None:
    here, cursor = started()
    for number in range(250):
        act(here, "POST", "/repos/acme/web/issues", {"title": str(number)})
        later(here, 2)
    first = poll(here.site, FROM, cursor, here.clock())
    assert first.more
    second = poll(here.site, FROM, first.cursor, here.clock())
    again = poll(here.site, FROM, first.cursor, here.clock())
    assert [e.id for e in second.events] == [e.id for e in again.events]
    rest, _ = polled(here, first.cursor)
    assert len({e.entity.id for e in (*first.events, *rest)}) == 250


def test_a_replica_that_lags_is_asked_again_about_the_last_minutes() -> None:
    here, cursor = started()
    act(here, "POST", "/repos/acme/web/issues", {"title": "seen"})
    hidden = act(here, "POST", "/repos/acme/web/issues", {"title": "late"})
    later(here, 30)
    act(here, "POST", "/repos/acme/web/issues", {"title": "seen too"})
    issues = here.sandbox.world.repository("acme/web").issues
    late = issues.pop(hidden["number"])
    _, cursor = polled(here, cursor)
    issues[late.number] = late
    later(here)
    events, _ = polled(here, cursor)
    assert "late" in {e.data["title"] for e in events}


def test_a_repository_that_refuses_does_not_stop_the_others_and_is_told() -> None:
    here, cursor = started(BOTH)
    here.sandbox.hide("acme/web", "acme-bot")
    act(here, "POST", "/repos/acme/api/issues", {"title": "seen"})
    got: list[Event] = []

    def round_of(cursor: Mapping[str, Any]) -> Mapping[str, Any]:
        for _ in names:
            page = poll(here.site, BOTH, cursor, here.clock())
            got.extend(page.events)
            cursor = page.cursor
            assert page.more, "a refusal must be told"
        with pytest.raises(Forbidden) as caught:
            poll(here.site, BOTH, cursor, here.clock())
        assert caught.value.where == "acme/web"
        return cursor

    names = [f"{repository} {stream}" for repository in BOTH.repositories for stream in ("issues", "comments")]
    cursor = round_of(cursor)
    assert [e.entity.scope for e in got] == ["acme/api"]
    here.clock.move(timedelta(minutes=5))
    act(here, "POST", "/repos/acme/api/issues", {"title": "later"})
    round_of(cursor)
    assert "later" in {e.data["title"] for e in got}, "the next round reads the others again"


def test_the_only_repository_that_refuses_is_told_at_once() -> None:
    here, cursor = started()
    here.sandbox.hide("acme/web", "acme-bot")
    with pytest.raises(Forbidden):
        poll(here.site, FROM, cursor, here.clock())


def test_a_repository_added_later_starts_when_it_is_added() -> None:
    here, cursor = started()
    act(here, "POST", "/repos/acme/api/issues", {"title": "before"})
    here.clock.move(timedelta(hours=1))
    events, cursor = polled(here, cursor, BOTH)
    assert events == []
    act(here, "POST", "/repos/acme/api/issues", {"title": "after"})
    events, _ = polled(here, cursor, BOTH)
    assert [e.data["title"] for e in events] == ["after"]


def test_comments_on_an_issue_that_is_gone_are_passed_over() -> None:
    here, cursor = started()
    act(here, "POST", "/repos/acme/web/issues", {"title": "x"})
    act(here, "POST", "/repos/acme/web/issues/1/comments", {"body": "x"})
    issue = here.sandbox.world.repository("acme/web").issues[1]

    def vanish(call: Call, now: datetime) -> Answer:
        answer: Answer = inner(call, now)
        if call.path == "/repos/acme/web/issues/comments" and issue.number in inner.world.repository("acme/web").issues:
            here.sandbox.delete_issue("acme/web", 1, "alice", now)
        return answer

    inner = here.sandbox
    here.transport.sandbox = vanish  # type: ignore[assignment]
    events, _ = polled(here, cursor)
    assert Kind.COMMENT_CREATED not in {e.kind for e in events}


def test_a_renamed_repository_is_still_polled_under_its_new_name() -> None:
    here, cursor = started()
    here.sandbox.rename("acme/web", "site")
    act(here, "POST", "/repos/acme/site/issues", {"title": "x"})
    events, _ = polled(here, cursor)
    assert [e.entity.key for e in events] == ["acme/site#1"]


# --- the past ----------------------------------------------------------------------------------
def test_the_past_is_read_with_its_comments() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/issues", {"title": "ancient"})
    here.clock.move(timedelta(days=30))
    since = here.clock()
    for number in range(150):
        act(here, "POST", "/repos/acme/web/issues", {"title": str(number)})
        later(here, 2)
    act(here, "POST", "/repos/acme/web/issues/5/comments", {"body": "hm"})
    act(here, "POST", "/repos/acme/web/pulls", {"title": "x", "head": "h", "base": "main"})
    act(here, "PUT", "/repos/acme/web/pulls/152/merge", {})
    events: list[Event] = []
    cursor: Mapping[str, Any] = {}
    for _ in range(20):
        page = backfill(here.site, FROM, {"since": since.isoformat()}, cursor)
        events.extend(page.events)
        cursor = page.cursor
        if not page.more:
            break
    assert {e.data["number"] for e in events} == set(range(2, 153))
    assert {e.origin for e in events} == {"backfill"}
    assert {e.kind for e in events} == {Kind.ISSUE_UPDATED, Kind.COMMENT_CREATED, Kind.PULL_REQUEST_MERGED}
    assert backfill(here.site, FROM, {"since": since.isoformat()}, cursor).more is False


def test_the_past_cannot_be_asked_for_in_jql() -> None:
    with pytest.raises(Rejected):
        backfill(scene().site, FROM, {"jql": "project = WEB"}, {})


# --- the law -----------------------------------------------------------------------------------
_STEPS = st.lists(
    st.tuples(st.sampled_from(["open", "title", "label", "close", "comment", "poll"]), st.integers(0, 200)), max_size=25
)


@settings(max_examples=60)
@given(steps=_STEPS)
def test_every_state_at_rest_is_polled_whatever_happened(steps: list[tuple[str, int]]) -> None:
    here, cursor = started()
    seen: dict[int, Event] = {}
    comments: set[str] = set()
    said = 0

    def look(cursor: Mapping[str, Any]) -> Mapping[str, Any]:
        events, cursor = polled(here, cursor)
        for event in events:
            if event.kind.is_state:
                seen[event.data["number"]] = event
            else:
                comments.add(event.sub)
        return cursor

    issues = here.sandbox.world.repository("acme/web").issues
    for number, (step, wait) in enumerate(steps):
        here.clock.move(timedelta(seconds=wait, milliseconds=250))
        one = max(issues, default=0)
        match step:
            case "open":
                act(here, "POST", "/repos/acme/web/issues", {"title": str(number)})
            case "poll":
                cursor = look(cursor)
            case _ if not one:
                continue
            case "title":
                act(here, "PATCH", f"/repos/acme/web/issues/{one}", {"title": f"t{number}"})
            case "label":
                act(here, "POST", f"/repos/acme/web/issues/{one}/labels", {"labels": [f"l{number}"]})
            case "close":
                act(here, "PATCH", f"/repos/acme/web/issues/{one}", {"state": "closed"})
            case "comment":
                act(here, "POST", f"/repos/acme/web/issues/{one}/comments", {"body": "x"})
                said += 1
    later(here)
    look(cursor)
    assert set(seen) == set(issues)
    for number, issue in issues.items():
        assert seen[number].data["title"] == issue.title
        assert seen[number].data["state"] == issue.state
        assert seen[number].data["labels"] == sorted(label.name for label in issue.labels.values())
    assert len(comments) == said


# --- reading again -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "acme/web#1",
        "#1",
        "1",
        "https://github.com/acme/web/issues/1",
        "https://ghe.example/Acme/Web/issues/1#issuecomment-5",
    ],
)
def test_an_item_is_found_by_what_people_call_it(text: str) -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/issues", {"title": "x"})
    event = SYSTEM.find(here.site, FROM, text)
    assert event.entity.key == "acme/web#1"
    assert event.kind is Kind.ISSUE_UPDATED


def test_a_pull_request_is_found_with_all_it_has() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/pulls", {"title": "x", "head": "h", "base": "main"})
    assert SYSTEM.find(here.site, None, "https://github.com/acme/web/pull/1").data["branch"] == "h"


@pytest.mark.parametrize("text", ["WEB-12", "acme/web", "#1", "acme/..#1", "../x#1", "acme/web#1/../2", "a b/c#1"])
def test_what_names_nothing_is_rejected_before_a_path_is_built_of_it(text: str) -> None:
    here = scene()
    with pytest.raises(Rejected):
        SYSTEM.find(here.site, BOTH, text)
    assert here.transport.sent == []


def test_what_is_gone_is_rejected_and_what_may_not_be_seen_is_forbidden() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/issues", {"title": "x"})
    here.sandbox.delete_issue("acme/web", 1, "alice", here.clock())
    with pytest.raises(Rejected):
        SYSTEM.find(here.site, FROM, "#1")
    with pytest.raises(Rejected):
        SYSTEM.find(here.site, FROM, "#77")
    here.sandbox.hide("acme/web", "acme-bot")
    with pytest.raises(Forbidden):
        SYSTEM.find(here.site, FROM, "#77")


def test_an_event_of_what_is_gone_completes_to_nothing() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/issues", {"title": "x"})
    said = act(here, "POST", "/repos/acme/web/issues/1/comments", {"body": "x"})
    opened, commented = hooked(here)
    act(here, "DELETE", f"/repos/acme/web/issues/comments/{said['id']}")
    assert SYSTEM.complete(here.site, commented) is None
    assert SYSTEM.complete(here.site, opened) is not None
    here.sandbox.delete_issue("acme/web", 1, "alice", here.clock())
    assert SYSTEM.complete(here.site, opened) is None
    deleted = hooked(here)[-1]
    assert SYSTEM.complete(here.site, deleted) == deleted


def test_a_transferred_issue_completes_to_nothing_because_its_id_is_another() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/issues", {"title": "x"})
    (opened,) = hooked(here)
    here.sandbox.transfer_issue("acme/web", 1, "acme/api", "alice", here.clock())
    assert SYSTEM.complete(here.site, opened) is None


def test_an_issue_that_may_not_be_seen_any_more_is_not_taken_for_deleted() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/issues", {"title": "x"})
    (opened,) = hooked(here)
    here.sandbox.hide("acme/web", "acme-bot")
    with pytest.raises(Forbidden):
        SYSTEM.complete(here.site, opened)


def test_times_are_asked_for_in_utc() -> None:
    here, cursor = started()
    polled(here, cursor)
    since = str(here.transport.sent[0].query["since"])
    assert since.endswith("Z")
    assert datetime.fromisoformat(since).astimezone(UTC) <= here.clock()
