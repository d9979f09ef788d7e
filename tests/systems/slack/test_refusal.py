"""Slack's error words, which come with status 200, say what happens next."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import (
    ConnectorError,
    Forbidden,
    RateLimited,
    Rejected,
    Retryable,
    Scope,
    Unauthorized,
)
from connector.ports import Request, Response
from connector.systems.slack import SYSTEM
from connector.systems.slack.api import get, post
from connector.systems.slack.settings import Connection

POST = post("chat.postMessage", "C1", text="x")


def refused(error: Any, status: int = 200, request: Request = POST, **more: Any) -> ConnectorError | None:
    headers = more.pop("headers", {})
    body = json.dumps({"ok": False, "error": error, **more}).encode()
    return SYSTEM.refusal(request, Response(status, headers, body))


@pytest.mark.parametrize(
    ("word", "wanted", "cause"),
    [
        ("invalid_auth", Unauthorized, "invalid_auth"),
        ("not_authed", Unauthorized, "not_authed"),
        ("token_revoked", Unauthorized, "token_revoked"),
        ("token_expired", Unauthorized, "token_expired"),
        ("account_inactive", Unauthorized, "account_inactive"),
        ("not_in_channel", Forbidden, "not_in_channel"),
        ("channel_not_found", Forbidden, "channel_not_found"),
        ("is_archived", Forbidden, "is_archived"),
        ("restricted_action", Forbidden, "restricted_action"),
        ("missing_scope", Forbidden, "missing_scope"),
        ("msg_too_long", Rejected, "slack:msg_too_long"),
        ("no_text", Rejected, "slack:no_text"),
        ("invalid_blocks", Rejected, "slack:invalid_blocks"),
        ("message_not_found", Rejected, "slack:message_not_found"),
        ("cant_update_message", Rejected, "slack:cant_update_message"),
        ("edit_window_closed", Rejected, "slack:edit_window_closed"),
        ("internal_error", Retryable, "internal_error"),
        ("fatal_error", Retryable, "fatal_error"),
        ("service_unavailable", Retryable, "service_unavailable"),
        ("request_timeout", Retryable, "request_timeout"),
        ("a_word_from_next_year", Rejected, "slack:a_word_from_next_year"),
        ("User U123 said #no", Rejected, "slack:unreadable_word"),
    ],
)
def test_a_word_becomes_the_right_error(word: str, wanted: type[ConnectorError], cause: str) -> None:
    got = refused(word)
    assert type(got) is wanted
    assert got.cause == cause


def test_a_word_that_is_not_known_leaves_a_bad_status_its_say() -> None:
    kinds = {status: type(refused("news", status)) for status in (200, 400, 401, 403, 429, 503)}
    assert kinds == {200: Rejected, 400: Rejected, 401: Unauthorized, 403: Forbidden, 429: RateLimited, 503: Retryable}


def test_a_failure_of_slack_leaves_a_write_unknown_and_a_read_harmless() -> None:
    write, read = refused("internal_error"), refused("internal_error", request=get("users.info", user="U1"))
    assert isinstance(write, Retryable)
    assert write.sent
    assert isinstance(read, Retryable)
    assert not read.sent


def test_a_limit_closes_the_method_for_as_long_as_slack_says() -> None:
    for status, word in ((429, "ratelimited"), (200, "ratelimited"), (200, "rate_limited")):
        got = refused(word, status, headers={"retry-after": "30"})
        assert isinstance(got, RateLimited)
        assert (got.scope, got.retry_after) == (Scope.ENDPOINT, timedelta(seconds=30))


def test_forbidden_names_the_channel_and_the_missing_scope_to_people_but_not_in_its_cause() -> None:
    for request in (POST, get("conversations.history", channel="C1")):
        got = refused("missing_scope", needed="channels:history", provided="chat:write", request=request)
        assert isinstance(got, Forbidden)
        assert got.where == "C1"
        assert "channels:history" in str(got)
        assert "C1" not in got.cause


def test_a_good_answer_is_no_refusal_even_with_a_warning() -> None:
    assert SYSTEM.refusal(POST, Response(200, {}, b'{"ok": true, "warning": "missing_charset"}')) is None


@pytest.mark.parametrize(
    "body", [b"ok", b"<html>login</html>", b"[]", b'{"ok": "true"}', b'{"ok": 1}', b'{"ok": true', b""]
)
def test_a_good_status_without_slacks_ok_is_not_believed(body: bytes) -> None:
    got = SYSTEM.refusal(POST, Response(200, {}, body))
    assert isinstance(got, Retryable)
    assert got.sent


def test_ok_in_a_bad_status_is_not_believed() -> None:
    assert isinstance(SYSTEM.refusal(POST, Response(502, {}, b'{"ok": true}')), Retryable)


def test_every_error_word_of_the_official_documents_is_answered(reference_data: Path) -> None:
    spec = json.loads((reference_data / "openapi/slack-web-api/slack_web_openapi_v2_without_examples.json").read_text())
    words = set()
    for name in ("chat.postMessage", "chat.update", "chat.delete", "conversations.history", "conversations.replies"):
        for operation in spec["paths"][f"/{name}"].values():
            words |= set(operation["responses"]["default"]["schema"]["properties"]["error"].get("enum", ()))
    assert len(words) > 20
    kinds = {word: type(refused(word)) for word in words}
    for word in ("not_authed", "invalid_auth", "account_inactive", "token_revoked"):
        assert kinds[word] is Unauthorized
    assert kinds["rate_limited"] is RateLimited
    assert {word for word, kind in kinds.items() if kind is Forbidden} >= {
        "not_in_channel",
        "is_archived",
        "no_permission",
    }


@given(
    st.integers(100, 599),
    st.binary(max_size=30)
    | st.builds(
        json.dumps,
        st.dictionaries(
            st.sampled_from(["ok", "error"]), st.none() | st.booleans() | st.text(max_size=5) | st.lists(st.integers())
        ),
    ).map(str.encode),
)
def test_any_answer_is_good_or_named(status: int, body: bytes) -> None:
    got = SYSTEM.refusal(POST, Response(status, {}, body))
    if got is None:
        assert 200 <= status < 300
        assert json.loads(body)["ok"] is True
    else:
        assert got.cause


def test_each_method_that_is_called_has_a_limit_of_its_own_and_posting_one_for_each_channel() -> None:
    settings = SYSTEM.connection().load({"auth": {"token": "env:T"}, "limits": {"history_per_minute": 1}})
    assert isinstance(settings, Connection)
    listed = SYSTEM.limits(settings)
    limits = {limit.endpoint: (limit.amount, limit.per) for limit in listed}
    channel = next(limit for limit in listed if limit.entity)
    minute = timedelta(minutes=1)
    assert (channel.endpoint, channel.amount, channel.per) == ("chat.postMessage", 1, timedelta(seconds=1))
    assert limits["conversations.history"] == limits["conversations.replies"] == (1, minute)
    assert {"chat.postMessage", "chat.update", "chat.delete", "conversations.list", "users.info"} <= limits.keys()
    assert POST.entity == "C1"
    assert post("chat.update", "C1", ts="1.0", text="x").entity == "", "edits do not count as messages"
