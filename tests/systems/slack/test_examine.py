"""A channel is examined before anything is written to it."""

from __future__ import annotations

import pytest

from connector.config import Connector
from connector.examining import Level
from connector.systems.slack.sandbox import SCOPES
from tests.systems.examining import bad, connector, examine, told
from tests.systems.slack.scene import ALERTS, scene


def into(channel: str = ALERTS, mapping: str = "{Text: {template: '{{ title }}'}}", more: str = "") -> Connector:
    return connector(f"slack, channel: '{channel}'", mapping, more, source="jira, project: WEB")


@pytest.mark.parametrize("channel", [ALERTS, "#alerts"])
def test_a_channel_that_is_joined_has_no_problem(channel: str) -> None:
    here = scene()
    found = examine(here, into(channel))
    assert [one.text for one in found] == ["exists"]
    assert [request.method for request in here.transport.sent if request.writes] == []


@pytest.mark.parametrize("channel", [ALERTS, "#alerts"])
def test_a_channel_that_is_left_or_archived_is_a_problem(channel: str) -> None:
    here = scene()
    alerts = here.sandbox.space.channels[ALERTS]
    alerts.members.remove("U0BOT")
    assert bad(examine(here, into(channel))) == [("not_in_channel", "to.channel")]
    here.sandbox.scopes |= {"chat:write.public"}
    fresh = scene(SCOPES | {"chat:write.public"})
    fresh.sandbox.space.channels[ALERTS].members.remove("U0BOT")
    assert bad(examine(fresh, into(channel))) == []
    fresh = scene()
    fresh.sandbox.space.channels[ALERTS].archived = True
    assert bad(examine(fresh, into(channel))) == [("archived", "to.channel")]


def test_a_channel_that_is_not_there_is_told_with_the_one_that_was_meant() -> None:
    found = told(examine(scene(), into("#alrets")), "to.channel")
    assert found.cause == "channel_not_found"
    assert found.act == "did you mean #alerts?"
    assert bad(examine(scene(), into("C9999999"))) == [("channel_not_found", "to.channel")]


def test_scopes_are_told_where_they_are_missing() -> None:
    here = scene(frozenset({"channels:read"}))
    found = examine(here, into())
    assert bad(found) == [("scope:chat:write", "to.connection")]
    assert bad(found, Level.WARNING) == [("scope:channels:history", "to.connection")]
    blind = scene(SCOPES - {"channels:read"})
    # An id can be written to without looking at the channel; a name cannot.
    assert bad(examine(blind, into()), Level.WARNING) == [("scope:channels:read", "to.channel")]
    assert bad(examine(blind, into("#alerts"))) == [("scope:channels:read", "to.channel")]


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ("{Txt: title}", [("field", "mapping.Txt"), ("required:text", "mapping")]),
        ("{Text: labels}", [("type", "mapping.Text")]),
        ("{Text: {value: ''}}", [("required:text", "mapping.Text.value")]),
        ("{Text: title, Unfurl: {value: maybe}}", [("invalid:message", "mapping.Unfurl.value")]),
        ("{Text: title, Unfurl: {value: true}}", []),
    ],
)
def test_fields_are_judged_by_name_and_by_type(mapping: str, expected: list[tuple[str, str]]) -> None:
    assert bad(examine(scene(), into(mapping=mapping))) == expected


def test_a_body_as_a_message_is_a_warning() -> None:
    found = examine(scene(), into(mapping="{Text: body}"))
    assert bad(found, Level.WARNING) == [("length", "mapping.Text")]
