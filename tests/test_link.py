"""Effects are named for ever, and our mark is found wherever a system put it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.event import Entity, Event, EventId, Kind
from connector.link import Link, Marker, effect_key, overtaken, told

PARTS = st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)


@given(st.lists(PARTS, min_size=4, max_size=4), st.lists(PARTS, min_size=4, max_size=4))
def test_two_effects_have_one_name_only_where_all_their_parts_agree(one: list[str], other: list[str]) -> None:
    assert (effect_key(*one) == effect_key(*other)) == (one == other)


def test_the_name_of_an_effect_never_changes() -> None:
    # Stored in the targets themselves: a new release that named it otherwise would double everything.
    assert effect_key("bugs", "git:issue:1", "create") == "22cf2a502f8127f6865b3f26f4c86ac1"


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_marker_is_found_in_any_text(before: str, after: str) -> None:
    marker = Marker("prod", "git-1", effect_key("u", "e", "a"))
    if "jc1:" in before or after[:1] in set("0123456789abcdef"):
        return
    assert Marker.find(f"{before}{marker}{after}") == marker


def test_what_only_looks_like_a_marker_is_none() -> None:
    whole = str(Marker("prod", "git", effect_key("u", "e", "a")))
    for broken in (whole[:-1], whole + "0", whole.replace("jc1", "jc2"), whole.replace("prod", "PROD"), ""):
        assert Marker.find(broken) is None


def state(second: int, kind: Kind = Kind.ISSUE_UPDATED, zone: str = "+00:00") -> Event:
    at = datetime(2027, 1, 15, 8, 0, tzinfo=UTC) + timedelta(seconds=second)
    text = at.isoformat() if zone == "+00:00" else (at + timedelta(hours=2)).isoformat().replace("+00:00", zone)
    return Event(EventId(str(second)), kind, Entity("git", "issue", "1"), at, {"updated": text})


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_only_a_state_newer_than_all_that_were_told_is_believed_unread(seconds: list[int]) -> None:
    link = Link("git:issue:1", "jira:issue:1")
    for number, second in enumerate(seconds):
        assert overtaken(link, state(second)) == (second <= max(seconds[:number], default=-1))
        link = told(link, state(second))


def test_times_are_compared_across_zones() -> None:
    link = told(Link("git:issue:1", "jira:issue:1"), state(3))
    assert overtaken(link, state(2, zone="+02:00"))
    assert not overtaken(link, state(4, zone="+02:00"))


@pytest.mark.parametrize("kind", [Kind.COMMENT_CREATED, Kind.ISSUE_DELETED])
def test_what_is_no_state_is_never_overtaken_and_tells_none(kind: Kind) -> None:
    link = told(Link("git:issue:1", "jira:issue:1"), state(3))
    assert not overtaken(link, state(1, kind))
    assert told(link, state(9, kind)) is link


def test_without_a_time_nothing_is_overtaken() -> None:
    silent = Event(EventId("1"), Kind.ISSUE_UPDATED, Entity("git", "issue", "1"), datetime(2027, 1, 1, tzinfo=UTC), {})
    assert not overtaken(None, silent)
    assert not overtaken(told(Link("git:issue:1", "jira:issue:1"), state(3)), silent)
