"""Webhooks of GitHub are proven and read; none makes the reader crash."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import Unreadable, Untrusted
from connector.event import Event, Kind
from connector.ports import SecretRef
from connector.system import Inbound, Received, Trust
from connector.systems.github import SYSTEM
from connector.systems.github.settings import Auth, Connection, Source, Webhook
from tests.systems.direct import reveals
from tests.systems.github.scene import act, hooked, later, mark, received, scene

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
READ = {"issues", "issue_comment", "pull_request", "pull_request_review", "pull_request_review_comment"}


def payloads(folder: Path) -> dict[str, list[dict[str, Any]]]:
    files = sorted((folder / "webhooks" / "github-octokit").glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def only(got: Received) -> Event:
    assert len(got.events) == 1, got.ignored
    return got.events[0]


# --- proof -----------------------------------------------------------------------------------------
def test_the_published_signature_vector_is_accepted(reference_data: Path) -> None:
    vector = json.loads((reference_data / "signatures" / "vectors.json").read_text(encoding="utf-8"))["github"]
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    connection = Connection(Auth(SecretRef("env", "T")), webhook=Webhook((SecretRef("env", "HOOK"),)))
    inbound = Inbound(headers, vector["body"].encode())
    assert SYSTEM.verify(connection, inbound, reveals({"HOOK": vector["secret"]}), NOW) is Trust.SIGNED


@pytest.mark.parametrize(
    "header",
    ["sha1={0}", "sha256={0}, sha256={0}", "sha256={0},sha256={0}", " sha256={0}", "sha256={0}\n", "SHA256={0}", "{0}"],
)
def test_a_signature_in_another_form_is_refused(header: str) -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/issues", {"title": "x"})
    (hook,) = here.sandbox.hooks(here.clock())
    digest = hook.headers["X-Hub-Signature-256"].removeprefix("sha256=")
    inbound = Inbound({"x-hub-signature-256": header.format(digest)}, hook.body)
    with pytest.raises(Untrusted) as caught:
        SYSTEM.verify(here.site.settings, inbound, here.transport.reveal, NOW)
    assert digest not in str(caught.value)


def test_a_good_sha1_signature_alone_is_refused() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/issues", {"title": "x"})
    (hook,) = here.sandbox.hooks(here.clock())
    with pytest.raises(Untrusted):
        SYSTEM.verify(
            here.site.settings, Inbound({"x-hub-signature": "sha1=" + "0" * 40}, hook.body), here.transport.reveal, NOW
        )


def test_without_a_configured_secret_nothing_is_trusted() -> None:
    with pytest.raises(Untrusted) as caught:
        SYSTEM.verify(Connection(Auth(SecretRef("env", "T"))), Inbound({}, b"{}"), reveals({}), NOW)
    assert caught.value.cause == "unconfigured"


@pytest.mark.parametrize("secrets", [{}, {"HOOK": ""}])
def test_a_secret_that_is_absent_or_empty_lets_nobody_in(secrets: Mapping[str, str]) -> None:
    body = b"{}"
    forged = "sha256=" + hmac.digest(b"", body, "sha256").hex()
    connection = Connection(Auth(SecretRef("env", "T")), webhook=Webhook((SecretRef("env", "HOOK"),)))
    with pytest.raises(Untrusted):
        SYSTEM.verify(connection, Inbound({"x-hub-signature-256": forged}, body), reveals(secrets), NOW)


# --- every known payload ---------------------------------------------------------------------------
def test_every_known_payload_is_read_or_ignored_with_a_reason(reference_data: Path) -> None:
    seen: set[Kind] = set()
    for name, bodies in payloads(reference_data).items():
        for body in bodies:
            got = received(name, body)
            assert bool(got.events) != bool(got.ignored), name
            assert bool(got.events) <= (name in READ), name
            seen.update(event.kind for event in got.events)
            for event in got.events:
                assert event.raw == body
                assert event.entity.scope == body["repository"]["full_name"]
    assert seen == set(SYSTEM.kinds) - {Kind.PULL_REQUEST_MERGED}, "no recorded pull request was merged"


def test_what_we_do_not_use_says_so(reference_data: Path) -> None:
    known = payloads(reference_data)
    assert received("ping", known["ping"][0]).ignored == "ping"
    assert "push" in received("push", known["push"][0]).ignored
    assert received("pull_request_review", known["pull_request_review"][0]).ignored == "a review without words"
    assert "dismissed" in received("pull_request_review", known["pull_request_review"][1]).ignored


def test_a_real_issue_becomes_the_vocabulary(reference_data: Path) -> None:
    body = payloads(reference_data)["issues"][0]
    event = only(received("issues", body))
    assert event.kind is Kind.ISSUE_UPDATED
    assert event.entity.ref == "github:issue:444500041"
    assert event.entity.key == "Codertocat/Hello-World#1"
    assert event.data["title"] == "Spelling error in the README file"
    assert event.data["labels"] == ["bug"]
    assert event.data["milestone"] == "v1.0"
    assert event.data["assignee"]["login"] == "Codertocat"
    assert event.data["created"] == "2019-05-15T15:20:18+00:00"
    assert event.data["state_category"] == "new"
    assert "state_reason" not in event.data, "what a payload does not carry is absent"


def test_a_payload_that_lacks_the_state_is_only_a_hint(reference_data: Path) -> None:
    pinned = next(b for b in payloads(reference_data)["issues"] if b["action"] == "pinned")
    event = only(received("issues", pinned))
    assert event.partial
    assert not {"state", "labels"} & event.data.keys()


def test_a_transfer_ends_the_issue_here_and_begins_it_there(reference_data: Path) -> None:
    issues = payloads(reference_data)["issues"]
    gone = next(b for b in issues if b["action"] == "transferred")
    assert only(received("issues", gone)).kind is Kind.ISSUE_DELETED
    come = next(b for b in issues if b["action"] == "opened" and "changes" in b)
    assert only(received("issues", come)).kind is Kind.ISSUE_CREATED


# --- what changed ------------------------------------------------------------------------------
def test_the_changes_are_told_from_the_state_before() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/issues", {"title": "Old", "body": "b", "labels": ["bug"]})
    hooked(here)
    later(here)
    asked = {"title": "New", "labels": ["bug", "p0"], "assignees": ["bob"], "milestone": 1, "state": "closed"}
    act(here, "PATCH", "/repos/acme/web/issues/1", asked)
    told: dict[str, Any] = {}
    for event in hooked(here):
        told.update(event.change)
    assert told["title"] == {"from": "Old", "to": "New"}
    assert told["labels"] == {"from": ["bug"], "to": ["bug", "p0"]}
    assert told["assignees"]["from"] == []
    assert [p["login"] for p in told["assignees"]["to"]] == ["bob"]
    assert told["milestone"] == {"from": None, "to": "v1.0"}
    assert told["state"] == {"from": "open", "to": "closed"}


def test_an_issue_that_is_reopened_and_stripped_tells_that_too() -> None:
    here = scene()
    first = {"title": "Old", "labels": ["bug"], "assignees": ["bob"], "milestone": 1}
    act(here, "POST", "/repos/acme/web/issues", first)
    act(here, "PATCH", "/repos/acme/web/issues/1", {"state": "closed"})
    hooked(here)
    later(here)
    act(here, "PATCH", "/repos/acme/web/issues/1", {"labels": [], "assignees": [], "milestone": None, "state": "open"})
    told: dict[str, Any] = {}
    for event in hooked(here):
        told.update(event.change)
    assert told["labels"] == {"from": ["bug"], "to": []}
    assert told["milestone"] == {"from": "v1.0", "to": None}
    assert told["assignee"]["from"]["login"] == "bob"
    assert told["assignee"]["to"] is None
    assert told["state"] == {"from": "closed", "to": "open"}


def test_a_merge_is_not_a_closing() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/pulls", {"title": "x", "head": "fix", "base": "main"})
    (opened,) = hooked(here)
    assert opened.data["branch"] == "fix"
    assert opened.data["merged"] is False
    later(here)
    act(here, "PUT", "/repos/acme/web/pulls/1/merge", {})
    (merged,) = hooked(here)
    assert merged.kind is Kind.PULL_REQUEST_MERGED
    assert merged.data["merged"] is True
    assert merged.change["merged"] == {"from": False, "to": True}
    assert merged.entity == opened.entity


def test_a_pull_request_has_one_id_in_both_of_its_shapes() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/pulls", {"title": "x", "head": "fix", "base": "main"})
    act(here, "POST", "/repos/acme/web/issues/1/comments", {"body": "hm"})
    opened, said = hooked(here)
    assert said.kind is Kind.COMMENT_CREATED
    assert said.entity == opened.entity
    assert said.partial, "a comment's payload lacks the branch"
    full = SYSTEM.complete(here.site, said)
    assert full is not None
    assert full.data["branch"] == "fix"
    assert full.data["comment"] == said.data["comment"]
    assert not full.partial


def test_a_pull_request_closed_twice_gives_two_events() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/pulls", {"title": "x", "head": "fix", "base": "main"})
    ids = []
    for state in ("closed", "open", "closed"):
        later(here)
        act(here, "PATCH", "/repos/acme/web/pulls/1", {"state": state})
        ids += [e.id for e in hooked(here) if e.kind is Kind.PULL_REQUEST_CLOSED]
    assert len(set(ids)) == 2


def test_the_words_of_a_review_are_a_comment() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/pulls", {"title": "x", "head": "fix", "base": "main"})
    act(here, "POST", "/repos/acme/web/pulls/1/reviews", {"event": "APPROVE"})
    act(here, "POST", "/repos/acme/web/pulls/1/reviews", {"event": "COMMENT", "body": "Nice"})
    _, said = hooked(here)
    assert said.kind is Kind.COMMENT_CREATED
    assert said.data["comment"]["body"]["content"] == "Nice"
    assert said.sub.startswith("review-"), "reviews and comments count their ids apart"
    assert not said.partial


def test_an_edited_comment_tells_what_it_said() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/issues", {"title": "x"})
    said = act(here, "POST", "/repos/acme/web/issues/1/comments", {"body": "before"})
    hooked(here)
    later(here)
    act(here, "PATCH", f"/repos/acme/web/issues/comments/{said['id']}", {"body": "after"})
    (event,) = hooked(here)
    assert event.change["comment"]["from"]["content"] == "before"
    assert event.change["comment"]["to"]["content"] == "after"


# --- markers -----------------------------------------------------------------------------------
def test_our_marker_is_found_and_not_shown() -> None:
    here = scene()
    body = f"Words\n\n<!-- {mark('x')} -->"
    act(here, "POST", "/repos/acme/web/issues", {"title": "x", "body": body}, who="ghp_bot_canary_4711")
    (event,) = hooked(here)
    assert event.marker == str(mark("x"))
    assert event.data["body"]["content"] == "Words"
    assert event.raw["issue"]["body"] == body


def test_an_issue_with_and_without_our_marker_is_the_same_state() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/issues", {"title": "x", "body": "Words"})
    later(here)
    act(here, "PATCH", "/repos/acme/web/issues/1", {"body": f"Words\n\n<!-- {mark('x')} -->"})
    event = hooked(here)[-1]
    unmarked = {**event.raw, "issue": {**event.raw["issue"], "body": "Words"}}
    assert only(received("issues", unmarked)).id.partition("/")[2] == event.id.partition("/")[2]


def test_the_order_in_which_labels_and_people_are_listed_is_no_change() -> None:
    here = scene()
    asked = {"title": "x", "labels": ["bug", "question"], "assignees": ["alice", "bob"]}
    act(here, "POST", "/repos/acme/web/issues", asked)
    event = hooked(here)[-1]
    issue = event.raw["issue"]
    turned = {**issue, "labels": issue["labels"][::-1], "assignees": issue["assignees"][::-1]}
    assert only(received("issues", event.raw)).id == only(received("issues", {**event.raw, "issue": turned})).id


# --- robustness --------------------------------------------------------------------------------
def test_an_unknown_action_is_a_state_to_look_at(reference_data: Path) -> None:
    body = {**payloads(reference_data)["issues"][0], "action": "frobnicated"}
    assert only(received("issues", body)).kind is Kind.ISSUE_UPDATED


def test_an_unproven_payload_is_only_a_hint(reference_data: Path) -> None:
    assert only(received("issues", payloads(reference_data)["issues"][0], Trust.HINT)).partial


def test_a_form_encoded_webhook_is_read_too(reference_data: Path) -> None:
    payload = payloads(reference_data)["issues"][0]
    headers = {"x-github-event": "issues", "content-type": "application/x-www-form-urlencoded"}
    form = Inbound(headers, urlencode({"payload": json.dumps(payload)}).encode())
    assert only(SYSTEM.receive("github", None, form, Trust.SIGNED)).id == only(received("issues", payload)).id


def test_a_lone_surrogate_does_not_reach_the_store(reference_data: Path) -> None:
    payload = payloads(reference_data)["issues"][0]
    issue = {**payload["issue"], "title": "bad \ud800 text"}
    event = only(received("issues", {**payload, "issue": issue}))
    event.data["title"].encode()
    json.dumps(event.raw, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("id", "12"),
        ("id", None),
        ("id", True),
        ("updated_at", "yesterday"),
        ("updated_at", "2019-05-15T15:20:18"),
        ("title", 5),
        ("labels", [{"color": "x"}]),
        ("user", {"id": 1}),
        ("milestone", []),
    ],
)
def test_a_malformed_member_that_is_used_makes_the_payload_unreadable(
    reference_data: Path, where: str, value: Any
) -> None:
    payload = payloads(reference_data)["issues"][0]
    with pytest.raises(Unreadable):
        received("issues", {**payload, "issue": {**payload["issue"], where: value}})


def test_a_label_without_a_name_is_no_label(reference_data: Path) -> None:
    payload = payloads(reference_data)["issues"][0]
    event = only(received("issues", {**payload, "issue": {**payload["issue"], "labels": [{"name": None}, "plain"]}}))
    assert event.data["labels"] == ["plain"]


def test_a_deleted_account_is_no_reporter(reference_data: Path) -> None:
    payload = payloads(reference_data)["issues"][0]
    event = only(received("issues", {**payload, "issue": {**payload["issue"], "user": None}}))
    assert event.data["reporter"] is None


def test_deep_nesting_is_unreadable_and_no_crash() -> None:
    inbound = Inbound({"x-github-event": "issues"}, b'{"a":' * 100_000)
    with pytest.raises(Unreadable):
        SYSTEM.receive("github", None, inbound, Trust.SIGNED)


_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**12),
    st.text(max_size=8),
    st.just("2019-05-15T15:20:18"),
    st.just("\ud800"),
    st.lists(st.one_of(st.none(), st.text(max_size=3), st.dictionaries(st.text(max_size=3), st.none(), max_size=1))),
    st.dictionaries(st.sampled_from(["id", "name", "login", "body", "from"]), st.one_of(st.none(), st.integers())),
)


@settings(max_examples=200)
@given(data=st.data())
def test_a_damaged_payload_is_read_ignored_or_unreadable(reference_data: Path, data: st.DataObject) -> None:
    known = payloads_once(reference_data)
    name = data.draw(st.sampled_from(sorted(READ)))
    body = json.loads(data.draw(st.sampled_from(known[name])))
    for _ in range(data.draw(st.integers(1, 4))):
        damage(body, data)
    try:
        got = received(name, body)
    except Unreadable:
        return
    assert bool(got.events) != bool(got.ignored)
    for event in got.events:
        json.dumps(event.data, ensure_ascii=False).encode()
        assert event.entity.id


def damage(body: dict[str, Any], data: st.DataObject) -> None:
    """Drop or replace one member somewhere."""
    at: Any = body
    while True:
        if not isinstance(at, dict) or not at:
            return
        name = data.draw(st.sampled_from(sorted(at)))
        if isinstance(at[name], dict) and at[name] and data.draw(st.booleans()):
            at = at[name]
            continue
        if data.draw(st.booleans()):
            del at[name]
        else:
            at[name] = data.draw(_ODD)
        return


_KNOWN: dict[str, list[str]] = {}


def payloads_once(folder: Path) -> dict[str, list[str]]:
    if not _KNOWN:
        _KNOWN.update({name: [json.dumps(b) for b in bodies] for name, bodies in payloads(folder).items()})
    return _KNOWN


def test_only_the_named_repositories_are_selected_and_case_does_not_matter(reference_data: Path) -> None:
    event = only(received("issues", payloads(reference_data)["issues"][0]))
    assert SYSTEM.selects(Source(("codertocat/hello-world",)), event) == ""
    assert "Codertocat/Hello-World" in SYSTEM.selects(Source(("acme/web",)), event)


@pytest.mark.parametrize(
    ("action", "change"), [("typed", {"from": None, "to": "Bug"}), ("untyped", {"from": "Bug", "to": None})]
)
def test_an_issue_type_that_comes_or_goes_is_a_change(
    action: str, change: dict[str, Any], reference_data: Path
) -> None:
    opened = next(one for one in payloads(reference_data)["issues"] if one["action"] == "opened")
    event = only(received("issues", {**opened, "action": action, "type": {"id": 7, "name": "Bug"}}))
    assert event.change == {"type": change}
