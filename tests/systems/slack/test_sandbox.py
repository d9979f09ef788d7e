"""The sandbox is Slack enough for Slack's own library, and for its official documents."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from connector.ports import Request, Response
from connector.sandbox import Call
from connector.system import Action, Inbound, Trust
from connector.systems.slack import SYSTEM
from connector.systems.slack.sandbox import SCOPES, SlackSandbox, new_sandbox
from tests.systems.direct import reveals
from tests.systems.openapi import Spec
from tests.systems.served import listening, serve
from tests.systems.slack.scene import (
    ALERTS,
    CONNECTION,
    GENERAL,
    INTO,
    SECRETS,
    call,
    reply,
    say,
    scene,
    started,
    target,
)
from tests.systems.slack.test_poll import BOTH, begun, polled
from workers.sandbox import Served

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


# --- Slack's own library ---------------------------------------------------------------------------
@pytest.fixture
def world() -> Iterator[tuple[SlackSandbox, WebClient, WebClient]]:
    sandbox = new_sandbox()
    with serve(sandbox) as url:
        yield sandbox, WebClient("xoxb-sandbox", f"{url}/api/"), WebClient("xoxp-ann", f"{url}/api/")


World = tuple[SlackSandbox, WebClient, WebClient]


def test_the_library_posts_edits_threads_and_deletes(world: World) -> None:
    sandbox, bot, ann = world
    metadata = {"event_type": "jira_connector", "event_payload": {"marker": "m"}}
    root = bot.chat_postMessage(channel="#alerts", text="Hello", metadata=metadata, unfurl_links=False)
    assert root["channel"] == ALERTS
    below = ann.chat_postMessage(channel=ALERTS, text="Hi", thread_ts=root["ts"], blocks=[{"type": "divider"}])
    bot.chat_update(channel=ALERTS, ts=root["ts"], text="Hello again")
    seen = bot.conversations_replies(channel=ALERTS, ts=root["ts"])["messages"]
    assert [m["text"] for m in seen] == ["Hello again", "Hi"]
    assert (seen[0]["reply_count"], seen[1]["parent_user_id"]) == (1, "U0BOT")
    with pytest.raises(SlackApiError, match="cant_update_message"):
        ann.chat_update(channel=ALERTS, ts=root["ts"], text="no")
    ann.chat_delete(channel=ALERTS, ts=below["ts"])
    history = bot.conversations_history(channel=ALERTS, include_all_metadata=True, limit=10)["messages"]
    assert [m["metadata"] for m in history] == [metadata]
    assert "metadata" not in bot.conversations_history(channel=ALERTS)["messages"][0]
    assert [e.action for e in sandbox.ledger.effects] == [
        "add_message",
        "add_message",
        "edit_message",
        "delete_message",
    ]


def test_the_library_pages_through_history_and_lists(world: World) -> None:
    _, bot, ann = world
    for number in range(7):
        ann.chat_postMessage(channel=GENERAL, text=str(number))
    got = [m["text"] for page in bot.conversations_history(channel=GENERAL, limit=3) for m in page["messages"]]
    assert got == ["6", "5", "4", "3", "2", "1", "0"]
    names = [c["name"] for page in bot.conversations_list(limit=2) for c in page["channels"]]
    assert names == ["general", "alerts", "random"]
    assert len([u for page in bot.users_list(limit=2) for u in page["members"]]) == 3
    assert bot.conversations_members(channel=GENERAL)["members"] == ["U0BOT", "U0000001", "U0000002"]


def test_the_library_asks_about_people_and_places(world: World) -> None:
    _, bot, ann = world
    assert bot.auth_test()["bot_id"] == "B0BOT"
    assert "chat:write" in bot.auth_test().headers["x-oauth-scopes"]
    assert ann.auth_test()["user"] == "ann"
    assert bot.api_test(foo="bar")["args"]["foo"] == "bar"
    assert bot.users_lookupByEmail(email="ben@sandbox.example")["user"]["id"] == "U0000002"
    assert bot.users_info(user="U0000001")["user"]["profile"]["display_name"] == "ann"
    assert bot.conversations_info(channel=GENERAL)["channel"]["is_member"] is True
    direct = bot.conversations_open(users=["U0000001"])["channel"]["id"]
    said = bot.chat_postMessage(channel=direct, text="psst")
    assert bot.chat_getPermalink(channel=direct, message_ts=said["ts"])["permalink"].endswith(
        said["ts"].replace(".", "")
    )
    assert bot.chat_postEphemeral(channel=GENERAL, user="U0000001", text="only you")["message_ts"]
    assert bot.conversations_open(users="U0000001")["already_open"] is True


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("chat.postMessage", {"channel": "C404", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": GENERAL}, "no_text"),
        ("chat.postMessage", {"channel": GENERAL, "text": "x", "thread_ts": "1.000000"}, "thread_not_found"),
        ("chat.postMessage", {"channel": GENERAL, "text": "x", "metadata": {"a": 1}}, "invalid_metadata_format"),
        ("chat.update", {"channel": GENERAL, "ts": "1.000000", "text": "x"}, "message_not_found"),
        ("chat.delete", {"channel": GENERAL, "ts": "1.000000"}, "message_not_found"),
        ("conversations.history", {"channel": GENERAL, "cursor": "?"}, "invalid_cursor"),
        ("conversations.history", {"channel": GENERAL, "limit": 0}, "invalid_limit"),
        ("users.info", {"user": "U404"}, "user_not_found"),
        ("users.lookupByEmail", {"email": "x@y"}, "users_not_found"),
        ("reactions.add", {}, "unknown_method"),
        ("api.test", {"error": "my_error"}, "my_error"),
    ],
)
def test_the_library_meets_slacks_own_errors(world: World, method: str, arguments: dict[str, Any], error: str) -> None:
    with pytest.raises(SlackApiError) as caught:
        world[1].api_call(method, json=arguments)
    assert caught.value.response["error"] == error
    assert caught.value.response.status_code == 200


def test_a_token_is_needed_and_its_scopes_count(world: World) -> None:
    sandbox, bot, _ = world
    for token, error in (("", "not_authed"), ("xoxb-stolen", "invalid_auth")):
        with pytest.raises(SlackApiError, match=error):
            WebClient(token, bot.base_url).auth_test()
    sandbox.scopes.discard("channels:history")
    with pytest.raises(SlackApiError) as caught:
        bot.conversations_history(channel=GENERAL)
    assert (caught.value.response["error"], caught.value.response["needed"]) == ("missing_scope", "channels:history")


def test_a_form_with_its_token_inside_is_as_good_as_json() -> None:
    sandbox = new_sandbox()
    form = b"token=xoxb-sandbox&channel=C0000001&text=a+%26+b&metadata=%7B%22event_type%22%3A%22x%22%2C%22event_payload%22%3A%7B%7D%7D"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = json.loads(sandbox(Call("POST", "/api/chat.postMessage", {}, headers, form), NOW).body)
    assert answer["message"]["text"] == "a & b"
    assert answer["message"]["metadata"]["event_type"] == "x"
    for kind, body, error in (
        ("application/json", b"{", "invalid_json"),
        ("application/json", b"[]", "json_not_object"),
    ):
        bad = sandbox(Call("POST", "/api/api.test", {}, {"content-type": kind}, body), NOW)
        assert json.loads(bad.body)["error"] == error


# --- what could fool the product ---------------------------------------------------------------------
def test_pace_lets_a_short_burst_pass_and_then_one_message_a_second() -> None:
    here = scene(pace=True)
    sent = [call(here, "chat.postMessage", channel=GENERAL, text=str(n))["ok"] for n in range(4)]
    assert sent == [True, True, True, False]
    assert call(here, "chat.postMessage", channel=ALERTS, text="another channel")["ok"]
    here.clock.move(timedelta(seconds=3))
    assert call(here, "chat.postMessage", channel=GENERAL, text="later")["ok"]


def test_timestamps_never_repeat_and_never_go_back() -> None:
    here = scene()
    stamps = [call(here, "chat.postMessage", channel=GENERAL, text="x")["ts"] for _ in range(50)]
    assert stamps == sorted(set(stamps))


def test_a_page_is_not_moved_by_what_is_deleted_meanwhile() -> None:
    here = scene()
    stamps = [say(here, str(number)) for number in range(6)]
    first = call(here, "conversations.history", channel=GENERAL, limit=2)
    call(here, "chat.delete", channel=GENERAL, ts=stamps[5])
    cursor = first["response_metadata"]["next_cursor"]
    rest = call(here, "conversations.history", channel=GENERAL, limit=2, cursor=cursor)
    assert [m["text"] for m in rest["messages"]] == ["3", "2"]


def test_the_last_reply_deleted_makes_a_thread_a_plain_message_again() -> None:
    here = scene()
    root = say(here, "x")
    first, second = say(here, "1", thread_ts=root), say(here, "2", thread_ts=root)
    call(here, "chat.delete", channel=GENERAL, ts=second)
    message = here.sandbox.space.channels[GENERAL].messages[root]
    assert (message["reply_count"], message["latest_reply"]) == (1, first)
    call(here, "chat.delete", channel=GENERAL, ts=first)
    assert "thread_ts" not in message
    assert here.sandbox.state()["general"] == [{"ts": root, "thread_ts": None, "user": "U0000001", "text": "x"}]


def test_a_repeated_event_is_the_same_body_signed_anew_and_says_why() -> None:
    here = scene()
    say(here, "x")
    (hook,) = here.sandbox.hooks(here.clock())
    assert hook.again is not None
    later = hook.again(here.clock() + timedelta(minutes=1), 2, "timeout")
    assert later["X-Slack-Retry-Num"] == "2"
    assert later["X-Slack-Retry-Reason"] == "http_timeout"
    assert later["X-Slack-Signature"] != hook.headers["X-Slack-Signature"]
    assert here.sandbox.hooks(here.clock()) == []


def test_a_refused_event_comes_again_over_http_and_both_are_trusted() -> None:
    settings = SYSTEM.connection().load(CONNECTION)
    sandbox = new_sandbox(webhook_secret=SECRETS["SIGNING"])
    with listening(503) as (where, listener), Served({"slack": sandbox}) as served:
        served.subscribe("slack", where)
        WebClient("xoxp-ann", f"{served.url('slack')}/api/").chat_postMessage(channel=GENERAL, text="Grüße & more")
        got = listener.wait(2)
    for headers, body in got:
        request = Inbound(headers, body)
        assert SYSTEM.verify(settings, request, reveals(SECRETS), datetime.now(UTC)) is Trust.SIGNED
    ids = [SYSTEM.receive("s", settings, Inbound(h, b), Trust.SIGNED).events[0].id for h, b in got]
    assert ids[0] == ids[1]
    assert [h.get("x-slack-retry-num") for h, _ in got] == [None, "1"]
    assert got[1][0]["x-slack-retry-reason"] == "http_error"


def test_events_come_only_from_channels_the_app_is_in() -> None:
    here = scene()
    here.sandbox.space.channels[ALERTS].members.remove("U0BOT")
    say(here, "unheard", ALERTS)
    assert here.sandbox.hooks(here.clock()) == []
    assert call(here, "conversations.history", "xoxb-sandbox", channel=ALERTS)["error"] == "not_in_channel"


# --- the official documents ------------------------------------------------------------------------
WAIVED = (
    # Metadata is newer than the documents of 2021.
    r"body\.metadata: is not declared",
    r"query: include_all_metadata is not declared",
    # They speak of forms, where a switch is text, and call a ts a number, which would lose digits.
    r"body\.link_names: must be string",
    r"body\.ts: must be number",
    # The token goes in a header.
    r"query: token is missing",
)


def test_what_we_send_and_what_the_sandbox_answers_fits_the_documents(reference_data: Path) -> None:
    spec = Spec.load(reference_data / "openapi/slack-web-api/slack_web_openapi_v2_without_examples.json", waive=WAIVED)
    here = scene()
    cursor = begun(here, BOTH)
    entity = started(here).entity
    here.clock.move(timedelta(seconds=2))
    written = target().write(here.site, INTO, reply(entity))
    for action in (Action.EDIT_COMMENT, Action.DELETE_COMMENT):
        change = reply(entity, "other words", remote=written.remote)
        target().write(here.site, INTO, dataclasses.replace(change, action=action))
    root = say(here, "hello", ALERTS)
    say(here, "there", ALERTS, thread_ts=root)
    for event in polled(here, cursor, BOTH)[0]:
        SYSTEM.complete(here.site, event)
        SYSTEM.probe(here.site)
    for lister in SYSTEM.lists.values():
        assert list(lister(here.site, {}))
    checked = set()
    sent: list[tuple[Request, Response]] = list(zip(here.transport.sent, here.transport.answers, strict=True))
    for request, answer in sent:
        query = {name: value for name, value in request.query.items() if isinstance(value, str)}
        body = request.json
        assert spec.check_request(request.method, request.path, query, body) == []
        assert spec.check_answer(request.method, request.path, answer.status, answer.json()) == []
        checked.add(request.path)
    assert checked == {
        "/chat.postMessage", "/chat.update", "/chat.delete", "/conversations.history", "/conversations.replies",
        "/conversations.list", "/users.info", "/users.list", "/auth.test",
    }  # fmt: skip


def test_every_member_of_a_real_message_that_we_use_is_in_the_sandboxs_messages(reference_data: Path) -> None:
    document = json.loads(
        (reference_data / "openapi/slack-web-api/slack_web_openapi_v2_without_examples.json").read_text()
    )
    declared = set(document["definitions"]["objs_message"]["properties"])
    here = scene()
    root = say(here, "x")
    say(here, "y", thread_ts=root)
    call(here, "chat.update", channel=GENERAL, ts=root, text="z")
    newer = {"edited", "metadata", "app_id"}
    for message in here.sandbox.space.channels[GENERAL].messages.values():
        assert message.keys() <= declared | newer
        assert {"type", "text", "ts", "user"} <= message.keys()


def test_all_scopes_that_methods_need_are_granted_by_default() -> None:
    assert new_sandbox().scopes == SCOPES
