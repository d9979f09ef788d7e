"""Each refusal of Jira becomes the class that says what happens next, in whatever language it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.errors import ConnectorError, Forbidden, RateLimited, Rejected, Retryable, Scope, Unauthorized
from connector.ports import Request, Response
from connector.systems.jira import SYSTEM

CREATE = Request("POST", "/rest/api/3/issue", json={"fields": {"project": {"key": "WEB"}, "summary": "x"}})


def refused(
    status: int, body: Any = b"", request: Request = CREATE, headers: Mapping[str, str] | None = None
) -> ConnectorError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    got = SYSTEM.refusal(request, Response(status, headers or {}, raw))
    assert got is not None
    return got


def test_a_field_that_was_not_sent_is_required_in_any_language() -> None:
    got = refused(400, {"errorMessages": [], "errors": {"priority": "Priorität ist erforderlich."}})
    assert isinstance(got, Rejected)
    assert got.cause == "required:priority"
    assert got.fields == {"priority": "Priorität ist erforderlich."}


def test_a_field_that_was_sent_is_invalid() -> None:
    got = refused(400, {"errorMessages": [], "errors": {"summary": "trop long"}})
    assert got.cause == "invalid:summary"


def test_what_is_required_comes_first_when_both_are_wrong() -> None:
    got = refused(400, {"errors": {"summary": "bad", "customfield_10855": "needed"}})
    assert got.cause == "required:customfield_10855"
    assert "customfield_10855" in str(got)


def test_a_text_over_the_limit_is_told_from_other_refusals() -> None:
    assert refused(400, {"errorMessages": ["CONTENT_LIMIT_EXCEEDED"], "errors": {}}).cause == "too_long"


def test_no_words_of_a_user_get_into_the_cause() -> None:
    got = refused(400, {"errors": {"WEB-12 of ada@example.com": "no"}})
    assert got.cause == "required:field"
    assert refused(400, {"errorMessages": ["Issue WEB-12 is broken"]}).cause == "400"


def test_a_failed_login_is_unauthorized_whatever_the_status() -> None:
    for status in (200, 401, 403, 404):
        got = refused(status, {"issues": []}, headers={"x-seraph-loginreason": "AUTHENTICATED_FAILED"})
        assert isinstance(got, Unauthorized), status
    denied = refused(403, headers={"x-seraph-loginreason": "AUTHENTICATION_DENIED"})
    assert isinstance(denied, Unauthorized)
    assert SYSTEM.refusal(CREATE, Response(200, {"x-seraph-loginreason": "OK"}, b"{}")) is None


def test_a_missing_permission_names_the_project() -> None:
    for request in (
        CREATE,
        Request("GET", "/rest/api/3/issue/createmeta/WEB/issuetypes"),
        Request("PUT", "/rest/api/3/issue/WEB-12"),
    ):
        got = refused(403, request=request)
        assert isinstance(got, Forbidden)
        assert got.where == "WEB"
    unknown = refused(403, request=Request("PUT", "/rest/api/3/issue/10234"))
    assert isinstance(unknown, Forbidden)
    assert unknown.where == ""


@pytest.mark.parametrize(
    ("reason", "scope", "cause"),
    [
        ("jira-quota-global-based", Scope.CONNECTION, "rate:quota"),
        ("jira-quota-tenant-based", Scope.CONNECTION, "rate:quota"),
        ("jira-burst-based", Scope.ENDPOINT, "rate:burst"),
        ("jira-per-issue-on-write", Scope.ENTITY, "rate:issue"),
        ("jira-cost-based", Scope.CONNECTION, "rate:cost"),
        ("", Scope.CONNECTION, "rate:connection"),
    ],
)
def test_a_rate_limit_snoozes_exactly_what_it_names(reason: str, scope: Scope, cause: str) -> None:
    write = Request("PUT", "/rest/api/3/issue/1", json={}, entity="1")
    got = refused(429, request=write, headers={"ratelimit-reason": reason, "retry-after": "3"})
    assert isinstance(got, RateLimited)
    assert (got.scope, got.cause, got.retry_after) == (scope, cause, timedelta(seconds=3))


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "5"}, 5),
        ({"retry-after": "999999999"}, 7200),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0),
        ({"x-ratelimit-reset": "2026-10-21T07:28:09Z", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 9),
        ({"x-ratelimit-reset": "2026-10-21T07:28:09Z"}, None),
        ({"x-ratelimit-interval-seconds": "7"}, 7),
        ({"retry-after": "nonsense"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_from_whatever_says_it(headers: Mapping[str, str], wait: int | None) -> None:
    got = refused(429, headers=headers)
    assert isinstance(got, RateLimited)
    assert got.retry_after == (None if wait is None else timedelta(seconds=wait))


def test_a_failed_read_was_not_sent_and_a_failed_write_may_have_been() -> None:
    read, write = refused(502, request=Request("GET", "/x")), refused(502)
    search = refused(502, request=Request("POST", "/x", endpoint="search"))
    assert isinstance(read, Retryable)
    assert isinstance(write, Retryable)
    assert isinstance(search, Retryable)
    assert (read.sent, search.sent, write.sent) == (False, False, True)


def test_a_redirect_of_a_write_is_a_wrong_address() -> None:
    assert refused(302, headers={"location": "https://login"}).cause == "redirect"


def test_the_captured_answers_of_real_sites_are_classified(reference_data: Path) -> None:
    rows = json.loads((reference_data / "rest/jira-errors/captured.json").read_text(encoding="utf-8"))
    for row in rows:
        headers = {k.lower(): v for k, v in row.get("headers", {}).items()}
        raw = row.get("body_text", "").encode() or json.dumps(row.get("body")).encode()
        got = SYSTEM.refusal(CREATE, Response(row["status"], headers, raw))
        wanted: type[ConnectorError] = {400: Rejected, 401: Unauthorized, 404: Unauthorized, 429: RateLimited}[
            row["status"]
        ]
        assert type(got) is wanted, row


def test_the_error_examples_of_the_official_document_all_become_an_error(reference_data: Path) -> None:
    rows = json.loads((reference_data / "rest/jira-errors/from-cloud-spec.json").read_text(encoding="utf-8"))
    seen = 0

    def walk(node: Any) -> None:
        nonlocal seen
        if isinstance(node, dict):
            if "errorMessages" in node or "errors" in node:
                got = refused(400, node)
                assert isinstance(got, Rejected)
                seen += 1
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(rows)
    assert seen > 100
