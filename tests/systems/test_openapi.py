"""The validator accepts what the vendors' documents show and finds what we could get wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.systems.openapi import Spec

ISSUES = "/repos/acme/web/issues"


@pytest.fixture(scope="module")
def github(reference_data: Path) -> Spec:
    return Spec.load(reference_data / "openapi/github-rest-subset/api.github.com.subset.json")


@pytest.fixture(scope="module")
def slack(reference_data: Path) -> Spec:
    return Spec.load(reference_data / "openapi/slack-web-api/slack_web_openapi_v2_with_examples_subset.json")


def test_a_good_request_has_no_problem(github: Spec) -> None:
    assert github.check_request("GET", ISSUES, {"state": "all", "per_page": "100"}) == []
    assert github.check_request("POST", ISSUES, {}, {"title": "x", "labels": ["a"]}) == []


def test_a_path_that_does_not_exist_is_found(github: Spec) -> None:
    assert github.check_request("GET", "/repos/acme/web/isues", {}) == ["no path /repos/acme/web/isues"]


def test_a_method_that_does_not_exist_is_found(github: Spec) -> None:
    assert "no method PUT" in github.check_request("PUT", ISSUES, {}, {})[0]


def test_an_unknown_query_parameter_is_found(github: Spec) -> None:
    assert "stat is not declared" in github.check_request("GET", ISSUES, {"stat": "all"})[0]


def test_a_query_value_of_the_wrong_kind_is_found(github: Spec) -> None:
    assert len(github.check_request("GET", ISSUES, {"state": "oepn", "per_page": "many"})) == 2


def test_a_missing_required_member_is_found(github: Spec) -> None:
    assert github.check_request("POST", ISSUES, {}, {"body": "x"}) == ["body.title: missing"]


def test_an_undeclared_member_of_a_request_is_found(github: Spec) -> None:
    assert "assignes: is not declared" in github.check_request("POST", ISSUES, {}, {"title": "x", "assignes": []})[0]


def test_a_missing_body_is_found(github: Spec) -> None:
    assert github.check_request("POST", ISSUES, {}) == ["body: missing"]


def test_a_literal_path_wins_over_a_parameter(github: Spec) -> None:
    assert github.check_request("GET", f"{ISSUES}/comments", {"since": "2026-01-01T00:00:00Z"}) == []


def test_an_answer_that_lacks_what_the_vendor_always_sends_is_found(github: Spec) -> None:
    problems = github.check_answer("POST", ISSUES, 201, {"id": 1})
    assert "answer.number: missing" in problems


def test_an_undeclared_good_status_is_found(github: Spec) -> None:
    assert "status 204 is not declared" in github.check_answer("POST", ISSUES, 204, None)[0]


def test_a_known_error_of_the_document_can_be_waived(github: Spec) -> None:
    lenient = replace(github, waive=(r"answer\..*: missing",))
    assert lenient.check_answer("POST", ISSUES, 201, {"id": 1}) == []


def test_the_documents_own_examples_fit(slack: Spec) -> None:
    answer = {
        "ok": True,
        "channel": "C1H9RESGL",
        "ts": "1503435956.000247",
        "message": {"type": "message", "text": "hi", "ts": "1503435956.000247"},
    }
    assert slack.check_answer("POST", "/chat.postMessage", 200, answer) == []


def test_a_form_of_swagger_2_is_checked_as_a_body(slack: Spec) -> None:
    assert slack.check_request("POST", "/chat.postMessage", {}, {"channel": "C1", "text": "x"}) == []
    assert slack.check_request("POST", "/chat.postMessage", {}, {"text": "x"}) == ["body.channel: missing"]


def test_a_prefix_is_taken_off_our_paths(reference_data: Path) -> None:
    path = reference_data / "openapi/jira-dc-10.3/jira-software-dc-10.3-openapi.json"
    spec = Spec.load(path, prefix="/rest")
    assert spec.check_request("GET", "/rest/api/2/myself", {}) == []
    assert "does not start with" in spec.check_request("GET", "/api/2/myself", {})[0]
