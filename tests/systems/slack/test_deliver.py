"""A thread is started once, kept up to date in place, and found again after an unknown outcome."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from connector.errors import Ambiguous, Forbidden, RateLimited, Rejected, Retryable
from connector.sandbox import Fault
from connector.system import Absent, Action, Change, Written
from connector.systems.slack.sandbox import SCOPES
from connector.systems.slack.settings import Target as Into
from tests.systems.slack.scene import ALERTS, INTO, actions, call, creation, mark, reply, say, scene, started, target


# --- shape ---------------------------------------------------------------------------------------
def test_a_text_becomes_an_argument_and_links_unfold_only_where_wanted() -> None:
    here = scene()
    quiet = target().shape(here.site, INTO, {"Text": "x"}, None)
    assert quiet.fields == {"text": "x", "unfurl": False}
    assert quiet.names["text"] == "Text"
    loud = target().shape(here.site, Into(ALERTS, unfurl=True), {"message": "x"}, None)
    assert loud.fields["unfurl"] is True
    assert target().shape(here.site, INTO, {"Text": "x", "Unfurl": True}, None).fields["unfurl"] is True


def test_an_update_does_not_speak_of_unfurling_which_it_cannot_change() -> None:
    here = scene()
    entity = started(here).entity
    assert target().shape(here.site, INTO, {"Text": "x", "Unfurl": True}, entity).fields == {"text": "x"}


@pytest.mark.parametrize(
    ("wanted", "field", "cause"),
    [
        ({"Text": ""}, "Text", "required:text"),
        ({"Text": None}, "Text", "required:text"),
        ({}, "Text", "required:text"),
        ({"Text": "x", "Colour": "red"}, "Colour", "unknown_field"),
        ({"Text": "x", "Unfurl": "yes"}, "Unfurl", "invalid:message"),
    ],
)
def test_what_makes_no_message_is_rejected_by_name(wanted: dict[str, Any], field: str, cause: str) -> None:
    here = scene()
    with pytest.raises(Rejected) as caught:
        target().shape(here.site, INTO, wanted, None)
    assert list(caught.value.fields) == [field]
    assert caught.value.cause == cause


# --- write ---------------------------------------------------------------------------------------
def test_a_message_carries_its_marker_and_pages_nobody() -> None:
    here = scene()
    written = started(here)
    (effect,) = here.sandbox.ledger.effects
    assert (effect.action, effect.entity, effect.marker) == ("add_message", written.entity.id, str(mark("create")))
    sent = here.transport.sent[-1]
    assert sent.json["link_names"] is False
    assert sent.json["parse"] == "none"
    assert sent.json["unfurl_links"] is sent.json["unfurl_media"] is False
    assert sent.json["metadata"]["event_type"] == "jira_connector"
    assert (sent.endpoint, sent.entity) == ("chat.postMessage", ALERTS)


def test_a_thread_is_named_by_its_immutable_channel_id_though_the_target_is_a_name() -> None:
    here = scene()
    change = creation(here, into=Into("#alerts"))
    entity = target().write(here.site, Into("#alerts"), change).entity
    assert entity.id.startswith(f"{ALERTS}/")
    assert (entity.type, entity.scope, entity.connection) == ("thread", ALERTS, "here")
    assert f"channel={ALERTS}" in entity.url


def test_the_list_of_channels_is_read_once() -> None:
    here = scene()
    for word in ("one", "two"):
        target().write(here.site, Into("#alerts"), creation(here, word=word))
        here.clock.move(timedelta(seconds=2))
    assert [r.path for r in here.transport.sent].count("/conversations.list") == 1


def test_a_channel_that_is_not_there_is_forbidden_by_name() -> None:
    here = scene()
    with pytest.raises(Forbidden) as caught:
        target().write(here.site, Into("#nowhere"), creation(here))
    assert caught.value.where == "#nowhere"


def test_an_update_changes_the_first_message_in_place_and_keeps_its_marker() -> None:
    here = scene()
    entity = started(here).entity
    change = Change(
        Action.UPDATE, mark("update").effect, mark("update"), fields={"text": "WEB-1 is fixed"}, entity=entity
    )
    written = target().write(here.site, INTO, change)
    assert written.kept == {"body": {"format": "mrkdwn", "content": "WEB-1 is fixed"}}
    assert actions(here) == ["add_message", "edit_message"]
    message = here.sandbox.space.channels[ALERTS].messages[entity.id.partition("/")[2]]
    assert message["text"] == "WEB-1 is fixed"
    assert message["metadata"]["event_payload"]["marker"] == str(mark("create"))
    assert here.transport.sent[-1].json["parse"] == "none"


def test_setting_what_is_so_already_writes_nothing() -> None:
    here = scene()
    entity = started(here).entity
    change = Change(Action.UPDATE, mark("u").effect, mark("u"), fields={"text": "WEB-1 is broken"}, entity=entity)
    target().write(here.site, INTO, change)
    target().write(here.site, INTO, dataclasses.replace(change, fields={}))
    assert actions(here) == ["add_message"]


def test_a_reply_stands_in_the_thread_and_is_edited_and_deleted_there() -> None:
    here = scene()
    entity = started(here).entity
    here.clock.move(timedelta(seconds=2))
    change = reply(entity)
    written = target().write(here.site, INTO, change)
    assert written.remote
    assert here.sandbox.ledger.effects[-1].entity == entity.id
    edit = dataclasses.replace(change, action=Action.EDIT_COMMENT, remote=written.remote, body="edited")
    assert target().write(here.site, INTO, edit).remote == written.remote
    gone = dataclasses.replace(change, action=Action.DELETE_COMMENT, remote=written.remote)
    assert target().write(here.site, INTO, gone).fresh
    assert not target().write(here.site, INTO, gone).fresh
    assert actions(here) == ["add_message", "add_message", "edit_message", "delete_message"]


def test_an_edit_of_what_people_deleted_is_rejected_not_written_anew() -> None:
    here = scene()
    entity = started(here).entity
    channel, root = entity.id.split("/")
    call(here, "chat.delete", "xoxb-sandbox", channel=channel, ts=root)
    change = Change(Action.UPDATE, mark("u").effect, mark("u"), fields={"text": "x"}, entity=entity)
    with pytest.raises(Rejected) as caught:
        target().write(here.site, INTO, change)
    assert caught.value.cause == "gone"
    assert target().read(here.site, INTO, entity) is None
    with pytest.raises(Rejected):
        target().write(here.site, INTO, reply(entity))
    assert actions(here).count("add_message") == 1


def test_relating_writes_nothing() -> None:
    here = scene()
    entity = started(here).entity
    written = target().write(here.site, INTO, Change(Action.RELATE, mark("r").effect, mark("r"), entity=entity))
    assert written == Written(entity, fresh=False)
    assert len(actions(here)) == 1


def test_somebody_elses_message_cannot_be_edited() -> None:
    here = scene()
    root = say(here, "mine", ALERTS)
    entity = dataclasses.replace(started(here).entity, id=f"{ALERTS}/{root}")
    change = Change(Action.UPDATE, mark("u").effect, mark("u"), fields={"text": "x"}, entity=entity)
    with pytest.raises(Rejected) as caught:
        target().write(here.site, INTO, change)
    assert caught.value.cause == "slack:cant_update_message"


def test_slacks_own_pace_snoozes_the_method() -> None:
    here = scene(pace=True)
    for number in range(3):
        started(here, word=str(number))
    with pytest.raises(RateLimited) as caught:
        started(here, word="one too many")
    assert caught.value.retry_after is not None
    here.clock.move(timedelta(seconds=3))
    assert started(here, word="later").fresh


# --- look-up -------------------------------------------------------------------------------------
def lost(here: Any, change: Change) -> None:
    here.sandbox.faults.on.append(Fault("apply_then_drop", method="POST", times=1))
    with pytest.raises(Retryable) as caught:
        target().write(here.site, INTO, change)
    assert caught.value.sent


def test_a_lost_message_is_found_among_many_pages() -> None:
    here = scene()
    since = here.clock()
    lost(here, creation(here))
    for number in range(450):
        say(here, str(number), ALERTS)
    found = target().look_up(here.site, INTO, creation(here), since)
    assert isinstance(found, Written)
    assert found.entity.id == here.sandbox.ledger.effects[0].entity
    assert not found.fresh


def test_a_message_is_found_though_our_clock_runs_ahead() -> None:
    here = scene()
    lost(here, creation(here))
    assert isinstance(target().look_up(here.site, INTO, creation(here), here.clock() + timedelta(minutes=1)), Written)


def test_another_instances_marker_is_not_ours() -> None:
    here = scene()
    lost(here, creation(here))
    staging = creation(here)
    staging = dataclasses.replace(staging, marker=dataclasses.replace(staging.marker, instance="staging"))
    assert isinstance(target().look_up(here.site, INTO, staging, here.clock()), Absent)


def test_a_lost_reply_is_found_in_its_thread() -> None:
    here = scene()
    entity = started(here).entity
    here.clock.move(timedelta(seconds=2))
    lost(here, reply(entity))
    found = target().look_up(here.site, INTO, reply(entity), here.clock())
    assert isinstance(found, Written)
    assert found.remote == here.sandbox.ledger.effects[-1].detail["ts"]


def test_a_lost_edit_or_deletion_is_known_by_its_result() -> None:
    here = scene()
    entity = started(here).entity
    remote = target().write(here.site, INTO, reply(entity)).remote
    edit = dataclasses.replace(reply(entity, "new words"), action=Action.EDIT_COMMENT, remote=remote)
    assert isinstance(target().look_up(here.site, INTO, edit, here.clock()), Absent)
    lost(here, edit)
    assert isinstance(target().look_up(here.site, INTO, edit, here.clock()), Written)
    gone = dataclasses.replace(edit, action=Action.DELETE_COMMENT)
    assert isinstance(target().look_up(here.site, INTO, gone, here.clock()), Absent)
    lost(here, gone)
    assert isinstance(target().look_up(here.site, INTO, gone, here.clock()), Written)


def test_without_the_scope_to_look_a_person_decides_unless_told_to_resend() -> None:
    blind = SCOPES - {"channels:history"}
    careful, careless = scene(blind), scene(blind, on_ambiguous="resend")
    for here in (careful, careless):
        lost(here, creation(here))
    with pytest.raises(Ambiguous, match="channels:history"):
        target().look_up(careful.site, INTO, creation(careful), careful.clock())
    assert target().look_up(careless.site, INTO, creation(careless), careless.clock()) == Absent()
