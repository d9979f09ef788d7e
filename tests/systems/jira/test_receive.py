"""Webhooks of every age of Jira become events, or are ignored for a reason; none crashes the reader."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import Retryable, Unreadable, Untrusted
from connector.event import Event, Kind
from connector.system import Inbound, Received, Trust
from connector.systems.jira import SYSTEM
from tests.systems.direct import reveals
from tests.systems.jira.places import CONNECTIONS, SECRETS, Someone, later, place

SETTINGS = SYSTEM.connection().load(dict(CONNECTIONS["cloud"]))


def received(body: Any, trust: Trust = Trust.SIGNED) -> Received:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SYSTEM.receive("jira", SETTINGS, Inbound({}, raw), trust)


def user(number: str = "712020:a") -> dict[str, Any]:
    return {"accountId": number, "displayName": "Ada", "accountType": "atlassian"}


def issue_body(**more: Any) -> dict[str, Any]:
    fields = {
        "summary": "Login fails",
        "description": "It *fails*.",
        "project": {"key": "WEB"},
        "status": {"name": "To Do", "statusCategory": {"key": "new"}},
        "labels": ["p1"],
        "assignee": None,
        "created": "2026-11-24T10:00:00.000+0100",
        "updated": "2026-11-24T10:05:00.123+0100",
    }
    return {"id": "10234", "key": "WEB-12", "fields": {**fields, **more}}


def body(event: str = "jira:issue_updated", **more: Any) -> dict[str, Any]:
    return {"timestamp": 1764000000000, "webhookEvent": event, "user": user(), "issue": issue_body(), **more}


def comment_body(number: str = "7", **more: Any) -> dict[str, Any]:
    return {
        "self": f"https://acme.example/rest/api/2/issue/10234/comment/{number}",
        "id": number,
        "author": user(),
        "updateAuthor": user("712020:b"),
        "body": "I *see* it",
        "created": "2026-11-24T10:00:00.000+0100",
        "updated": "2026-11-24T10:00:00.000+0100",
        **more,
    }


def only(got: Received) -> Event:
    assert len(got.events) == 1, got
    return got.events[0]


# --- what a body says ----------------------------------------------------------------------------
def test_an_issue_is_named_by_its_number_and_shown_by_its_key() -> None:
    event = only(received(body("jira:issue_created")))
    assert (event.kind, event.id) == (Kind.ISSUE_CREATED, "jira:issue:10234/issue.created//")
    assert (event.entity.id, event.entity.key, event.entity.scope) == ("10234", "WEB-12", "WEB")
    assert event.entity.url == "http://sandbox/browse/WEB-12"


def test_the_vocabulary_holds_what_the_body_carries_and_nothing_else() -> None:
    data = only(received(body())).data
    assert data["title"] == "Login fails"
    assert data["body"] == {"format": "wiki", "content": "It *fails*."}
    assert (data["state"], data["state_category"]) == ("To Do", "new")
    assert data["assignee"] is None
    assert data["number"] == 12
    assert "priority" not in data, "absent is not known to be empty"


def test_the_project_is_the_one_that_the_key_begins_with() -> None:
    event = only(received({**body(), "issue": issue_body(project={"key": "BORN"})}))
    assert event.entity.scope == event.data["project"] == "WEB"


def test_an_update_is_named_by_its_changelog_entry() -> None:
    items = [
        {"field": "status", "from": "1", "fromString": "To Do", "to": "3", "toString": "Done"},
        {"field": "assignee", "from": None, "fromString": None, "to": "712020:a", "toString": "Ada"},
        {"field": "labels", "from": None, "fromString": "", "to": None, "toString": "a b"},
        {"field": "Key", "from": None, "fromString": "TES-82", "to": None, "toString": "WEB-12"},
        {"field": "Sprint", "from": "", "fromString": "", "to": "197", "toString": "Sprint 3"},
    ]
    event = only(received(body(changelog={"id": "104650", "items": items})))
    assert event.id == "jira:issue:10234/issue.updated//104650"
    assert event.change == {
        "state": {"from": "To Do", "to": "Done"},
        "assignee": {"from": None, "to": {"id": "712020:a", "name": "Ada"}},
        "labels": {"from": [], "to": ["a", "b"]},
        "key": {"from": "TES-82", "to": "WEB-12"},
        "Sprint": {"from": None, "to": "Sprint 3"},
    }


def test_a_changelog_of_strange_values_is_carried_as_it_is() -> None:
    items = [{"field": "Odd", "from": [1], "fromString": [], "to": {}, "toString": {"a": 1}}, "no item", {"field": 7}]
    event = only(received(body(changelog={"id": 5, "items": items})))
    assert event.change == {"Odd": {"from": [], "to": {"a": 1}}}


def test_without_a_changelog_the_state_itself_names_the_update() -> None:
    first, again = only(received(body())), only(received(body()))
    other = only(received({**body(), "issue": issue_body(summary="Other")}))
    assert first.id == again.id != other.id
    wiki, adf = body(), body()
    adf["issue"]["fields"]["description"] = {"type": "doc", "version": 1, "content": []}
    assert only(received(wiki)).id == only(received(adf)).id, "v2 and v3 write one text in two ways"


def test_a_comment_event_waits_to_be_completed() -> None:
    event = only(received(body("comment_created", comment=comment_body())))
    assert (event.kind, event.sub, event.id) == (
        Kind.COMMENT_CREATED,
        "7",
        "jira:issue:10234/comment.created/7/",
    )
    assert event.partial
    assert event.data["comment"]["body"] == {"format": "wiki", "content": "I *see* it"}
    assert event.data["title"] == "Login fails"


def test_a_comment_without_its_issue_finds_it_in_its_own_address() -> None:
    event = only(received({"webhookEvent": "comment_created", "timestamp": 1, "comment": comment_body()}))
    assert (event.entity.id, event.entity.scope) == ("10234", "")
    source = SYSTEM.source
    assert source is not None
    assert SYSTEM.selects(source().load({"project": "OPS"}), event) == "", "its project is not known yet"


def test_a_comment_whose_issue_cannot_be_told_is_unreadable() -> None:
    bare = {name: value for name, value in comment_body().items() if name != "self"}
    with pytest.raises(Unreadable):
        received({"webhookEvent": "comment_created", "timestamp": 1, "comment": bare})


@pytest.mark.parametrize(
    ("more", "seen"),
    [
        ({}, "public"),
        ({"visibility": {"type": "role", "value": "Administrators"}}, "restricted"),
        ({"jsdPublic": True}, "public"),
        ({"jsdPublic": False}, "internal"),
        ({"properties": [{"key": "sd.public.comment", "value": {"internal": True}}]}, "internal"),
    ],
)
def test_who_may_read_a_comment_is_known(more: Mapping[str, Any], seen: str) -> None:
    event = only(received(body("comment_created", comment=comment_body(**more))))
    assert event.data["comment"]["visibility"] == seen


def test_who_did_it_is_who_wrote_unless_it_was_deleted() -> None:
    told = {"timestamp": 1764000000000, "issue": issue_body(), "comment": comment_body()}
    actors = {
        name: only(received({**told, "webhookEvent": name})).actor
        for name in ("comment_created", "comment_updated", "comment_deleted")
    }
    assert actors["comment_created"] == {"id": "712020:a", "name": "Ada"}
    assert actors["comment_updated"] == {"id": "712020:b", "name": "Ada"}
    assert actors["comment_deleted"] is None


def test_a_comment_edited_again_is_another_event() -> None:
    first = body("comment_updated", comment=comment_body(updated="2026-11-24T10:01:00.000+0100"))
    second = body("comment_updated", comment=comment_body(updated="2026-11-24T10:01:00.001+0100"))
    same = body("comment_updated", comment=comment_body(updated="2026-11-24T09:01:00.000+0000"))
    assert only(received(first)).id == only(received(same)).id != only(received(second)).id


# --- old Servers ---------------------------------------------------------------------------------
def test_a_comment_inside_an_issue_event_is_a_comment_only() -> None:
    event = only(received(body(comment=comment_body(), issue_event_type_name="issue_commented")))
    assert event.kind is Kind.COMMENT_CREATED
    twin = only(received(body("comment_created", comment=comment_body())))
    assert event.id == twin.id, "Data Center tells one comment twice; it is one event"


def test_an_edited_comment_inside_an_issue_event_is_an_edit() -> None:
    named = body(comment=comment_body(), issue_event_type_name="issue_comment_edited")
    assert only(received(named)).kind is Kind.COMMENT_UPDATED
    unnamed = body(comment=comment_body(updated="2026-11-24T10:09:00.000+0100"))
    assert only(received(unnamed)).kind is Kind.COMMENT_UPDATED


def test_a_change_with_a_comment_is_both() -> None:
    items = [{"field": "status", "fromString": "To Do", "toString": "Done"}]
    got = received(body(comment=comment_body(), changelog={"id": "5", "items": items}))
    assert [event.kind for event in got.events] == [Kind.ISSUE_UPDATED, Kind.COMMENT_CREATED]


def test_a_deleted_comment_that_is_not_named_is_ignored_with_the_reason() -> None:
    got = received(body(issue_event_type_name="issue_comment_deleted"))
    assert got.events == ()
    assert "deleted" in got.ignored


def test_a_workflow_post_function_names_no_event_and_is_read() -> None:
    step = {"transitionName": "Reopen", "from_status": "Done", "to_status": "To Do"}
    event = only(received({"timestamp": 1, "transition": step, "comment": "", "issue": issue_body(), "user": user()}))
    assert event.kind is Kind.ISSUE_UPDATED
    assert event.change == {"state": {"from": "Done", "to": "To Do"}}


@pytest.mark.parametrize(
    "name",
    ["worklog_created", "sprint_started", "board_created", "project_deleted", "user_updated", "issuelink_created",
     "jira:version_released", "attachment_created", "some_new_thing", "option_voting_changed"],
)  # fmt: skip
def test_what_is_no_issue_or_comment_is_ignored_with_a_reason(name: str) -> None:
    got = received({"webhookEvent": name, "timestamp": 1})
    assert got.events == ()
    assert got.ignored


# --- malformed members ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    "wrong",
    [
        {"issue": None},
        {"issue": []},
        {"issue": {"id": "x", "key": "WEB-1", "fields": {}}},
        {"issue": {"id": True, "fields": {}}},
        {"issue": {"id": "1", "key": "WEB-1", "fields": []}},
        {"changelog": "no"},
        {"issue": {"id": "1", "key": "WEB-1", "fields": {"description": [7]}}},
        {"webhookEvent": {"a": 1}},
        {"issue": {"id": "1", "key": "WEB-1", "fields": {"description": 7}}},
        {"issue": {"id": "1", "key": "WEB-1", "fields": {}}, "timestamp": "yesterday"},
    ],
)
def test_a_malformed_member_that_we_use_is_unreadable(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(Unreadable):
        received({**body(), **wrong})


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000, b'{"n": ' + b"9" * 5000 + b"}"])
def test_what_is_not_json_is_unreadable(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        received(raw)


def test_half_a_surrogate_pair_is_carried_as_a_question_mark() -> None:
    raw = json.dumps(body()).replace("Login fails", "Login \\ud83d fails").encode()
    event = only(received(raw))
    assert event.data["title"] == "Login ? fails"
    whole = json.dumps(body()).replace("Login fails", "Login \\ud83d\\ude00 fails").encode()
    assert only(received(whole)).data["title"] == "Login \U0001f600 fails"


# --- reference payloads --------------------------------------------------------------------------
def payloads(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    files = sorted(folder.glob("webhooks/jira-*/**/*.json"))
    return [(str(path.relative_to(folder)), json.loads(path.read_text(encoding="utf-8"))) for path in files]


class Corpus(list[tuple[str, dict[str, Any]]]):
    """The payloads; too long to be printed with every failing example."""

    def __repr__(self) -> str:
        return f"{len(self)} payloads"


@pytest.fixture(scope="session")
def corpus(reference_data: Path) -> Corpus:
    return Corpus(payloads(reference_data))


def test_every_reference_payload_is_read_or_ignored_for_a_reason(corpus: Corpus) -> None:
    kinds: dict[str, set[str]] = {}
    for name, raw in corpus:
        got = received(raw)
        assert got.events or got.ignored, name
        kinds[name] = {str(event.kind) for event in got.events} or {got.ignored}
        for event in got.events:
            assert event.at.tzinfo is not None, name
            assert event.at.year > 2000, name
            json.dumps(event.data)
    assert len(kinds) >= 70
    assert kinds["webhooks/jira-zulip/commented_v1.json"] == {"comment.created"}
    assert kinds["webhooks/jira-zulip/comment_edited_v2.json"] == {"comment.updated"}
    assert kinds["webhooks/jira-zulip/change_status_v1.json"] == {"issue.updated"}
    assert kinds["webhooks/jira-zulip/comment_created_no_issue_details.json"] == {"comment.created"}
    assert kinds["webhooks/jira-mobitel/issue/updated/commented-changed.json"] == {"issue.updated"}
    assert kinds["webhooks/jira-pinpoint/jira_issue_updated.project.json"] == {"issue.updated"}
    ignored = {name for name, found in kinds.items() if not any("." in kind and " " not in kind for kind in found)}
    assert not {name for name in ignored if "issue_" in name or "comment_created" in name}


def test_a_moved_issue_keeps_its_number(reference_data: Path) -> None:
    raw = json.loads((reference_data / "webhooks/jira-pinpoint/jira_issue_updated.project.json").read_text())
    event = only(received(raw))
    assert event.entity.scope == "GOLD"
    assert event.change["project"] == {"from": "TESTING", "to": "Gold Miners"}
    assert event.change["key"] == {"from": "TES-82", "to": "GOLD-208"}


_JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2), st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip


def _places(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    if isinstance(node, dict):
        for name, value in node.items():
            found += _places(value, (*at, name))
    elif isinstance(node, list):
        for number, value in enumerate(node[:3]):
            found += _places(value, (*at, number))
    return found


def _spoilt(node: Any, at: tuple[Any, ...], junk: Any, drop: bool) -> Any:
    if not at:
        return junk
    copy = dict(node) if isinstance(node, dict) else list(node)
    if drop and len(at) == 1 and isinstance(copy, dict):
        copy.pop(at[0], None)
    else:
        copy[at[0]] = _spoilt(copy[at[0]], at[1:], junk, drop)
    return copy


@settings(max_examples=200)
@given(data=st.data())
def test_a_spoilt_payload_is_read_ignored_or_unreadable(corpus: Corpus, data: st.DataObject) -> None:
    _, raw = corpus[data.draw(st.integers(0, len(corpus) - 1), label="payload")]
    for _ in range(data.draw(st.integers(1, 3))):
        places = _places(raw)
        if not places:
            break
        # Shallow members matter most; sampling by depth first keeps them from drowning.
        depth = data.draw(st.integers(1, 6))
        near = [at for at in places if len(at) <= depth]
        at = data.draw(st.sampled_from(near), label="member")
        raw = _spoilt(raw, at, data.draw(_JUNK), data.draw(st.booleans()))
        if not isinstance(raw, dict):
            break
    try:
        got = received(raw)
    except Unreadable as wrong:
        _is_grouped(wrong)
        return
    assert got.events or got.ignored
    for event in got.events:
        json.dumps(event.data)


def _is_grouped(wrong: Unreadable) -> None:
    assert wrong.cause.startswith("malformed:")


# --- trust ---------------------------------------------------------------------------------------
def verified(connection: Mapping[str, Any], inbound: Inbound, secrets: Mapping[str, str] = SECRETS) -> Trust:
    here = SYSTEM.connection().load({**CONNECTIONS["cloud"], **connection})
    from tests.systems.contract import UTC_NOW

    return SYSTEM.verify(here, inbound, reveals(secrets), UTC_NOW)


def test_atlassians_own_signature_example_is_accepted() -> None:
    digest = "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    inbound = Inbound({"x-hub-signature": f"sha256={digest}"}, b"Hello World!")
    assert verified({}, inbound) is Trust.SIGNED


@pytest.mark.parametrize(
    "header",
    ["", "sha1=" + "a" * 40, "sha256=" + "A" * 64, "sha256=" + "a" * 63, "sha256=" + "a" * 64 + ", sha256=" + "b" * 64,
     "sha256=" + "a" * 65, "a" * 64, " sha256=" + "a" * 64, "sha256=" + "a" * 64 + "\n"],
)  # fmt: skip
def test_only_one_well_formed_signature_is_looked_at(header: str) -> None:
    with pytest.raises(Untrusted) as caught:
        verified({}, Inbound({"x-hub-signature": header}, b"Hello World!"))
    assert "a4771c39" not in str(caught.value)


def test_a_connection_without_webhooks_trusts_nobody() -> None:
    settings_ = SYSTEM.connection().load({k: v for k, v in CONNECTIONS["cloud"].items() if k != "webhook"})
    from tests.systems.contract import UTC_NOW

    with pytest.raises(Untrusted):
        SYSTEM.verify(settings_, Inbound({}, b"{}"), reveals(SECRETS), UTC_NOW)


def test_a_path_key_makes_a_hint_of_what_cannot_sign() -> None:
    hook = {"webhook": {"path_key": "env:KEY"}}
    secrets = {**SECRETS, "KEY": "unguessable"}
    assert verified(hook, Inbound({}, b"{}", {"key": "unguessable"}), secrets) is Trust.HINT
    for query in ({}, {"key": ""}, {"key": "Unguessable"}, {"key": "unguessablé"}):
        with pytest.raises(Untrusted):
            verified(hook, Inbound({}, b"{}", query), secrets)
    with pytest.raises(Untrusted):
        verified(hook, Inbound({}, b"{}", {"key": ""}), {"KEY": ""})


def test_only_allowed_addresses_may_send() -> None:
    hook = {"webhook": {"from": ["10.1.0.0/16", "192.0.2.7", "2001:db8::/32"]}}
    for peer in ("10.1.2.3", "192.0.2.7", "2001:db8::1", "::ffff:10.1.2.3"):
        assert verified(hook, Inbound({}, b"{}", {}, peer)) is Trust.HINT
    for peer in ("10.2.0.1", "192.0.2.8", "", "testclient", "2001:db9::1"):
        with pytest.raises(Untrusted):
            verified(hook, Inbound({}, b"{}", {}, peer))


def test_an_address_does_not_replace_a_signature() -> None:
    with pytest.raises(Untrusted):
        verified({"webhook": {"secret": "env:HOOK", "from": "10.0.0.0/8"}}, Inbound({}, b"{}", {}, "10.0.0.1"))


def test_a_hint_is_read_again_before_use() -> None:
    assert all(event.partial for event in received(body(), Trust.HINT).events)
    assert not only(received(body())).partial


# --- selects -------------------------------------------------------------------------------------
def test_a_source_covers_its_projects_and_types() -> None:
    assert SYSTEM.source is not None
    event = only(received({**body(), "issue": issue_body(issuetype={"name": "Bug"})}))
    load = SYSTEM.source().load
    assert SYSTEM.selects(load({"project": "WEB"}), event) == ""
    assert SYSTEM.selects(load({"projects": ["OPS", "WEB"], "types": ["bug"]}), event) == ""
    assert SYSTEM.selects(load({"project": "OPS"}), event)
    assert SYSTEM.selects(load({"project": "WEB", "types": "Task"}), event)


# --- completing ----------------------------------------------------------------------------------
@pytest.mark.parametrize("flavour", ["cloud", "data-center"])
def test_a_comment_hint_is_completed_with_issue_visibility_and_text(flavour: str) -> None:
    here = place(flavour)
    ada = Someone(here)
    issue = ada.creates()
    ada.comments(issue, "Only for us", visibility={"type": "role", "value": "Administrators"})
    hooks = here.sandbox.hooks(here.clock())
    events = [
        e for h in hooks for e in SYSTEM.receive("here", here.site.settings, Inbound({}, h.body), Trust.HINT).events
    ]
    comment = next(e for e in events if e.kind is Kind.COMMENT_CREATED)
    full = SYSTEM.complete(here.site, comment)
    assert full is not None
    assert full.partial is False
    assert full.entity.scope == "WEB"
    assert full.data["title"] == "A bug"
    assert full.data["comment"]["visibility"] == "restricted"
    assert full.data["comment"]["body"]["format"] == ("adf" if flavour == "cloud" else "wiki")


def test_a_forged_hint_of_what_never_was_is_none() -> None:
    here = place()
    forged = dataclasses.replace(only(received(body(), Trust.HINT)))
    assert SYSTEM.complete(here.site, forged) is None
    comment = only(received(body("comment_created", comment=comment_body()), Trust.HINT))
    assert SYSTEM.complete(here.site, comment) is None


def test_a_deletion_is_believed_only_when_the_thing_is_gone() -> None:
    here = place()
    ada = Someone(here)
    issue, comment = ada.creates(), ""
    comment = ada.comments(issue)
    here.sandbox.hooks(here.clock())
    gone_comment: dict[str, Any] = {
        "webhookEvent": "comment_deleted",
        "timestamp": 1764000000000,
        "comment": comment_body(comment),
    }
    gone_comment["comment"]["self"] = f"http://sandbox/rest/api/2/issue/{issue}/comment/{comment}"
    of_issue = only(received({**body("jira:issue_deleted"), "issue": {**issue_body(), "id": issue}}, Trust.HINT))
    of_comment = only(received(gone_comment, Trust.HINT))
    assert SYSTEM.complete(here.site, of_issue) is None
    assert SYSTEM.complete(here.site, of_comment) is None
    ada.ask("DELETE", f"/issue/{issue}/comment/{comment}")
    told = SYSTEM.complete(here.site, of_comment)
    assert told is not None
    assert (told.partial, told.entity.scope) == (False, "WEB")
    ada.ask("DELETE", f"/issue/{issue}")
    later(here, seconds=1)
    assert SYSTEM.complete(here.site, of_issue) is not None


@pytest.mark.parametrize("named", ["WEB-1", "web-1", " WEB-1 ", "http://sandbox/browse/WEB-1?x=OPS", "10001",
                                   "http://sandbox/jira/software/projects/WEB/boards/1?selectedIssue=WEB-1"])  # fmt: skip
def test_an_issue_is_found_by_key_number_or_address(named: str) -> None:
    here = place()
    Someone(here).creates("Named")
    found = SYSTEM.find(here.site, None, named)
    assert (found.entity.key, found.data["title"]) == ("WEB-1", "Named")


def test_an_old_key_still_finds_a_moved_issue() -> None:
    here = place()
    Someone(here).creates("Moved")
    here.sandbox.move("WEB-1", "OPS", "ada", here.clock())
    assert SYSTEM.find(here.site, None, "WEB-1").entity.key == "OPS-1"


# --- queries ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("flavour", ["cloud", "data-center"])
def test_a_query_is_asked_of_the_one_issue(flavour: str) -> None:
    here = place(flavour)
    Someone(here).creates("Named", labels=["red"])
    Someone(here).creates("Other", labels=["blue"])
    event = SYSTEM.find(here.site, None, "WEB-1")
    assert SYSTEM.matches is not None
    later(here, minutes=3)
    assert SYSTEM.matches(here.site, "labels = red ORDER BY key", event)
    assert not SYSTEM.matches(here.site, "labels = blue OR labels = green", event)


def test_a_query_about_a_fresh_issue_looks_past_the_index_where_it_can() -> None:
    here = place("cloud", index_lag=timedelta(seconds=60))
    Someone(here).creates("Named", labels=["red"])
    assert SYSTEM.matches is not None
    event = SYSTEM.find(here.site, None, "WEB-1")
    assert SYSTEM.matches(here.site, "labels = red", event)
    assert not SYSTEM.matches(here.site, "labels = blue", event)


def test_a_query_about_a_fresh_issue_is_asked_again_where_the_index_may_lag() -> None:
    here = place("data-center", index_lag=timedelta(seconds=60))
    Someone(here).creates("Named", labels=["red"])
    event = SYSTEM.find(here.site, None, "WEB-1")
    assert SYSTEM.matches is not None
    later(here, seconds=10)
    with pytest.raises(Retryable) as caught:
        SYSTEM.matches(here.site, "labels = red", event)
    assert (caught.value.sent, caught.value.retry_after) == (False, timedelta(seconds=80))
    later(here, seconds=80)
    assert SYSTEM.matches(here.site, "labels = red", event)
    assert not SYSTEM.matches(here.site, "labels = blue", event)


def test_a_field_that_is_told_in_several_items_loses_none_of_them() -> None:
    items = [
        {"field": "Component", "from": None, "fromString": None, "to": "1", "toString": "api"},
        {"field": "Component", "from": None, "fromString": None, "to": "2", "toString": "web"},
        {"field": "Component", "from": "3", "fromString": "old", "to": None, "toString": None},
    ]
    event = only(received(body(changelog={"id": "5", "items": items})))
    assert event.change == {"Component": {"from": ["old"], "to": ["api", "web"]}}


@pytest.mark.parametrize("fields", [None, {}, {"labels": []}])
def test_a_body_without_the_issues_fields_is_read_again_before_it_is_used(fields: Any) -> None:
    issue = {"id": "10234", "key": "WEB-12", **({} if fields is None else {"fields": fields})}
    changelog = {"id": "5", "items": [{"field": "status", "fromString": "a", "toString": "b"}]}
    assert only(received(body(issue=issue, changelog=changelog))).partial
    assert not only(received(body(changelog=changelog))).partial
