"""Each way in which GitHub says no becomes the error that says what happens next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import ConnectorError, Forbidden, RateLimited, Rejected, Retryable, Scope, Stale
from connector.ports import Request, Response
from connector.sandbox import Fault
from connector.system import Left, Period
from connector.systems.github import SYSTEM
from connector.systems.github.api import get, next_page, pages, write
from tests.systems.direct import Bench
from tests.systems.github.scene import CONNECTION, act, ask, scene

READ = get("/repos/acme/web/issues/12")
WRITE = write("POST", "/repos/acme/web/issues", {"title": "x"})
DATE = "Tue, 24 Nov 2026 09:00:00 GMT"
RESET = str(int(datetime(2026, 11, 24, 9, 10, tzinfo=UTC).timestamp()))


def refused(
    status: int, document: Any = None, headers: Mapping[str, str] | None = None, request: Request = READ
) -> ConnectorError | None:
    body = b"" if document is None else json.dumps(document).encode()
    return SYSTEM.refusal(request, Response(status, headers or {}, body))


@pytest.mark.parametrize("status", [200, 201, 204, 304])
def test_a_good_answer_is_no_refusal(status: int) -> None:
    assert refused(status) is None


def test_a_spent_quota_waits_for_its_reset_by_the_servers_own_clock() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": RESET, "date": DATE}
    error = refused(403, {"message": "API rate limit exceeded for user ID 1."}, headers)
    assert isinstance(error, RateLimited)
    assert error.scope is Scope.CONNECTION
    assert error.retry_after == timedelta(minutes=10, seconds=1)
    assert error.cause == "rate:primary"


def test_a_spent_quota_without_a_date_does_not_say_how_long() -> None:
    error = refused(403, {}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": RESET})
    assert isinstance(error, RateLimited)
    assert error.retry_after is None


def test_a_secondary_limit_without_a_time_waits_a_minute() -> None:
    error = refused(403, {"message": "You have exceeded a secondary rate limit. Please wait."})
    assert isinstance(error, RateLimited)
    assert error.scope is Scope.CONNECTION
    assert error.retry_after == timedelta(minutes=1)


def test_a_secondary_limit_on_creating_content_stops_only_writes() -> None:
    said = {
        "message": "You have exceeded a secondary rate limit and have been temporarily blocked from content creation."
    }
    error = refused(403, said, {"retry-after": "60", "x-ratelimit-remaining": "0"}, WRITE)
    assert isinstance(error, RateLimited)
    assert error.scope is Scope.ENDPOINT
    assert WRITE.endpoint == "write"
    read = refused(403, said, {"retry-after": "60"})
    assert isinstance(read, RateLimited)
    assert read.scope is Scope.CONNECTION


def test_a_missing_permission_is_not_a_limit() -> None:
    said = {"message": "Resource not accessible by personal access token"}
    error = refused(403, said, {"x-ratelimit-remaining": "4999"}, WRITE)
    assert isinstance(error, Forbidden)
    assert error.where == "acme/web"


def test_a_token_without_single_sign_on_says_so() -> None:
    error = refused(403, {}, {"x-github-sso": "required; url=https://github.com/orgs/acme/sso?x=secret"})
    assert isinstance(error, Forbidden)
    assert error.cause == "sso"
    assert "secret" not in str(error)


def test_not_found_may_be_not_allowed() -> None:
    error = refused(404)
    assert isinstance(error, Forbidden)
    assert (error.cause, error.where, error.status) == ("not_found", "acme/web", 404)


@pytest.mark.parametrize(
    ("status", "kind", "cause"),
    [
        (301, Stale, "moved"),
        (307, Stale, "moved"),
        (409, Stale, "409"),
        (410, Rejected, "gone"),
        (415, Rejected, "415"),
        (451, Rejected, "legal"),
        (408, Retryable, "408"),
        (502, Retryable, "502"),
    ],
)
def test_other_refusals(status: int, kind: type[ConnectorError], cause: str) -> None:
    error = refused(status)
    assert type(error) is kind
    assert error.cause == cause


def test_a_failed_read_leaves_nothing_unknown() -> None:
    error = refused(502)
    assert isinstance(error, Retryable)
    assert not error.sent


def test_unavailable_with_a_time_says_how_long() -> None:
    error = refused(503, None, {"retry-after": "Tue, 24 Nov 2026 09:00:30 GMT", "date": DATE})
    assert isinstance(error, Retryable)
    assert error.retry_after == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("errors", "cause", "fields"),
    [
        ([{"resource": "Issue", "field": "title", "code": "missing_field"}], "required:title", {"title"}),
        (
            [{"resource": "Issue", "field": "milestone", "code": "invalid", "value": 9}],
            "invalid:milestone",
            {"milestone"},
        ),
        ([{"resource": "Issue", "field": "body", "code": "custom", "message": "too long"}], "invalid:body", {"body"}),
        (["a sentence about WEB-12"], "invalid", set()),
        (None, "invalid", set()),
        ([{"field": "WEB-12 of alice", "code": "x y"}], "invalid:?", {"?"}),
    ],
)
def test_values_that_github_refuses_are_named_by_field(errors: Any, cause: str, fields: set[str]) -> None:
    error = refused(422, {"message": "Validation Failed", "errors": errors}, request=WRITE)
    assert isinstance(error, Rejected)
    assert error.cause == cause
    assert set(error.fields) == fields


_HEADER = st.one_of(st.text(max_size=12), st.sampled_from(["0", "-1", "1e9", "9" * 30, DATE, "٣", "soon"]))


@given(
    status=st.integers(300, 599),
    body=st.one_of(st.binary(max_size=20), st.sampled_from([b"null", b"[]", b'{"message": 5, "errors": {"a": 1}}'])),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "date", "x-ratelimit-remaining", "x-ratelimit-reset", "link"]), _HEADER
    ),
)
def test_no_answer_however_odd_makes_the_classifier_fail(status: int, body: bytes, headers: dict[str, str]) -> None:
    error = SYSTEM.refusal(WRITE, Response(status, headers, body))
    assert (error is None) == (status == 304)
    next_page(Response(200, headers))


# --- what the sandbox really answers -------------------------------------------------------------
def test_the_sandboxs_own_quota_is_understood() -> None:
    here = scene(enforce=True, hourly=3)
    for _ in range(3):
        here.site.send(get("/user"))
    with pytest.raises(RateLimited) as caught:
        here.site.send(get("/user"))
    assert caught.value.cause == "rate:primary"
    assert caught.value.retry_after is not None
    here.clock.move(caught.value.retry_after)
    here.site.send(get("/user"))


def test_the_sandboxs_own_limit_on_writing_is_understood() -> None:
    here = scene(enforce=True, writes_per_minute=2)
    for _ in range(2):
        here.site.send(write("POST", "/repos/acme/web/issues", {"title": "x"}))
    with pytest.raises(RateLimited) as caught:
        here.site.send(write("POST", "/repos/acme/web/issues", {"title": "x"}))
    assert caught.value.scope is Scope.ENDPOINT
    here.site.send(get("/user"))
    here.clock.move(timedelta(seconds=61))
    here.site.send(write("POST", "/repos/acme/web/issues", {"title": "x"}))


def test_the_limits_are_those_that_are_configured() -> None:
    settings = SYSTEM.connection().load({**CONNECTION, "limits": {"writes_per_hour": 50}})
    known = [(limit.endpoint, limit.amount, limit.per, limit.unit) for limit in SYSTEM.limits(settings)]
    assert ("write", 50, timedelta(hours=1), "calls") in known
    assert ("*", 900, timedelta(minutes=1), "points") in known
    assert (READ.cost, WRITE.cost) == (1, 5)


# --- requests ----------------------------------------------------------------------------------
def test_the_token_is_only_in_its_header() -> None:
    here = scene()
    headers = SYSTEM.authorize(here.site.settings, here.transport.reveal)
    assert headers == {"Authorization": "Bearer ghp_bot_canary_4711"}
    assert "canary" not in repr(here.site.settings) + repr(READ)


def act_one(here: Bench) -> Bench:
    act(here, "POST", "/repos/acme/web/issues", {"title": "x"})
    return here


def test_every_request_pins_the_version_of_the_api() -> None:
    here = scene()
    SYSTEM.find(act_one(here).site, None, "acme/web#1")
    for request in here.transport.sent:
        assert request.headers["X-GitHub-Api-Version"] == "2022-11-28"


def test_an_enterprise_server_is_reached_under_its_path() -> None:
    here = scene({**CONNECTION, "url": "https://ghe.example/api/v3/"})
    assert SYSTEM.base_url(here.site.settings) == "https://ghe.example/api/v3"
    assert SYSTEM.probe(here.site).name == "acme-bot"


def test_the_probe_tells_scopes_and_time() -> None:
    here = scene()
    who = SYSTEM.probe(here.site)
    assert who.scopes == ("repo",)
    assert who.time == here.clock()


def test_pages_are_followed_to_the_end() -> None:
    here = scene()
    for number in range(250):
        act(here, "POST", "/repos/acme/web/issues", {"title": str(number)})
    got = list(pages(here.site, get("/repos/acme/web/issues", {"state": "all", "per_page": "100"})))
    assert [len(page) for page in got] == [100, 100, 50]


def test_an_answer_that_is_no_list_may_be_asked_again() -> None:
    here = scene()
    here.sandbox.faults.on.append(Fault("status", status=200))
    with pytest.raises(Retryable) as caught:
        list(pages(here.site, get("/repos/acme/web/issues")))
    assert not caught.value.sent


def test_a_wrong_token_is_answered_as_github_does() -> None:
    answer = ask(scene(), "GET", "/user", who="nobody")
    assert answer.status == 401
    assert json.loads(answer.body)["message"] == "Bad credentials"


# --- settings ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://x"},
        {"url": "https://user@host/api/v3"},
        {"url": "https://host/api?x=1"},
        {"auth": {}},
        {"auth": {"token": "ghp_pasted"}},
        {"webhook": {"secret": ["env:A", "env:B", "env:C"]}},
        {"limits": {"writes_per_hour": "many"}},
    ],
)
def test_a_wrong_connection_is_refused(wrong: dict[str, Any]) -> None:
    assert SYSTEM.connection().validate({**CONNECTION, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"repository": "web"},
        {"repositories": ["acme/.."]},
        {"repositories": []},
        {"repositories": ["a/b/c"]},
        {"repository": "a/b", "repositories": ["a/b"]},
    ],
)
def test_a_wrong_source_is_refused(wrong: dict[str, Any]) -> None:
    assert SYSTEM.source is not None
    assert SYSTEM.source().validate(wrong)


def test_one_repository_or_many_give_the_same_settings() -> None:
    assert SYSTEM.source is not None
    one = SYSTEM.source().load({"repository": "acme/web"})
    assert one == SYSTEM.source().load({"repositories": "acme/web"})
    assert one == SYSTEM.source().load({"repositories": ["acme/web"]})


def test_the_quota_begins_with_a_call_and_unchanged_answers_cost_none_of_it() -> None:
    quota = SYSTEM.limits(SYSTEM.connection().load(CONNECTION))[0]
    assert (quota.endpoint, quota.amount, quota.per) == ("*", 5000, timedelta(hours=1))
    assert (quota.period, quota.spares_unchanged) == (Period.STARTED, True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ()),
        ({"x-ratelimit-remaining": "17"}, (Left("*", timedelta(hours=1), 17),)),
        (
            {
                "x-ratelimit-remaining": "17",
                "x-ratelimit-resource": "core",
                "x-ratelimit-reset": "1800000060",
                "date": "Fri, 15 Jan 2027 08:00:00 GMT",
            },
            (Left("*", timedelta(hours=1), 17, resets_in=timedelta(minutes=1)),),
        ),
        ({"x-ratelimit-remaining": "17", "x-ratelimit-resource": "search"}, ()),
        ({"x-ratelimit-remaining": "many"}, ()),
    ],
)
def test_what_an_answer_says_is_left_of_the_quota(headers: dict[str, str], expected: tuple[Left, ...]) -> None:
    assert SYSTEM.headroom is not None
    assert SYSTEM.headroom(READ, Response(200, headers)) == expected
