"""An event has one name wherever it is seen, and says when and to whom it happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.event import Entity, Event, EventId, Kind, event_id, state_version
from workers.stores.records import pack_event, unpack_event

ENTITY = Entity("git", "issue", "1", "acme/web#1")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
DATA = st.dictionaries(st.text(max_size=10), JSON, max_size=6)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Event(EventId("e"), Kind.OTHER, ENTITY, datetime(2026, 1, 1), {})  # noqa: DTZ001 - what is refused here


def test_a_changed_key_or_address_does_not_rename_an_entity() -> None:
    assert Entity("git", "issue", "1", "moved/web#7", "https://x").ref == ENTITY.ref == "git:issue:1"


@given(DATA)
def test_a_state_is_named_alike_in_any_order_of_its_keys(data: dict[str, object]) -> None:
    turned = dict(reversed(list(data.items())))
    assert state_version("2026", data) == state_version("2026", turned)


def test_two_states_within_one_tick_have_two_names() -> None:
    assert state_version("2026", {"title": "a"}) != state_version("2026", {"title": "b"})


def test_the_parts_of_an_event_name_it() -> None:
    names = {
        event_id(ENTITY, Kind.ISSUE_UPDATED, version="1"),
        event_id(ENTITY, Kind.ISSUE_UPDATED, version="2"),
        event_id(ENTITY, Kind.COMMENT_CREATED, sub="1"),
        event_id(ENTITY, Kind.ISSUE_CREATED),
    }
    assert len(names) == 4


@given(DATA, DATA, st.sampled_from(list(Kind)), st.integers(-12, 12), st.text(max_size=600))
def test_an_event_comes_out_of_its_body_as_it_went_in(
    data: dict[str, object], raw: dict[str, object], kind: Kind, hours: int, long: str
) -> None:
    at = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=hours)))
    event = Event(
        EventId("e"), kind, ENTITY, at, {**data, "body": long}, raw=raw, actor={"id": "1"}, sub="s", partial=True
    )
    assert unpack_event(pack_event(event)) == event


def test_every_kind_is_a_state_or_an_append_or_stands_alone() -> None:
    assert not [kind for kind in Kind if kind.is_state and kind.is_append]
    assert not Kind.ISSUE_DELETED.is_state
    assert Kind.COMMENT_DELETED.is_append


def test_more_vocabulary_is_added_to_a_copy() -> None:
    event = Event(EventId("e"), Kind.OTHER, ENTITY, datetime(2026, 1, 1, tzinfo=UTC), {"title": "a"})
    assert event.with_data(title="b", state="open").data == {"title": "b", "state": "open"}
    assert event.data == {"title": "a"}
