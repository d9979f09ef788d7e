"""Each body of Slack's is read into events, or ignored for a reason that can be told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import Unreadable
from connector.event import Event, Kind
from connector.system import Received
from connector.systems.slack import SYSTEM
from tests.systems.slack.bodies import CHANNEL, MARKER, callback, changed, deleted, message, metadata, received

ROOT, REPLY, EDIT = "1700000000.000100", "1700000100.000200", "1700000400.000300"


def only(body: Any) -> Event:
    got = received(body)
    assert len(got.events) == 1, got
    return got.events[0]


# --- what is read --------------------------------------------------------------------------------
def test_a_message_starts_a_thread_named_by_channel_and_ts() -> None:
    event = only(callback(message("*The site* is down\nsince noon")))
    assert event.kind is Kind.MESSAGE_CREATED
    assert (event.entity.type, event.entity.id) == ("thread", f"{CHANNEL}/{ROOT}")
    assert (event.entity.scope, event.sub) == (CHANNEL, ROOT)
    assert event.at == datetime(2023, 11, 14, 22, 13, 20, 100, tzinfo=UTC)
    assert event.data["title"] == "The site is down"
    assert event.data["body"] == {"format": "mrkdwn", "content": "*The site* is down\nsince noon"}
    assert event.data["reporter"] == {"id": "U061F7AUR", "name": "U061F7AUR"}
    assert event.raw["event_id"] == "Ev1"


def test_a_reply_belongs_to_the_thread_of_its_first_message_and_says_nothing_about_its_title() -> None:
    event = only(callback(message("Looking", REPLY, thread_ts=ROOT)))
    assert event.entity.id == f"{CHANNEL}/{ROOT}"
    assert event.data["comment"]["id"] == REPLY
    assert not {"title", "body", "reporter"} & event.data.keys()
    assert event.partial, "the title is known only after the thread was read"


def test_two_messages_of_one_microsecond_apart_are_two() -> None:
    one, two = only(callback(message(own="1700000000.000001"))), only(callback(message(own="1700000000.000002")))
    assert one.id != two.id


def test_ids_do_not_depend_on_slacks_own_event_id() -> None:
    assert only(callback(message(), event_id="Ev1")).id == only(callback(message(), event_id="Ev2")).id


def test_an_edit_is_an_update_named_by_its_own_ts() -> None:
    new = message("Fixed", edited={"user": "U061F7AUR", "ts": EDIT})
    event = only(callback(changed(new, message("Broken"))))
    assert event.kind is Kind.MESSAGE_UPDATED
    assert event.id.endswith(EDIT)
    assert event.at == datetime(2023, 11, 14, 22, 20, 0, 300, tzinfo=UTC)
    assert event.data["body"]["content"] == "Fixed"


def test_an_edit_of_a_reply_stays_in_its_thread() -> None:
    new = message("Fixed", REPLY, thread_ts=ROOT, edited={"user": "U1", "ts": EDIT})
    assert only(callback(changed(new))).entity.id == f"{CHANNEL}/{ROOT}"


def test_a_preview_or_a_counted_reply_is_no_edit() -> None:
    assert received(callback(changed(message(reply_count=1), message()))).ignored
    assert received(callback(changed(message(reply_count=1)))).ignored
    edited: dict[str, Any] = {"edited": {"user": "U1", "ts": EDIT}}
    assert received(callback(changed(message(**edited, attachments=[{}]), message(**edited)))).ignored


def test_a_deletion_names_the_message_and_its_thread() -> None:
    event = only(callback(deleted(REPLY, previous_message=message(own=REPLY, thread_ts=ROOT, metadata=metadata()))))
    assert event.kind is Kind.MESSAGE_DELETED
    assert (event.entity.id, event.sub) == (f"{CHANNEL}/{ROOT}", REPLY)
    assert event.marker == str(MARKER)
    assert not event.partial


def test_a_deletion_without_the_former_message_is_taken_for_a_thread() -> None:
    assert only(callback(deleted(ROOT))).entity.id == f"{CHANNEL}/{ROOT}"


def test_a_first_message_deleted_under_its_replies_is_deleted_once() -> None:
    tomb = {**message(), "subtype": "tombstone", "thread_ts": ROOT}
    event = only(callback(changed(tomb, message())))
    assert (event.kind, event.sub) == (Kind.MESSAGE_DELETED, ROOT)
    assert received(callback(deleted(ROOT, previous_message=tomb))).ignored


@pytest.mark.parametrize("subtype", ["bot_message", "me_message", "file_share", "thread_broadcast"])
def test_what_somebody_said_is_a_message(subtype: str) -> None:
    assert only(callback(message(subtype=subtype))).kind is Kind.MESSAGE_CREATED


@pytest.mark.parametrize(
    "subtype", ["channel_join", "channel_topic", "message_replied", "ekm_access_denied", "new_one"]
)
def test_a_notice_is_not(subtype: str) -> None:
    got = received(callback(message(subtype=subtype)))
    assert subtype in got.ignored
    assert got.events == ()


def test_an_apps_message_says_so_and_carries_our_marker() -> None:
    event = only(callback(message(bot_id="B1", bot_profile={"name": "Jira Connector"}, metadata=metadata())))
    assert event.actor == {"id": "U061F7AUR", "name": "Jira Connector", "bot": True}
    assert event.marker == str(MARKER)


@pytest.mark.parametrize(
    "held", [None, 1, [], {"event_payload": 1}, {"event_payload": {"marker": 1}}, {"event_payload": {"marker": "mine"}}]
)
def test_somebody_elses_metadata_is_no_marker(held: Any) -> None:
    assert only(callback(message(metadata=held))).marker == ""


def test_a_marker_written_by_a_person_into_the_text_is_no_marker() -> None:
    assert only(callback(message(f"look: {MARKER}"))).marker == ""


# --- what is not -----------------------------------------------------------------------------------
def test_the_url_verification_is_answered_with_its_challenge() -> None:
    got = received({"type": "url_verification", "challenge": "3eZbrw1aB", "token": "t"})
    assert got == Received(reply=("text/plain", b"3eZbrw1aB"))


def test_a_slash_command_is_ignored() -> None:
    got = received(b"token=x&command=%2Fjira&text=", "application/x-www-form-urlencoded; charset=utf-8")
    assert "slash command" in got.ignored


def test_withheld_events_are_told_apart() -> None:
    assert "30,000" in received({"type": "app_rate_limited", "team_id": "T1"}).ignored


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"7", b'{"type": "url_verification"}', b"[" * 100_000])
def test_what_is_not_understood_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        received(body)


@pytest.mark.parametrize(
    "event",
    [
        message(own=""),
        message(own="yesterday"),
        message(own="1" * 400 + ".1"),
        {**message(), "ts": 1700000000.0001},
        message(channel=""),
        {**message(), "channel": "../etc"},
        {**message(), "text": 1},
        message(thread_ts="x"),
        changed({**message(), "edited": {"ts": "?"}}),
        changed({**message(), "edited": 1}),
        deleted("?"),
    ],
)
def test_a_malformed_member_that_is_used_is_unreadable_and_named(event: Any) -> None:
    with pytest.raises(Unreadable) as caught:
        received(callback(event))
    assert caught.value.cause.startswith("member:")


def test_a_lone_surrogate_can_be_stored() -> None:
    event = only(json.dumps(callback(message("bad \ud800 half"))).encode())
    json.dumps([event.data, event.raw], ensure_ascii=False).encode()


# --- who selects what ------------------------------------------------------------------------------
def test_a_source_covers_its_channels_and_people_only_unless_told_otherwise() -> None:
    source = SYSTEM.source
    assert source is not None
    person, app = only(callback(message())), only(callback(message(bot_id="B1")))
    quiet, all_of_it = source().load({"channels": CHANNEL}), source().load({"channels": CHANNEL, "bots": True})
    elsewhere = source().load({"channels": ["C999"]})
    assert [SYSTEM.selects(s, person) for s in (quiet, all_of_it)] == ["", ""]
    assert "not followed" in SYSTEM.selects(elsewhere, person)
    assert "app" in SYSTEM.selects(quiet, app)
    assert SYSTEM.selects(all_of_it, app) == ""


# --- real payloads -----------------------------------------------------------------------------------
def unmasked(name: str, value: Any) -> Any:
    """Fill in what the collectors blanked out, so that values are read and not only shapes."""
    match value:
        case dict():
            return {key: unmasked(key, one) for key, one in value.items()}
        case list():
            return [unmasked(name, one) for one in value]
        case "" if name in {"ts", "event_ts", "thread_ts", "deleted_ts", "latest_reply"}:
            return ROOT
        case "" if name in {"channel", "channel_id"}:
            return CHANNEL
        case "" if name in {"user", "user_id"}:
            return "U061F7AUR"
        case _:
            return value


def bodies(reference_data: Path, folder: str) -> list[tuple[str, Any]]:
    paths = sorted((reference_data / "webhooks/slack-java-sdk" / folder).rglob("*.json"))
    assert paths
    return [(path.stem, json.loads(path.read_text())) for path in paths]


def test_every_real_event_is_read_or_ignored_for_a_reason(reference_data: Path) -> None:
    kinds: dict[str, Kind] = {}
    for name, masked in bodies(reference_data, "events"):
        body = unmasked("", {**masked, "type": masked.get("type") or "event_callback"})
        if body["event"].get("subtype") == "message_changed":
            body["event"]["message"]["edited"]["ts"] = EDIT  # all masked alike, it would be an earlier edit
        got = received(body)
        assert bool(got.events) != bool(got.ignored), name
        for event in got.events:
            kinds[name] = event.kind
    read = {name.removesuffix("Payload") for name in kinds}
    assert read == {
        "Message", "MessageBot", "MessageMe", "MessageFileShare", "MessageThreadBroadcast", "MessageChanged", "MessageDeleted"
    }  # fmt: skip
    assert kinds["MessageChangedPayload"] is Kind.MESSAGE_UPDATED
    assert kinds["MessageDeletedPayload"] is Kind.MESSAGE_DELETED


def told(body: Any) -> str:
    try:
        got = received(body)
    except Unreadable as error:
        return error.cause.partition(":")[0]
    return "events" if got.events and not got.ignored else "ignored" if got.ignored else "nothing"


def test_every_real_event_as_it_was_masked_is_read_ignored_or_unreadable(reference_data: Path) -> None:
    for name, body in bodies(reference_data, "events"):
        assert told({**body, "type": "event_callback"}) in {"events", "ignored", "member"}, name


def test_every_interaction_is_ignored(reference_data: Path) -> None:
    for _name, body in bodies(reference_data, "app-backend"):
        assert received(body).ignored
        assert received(b"payload=%7B%7D", "application/x-www-form-urlencoded").ignored


# --- fuzz --------------------------------------------------------------------------------------------
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
SEEDS = [
    callback(message(bot_id="B1", bot_profile={"name": "x"}, metadata=metadata(), edited={"ts": EDIT})),
    callback(message("x", REPLY, thread_ts=ROOT)),
    callback(changed(message(edited={"user": "U1", "ts": EDIT}), message())),
    callback(deleted(REPLY, previous_message=message(own=REPLY, thread_ts=ROOT))),
    {"type": "url_verification", "challenge": "x"},
]


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(value, dict):
        return []
    return [found for name, one in value.items() for found in [(*at, name), *paths(one, (*at, name))]]


def changed_at(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    name, *rest = path
    if rest:
        return {**value, name: changed_at(value[name], tuple(rest), new)}
    return {key: one for key, one in value.items() if key != name} if new is ... else {**value, name: new}


@given(st.data())
@settings(max_examples=200)
def test_whatever_is_dropped_or_replaced_the_reader_never_crashes(data: st.DataObject) -> None:
    body = data.draw(st.sampled_from(SEEDS))
    for _ in range(data.draw(st.integers(1, 3))):
        places = paths(body)
        if places:
            body = changed_at(body, data.draw(st.sampled_from(places)), data.draw(JSON | st.just(...)))
    try:
        got = received(body)
    except Unreadable:
        return
    assert got.events or got.ignored or got.reply
    for event in got.events:
        json.dumps([event.data, event.raw], ensure_ascii=False).encode()
