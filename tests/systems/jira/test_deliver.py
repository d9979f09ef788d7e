"""Values become what Jira's fields take, one thing is added at a time, and it is found again by its mark."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from connector.errors import Ambiguous, Forbidden, Rejected, Retryable, Stale
from connector.event import Entity, Event, Kind
from connector.link import Marker, effect_key
from connector.sandbox import Answer, Call, Fault, Hook
from connector.system import Absent, Action, Change, Inbound, Shaped, Target, Trust, Written
from connector.systems.jira import SYSTEM
from connector.systems.jira.sandbox.content import Transition
from connector.systems.jira.settings import JiraTarget
from tests.systems.direct import Bench
from tests.systems.jira.places import Someone, later, place

assert SYSTEM.target is not None
JIRA: Target = SYSTEM.target
WEB = JiraTarget("WEB", "Bug")
FLAVOURS = pytest.mark.parametrize("flavour", ["cloud", "data-center"])


def marker(word: str = "one") -> Marker:
    return Marker("test", "github", effect_key("uid", "github:issue:1", "create", word))


def shape(here: Bench, entity: Entity | None = None, /, **wanted: Any) -> Shaped:
    return JIRA.shape(here.site, WEB, {name.replace("_", " "): value for name, value in wanted.items()}, entity)


def change(action: Action, entity: Entity | None = None, word: str = "one", **more: Any) -> Change:
    mark = marker(word)
    return Change(action, mark.effect, mark, entity=entity, **more)


def created(here: Bench, word: str = "one", /, **wanted: Any) -> Written:
    shaped = shape(here, **{"Summary": f"Issue {word}", **wanted})
    now = {name: value for name, value in shaped.fields.items() if name not in shaped.later}
    return JIRA.write(here.site, WEB, change(Action.CREATE, word=word, fields=now))


def updated(here: Bench, entity: Entity, **wanted: Any) -> Written:
    return JIRA.write(here.site, WEB, change(Action.UPDATE, entity, fields=shape(here, entity, **wanted).fields))


def received(here: Bench, hook: Hook) -> tuple[Event, ...]:
    return SYSTEM.receive("here", here.site.settings, Inbound(hook.headers, hook.body), Trust.SIGNED).events


def status(here: Bench, entity: Entity) -> str:
    now = JIRA.read(here.site, WEB, entity)
    assert now is not None
    return str(now["data"]["state"])


# --- every type of field -------------------------------------------------------------------------
VALUES: Mapping[str, tuple[Any, Any]] = {
    "Story Points": ("3.5", 3.5),
    "Severity": ("MAJOR", {"id": "10501"}),
    "Team Milestone": ("M1\nand more", "M1 and more"),
    "Platforms": (["linux", "Windows", "linux"], [{"id": "10510"}, {"id": "10512"}]),
    "Region": ("Europe / Paris", {"id": "10520", "child": {"id": "10522"}}),
    "Go live": ("2026-12-01T10:00:00+01:00", "2026-12-01T09:00:00.000+0000"),
    "Start date": ("2026-12-01T10:00:00+01:00", "2026-12-01"),
    "Docs": (" https://acme.example/x ", "https://acme.example/x"),
    "Sprint": ("25446", 25446),
    "Labels": (["f", "b c", "e", "a", "g", "d", "b c"], ["a", "b_c", "d", "e", "f", "g"]),
    "Components": (["backend"], [{"id": "10201"}]),
    "Fix versions": ("1.0", [{"id": "10300"}]),
    "priority": ("high", {"id": "2"}),
    "customfield_10012": ("twin", "twin"),
    "Due date": ("2026-12-24", "2026-12-24"),
    "Time tracking": ("1d 2h", {"originalEstimate": "1d 2h"}),
}


@FLAVOURS
@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_each_type_is_taken_by_jira_and_reads_back_equal(flavour: str, name: str) -> None:
    here = place(flavour)
    given, native = VALUES[name]
    wanted = {"Summary": "x", name: given}
    shaped = JIRA.shape(here.site, WEB, wanted, None)
    (field,) = [number for number, used in shaped.names.items() if used == name]
    assert shaped.fields[field] == native
    written = JIRA.write(here.site, WEB, change(Action.CREATE, fields=shaped.fields))
    now = JIRA.read(here.site, WEB, written.entity)
    assert now is not None
    assert now["fields"][field] == native
    again = JIRA.shape(here.site, WEB, wanted, written.entity)
    assert again.fields[field] == native


@FLAVOURS
def test_people_are_found_by_address_and_named_as_the_flavour_does(flavour: str) -> None:
    here = place(flavour)
    shaped = shape(
        here, Assignee="ada@example.com", Approver={"email": "grace@example.com"}, Reviewers=["ada@example.com"]
    )
    ada = here.sandbox.site.by_login["ada"]
    wanted = {"accountId": ada.id} if flavour == "cloud" else {"name": "ada"}
    assert shaped.fields["assignee"] == wanted
    assert shaped.fields["customfield_10008"] == [wanted]
    made = created(here, Assignee="ada@example.com").entity
    now = JIRA.read(here.site, WEB, made)
    assert now is not None
    assert now["fields"]["assignee"] == wanted


def test_an_account_id_or_login_is_taken_as_it_is() -> None:
    cloud, server = place(), place("data-center")
    account = cloud.sandbox.site.by_login["ada"].id
    assert shape(cloud, Assignee=account).fields["assignee"] == {"accountId": account}
    assert shape(cloud, Assignee="5b10a2844c20165700ede21a").fields["assignee"]["accountId"]
    assert shape(server, Assignee="ada").fields["assignee"] == {"name": "ada"}
    assert not [call for call in server.transport.sent if "user" in call.path]


def test_somebody_unknown_is_a_mistake_when_named_and_a_loss_when_carried_over() -> None:
    here = place()
    with pytest.raises(Rejected) as caught:
        shape(here, Assignee="nobody@example.com")
    assert caught.value.cause == "option:assignee"
    shaped = shape(here, Assignee={"id": "583231", "login": "octocat"})
    assert shaped.fields["assignee"] is None
    assert "octocat" in shaped.losses[0]


def test_a_long_summary_is_cut_and_the_loss_is_told() -> None:
    here = place()
    shaped = shape(here, Summary="word " * 100)
    assert len(shaped.fields["summary"]) <= 255
    assert shaped.losses == ("Summary: cut at 255 characters",)
    assert created(here, Summary="x" * 300).entity.key == "WEB-1"


def test_a_long_text_is_cut_below_jiras_limit() -> None:
    here = place()
    made = created(here, Description={"format": "markdown", "content": "word " * 20_000})
    assert made.entity.key == "WEB-1"


def test_none_clears_a_field_and_is_left_out_of_a_create() -> None:
    here = place()
    made = created(here, Severity="Major", Labels=["a"]).entity
    updated(here, made, Severity=None, Labels=None, Description=None)
    now = JIRA.read(here.site, WEB, made)
    assert now is not None
    assert (now["fields"]["customfield_10002"], now["fields"]["labels"]) == (None, [])
    bare = created(here, "two", Severity=None, Labels=[])
    assert "customfield_10002" not in here.transport.sent[-2].json["fields"]
    assert bare.entity.key == "WEB-2"


def test_all_mistakes_are_told_at_once_under_the_names_the_user_wrote() -> None:
    here = place()
    with pytest.raises(Rejected) as caught:
        shape(here, Summary="ok", severity="Fatal", Story_Points="many", Nothing="x", Docs="ftp://x", Due_date="soon")
    assert set(caught.value.fields) == {"severity", "Story Points", "Nothing", "Docs", "Due date"}
    assert "Major" in caught.value.fields["severity"]
    assert caught.value.cause == "option:customfield_10002"


def test_a_name_that_two_fields_have_is_refused_with_their_ids() -> None:
    with pytest.raises(Rejected) as caught:
        shape(place(), Twin="x")
    assert "customfield_10012" in caught.value.fields["Twin"]
    assert "customfield_10013" in caught.value.fields["Twin"]


def test_a_field_that_is_not_on_the_screen_is_told_from_one_that_is_not_there() -> None:
    here = place()
    with pytest.raises(Rejected) as caught:
        shape(here, Creator="ada")
    assert caught.value.cause == "screen:creator"
    with pytest.raises(Rejected) as caught:
        shape(here, Resolution="Fixed")
    assert "status" in caught.value.fields["Resolution"]


def test_an_unknown_issue_type_names_those_there_are() -> None:
    here = place()
    with pytest.raises(Rejected) as caught:
        JIRA.shape(here.site, JiraTarget("WEB", "Epos"), {"Summary": "x"}, None)
    assert "Story" in str(caught.value)


def test_the_field_list_is_read_once_for_many_issues() -> None:
    here = place()
    for number in range(5):
        created(here, str(number), Severity="Major")
    paths = [call.path for call in here.transport.sent]
    assert len([path for path in paths if "createmeta" in path]) == 2
    assert len([path for path in paths if path.endswith("/issue")]) == 5


def test_an_old_servers_metadata_is_read_too() -> None:
    here = place("data-center")
    inner = here.sandbox

    class Old:
        """A Server before 8.4: one big createmeta, no paged one."""

        ledger, faults = inner.ledger, inner.faults

        def __call__(self, call: Call, now: datetime) -> Answer:
            if "/createmeta/" in call.path:
                return Answer.of(404, {"errorMessages": ["null for uri"], "errors": {}})
            if call.path.endswith("/createmeta"):
                fields = {
                    "summary": {"required": True, "name": "Summary", "schema": {"type": "string", "system": "summary"}}
                }
                kind = {"id": "10101", "name": "Bug", "fields": fields}
                return Answer.of(200, {"projects": [{"key": "WEB", "issuetypes": [kind]}]})
            answer: Answer = inner(call, now)
            return answer

    here.transport.sandbox = Old()  # type: ignore[assignment]
    assert created(here).entity.key == "WEB-1"


# --- status --------------------------------------------------------------------------------------
@FLAVOURS
def test_a_status_is_written_after_the_create_by_a_transition(flavour: str) -> None:
    here = place(flavour)
    shaped = shape(here, Summary="x", Status="done")
    assert shaped.later == {"status"}
    assert shaped.fields["status"] == {"name": "Done"}
    made = created(here).entity
    written = updated(here, made, Status="done")
    assert status(here, made) == "Done"
    assert written.kept["state"] == "Done"
    assert written.kept["state_reason"] == "Done", "the first resolution that the screen offers"


def test_a_resolution_is_set_with_the_status() -> None:
    here = place()
    made = created(here).entity
    shaped = shape(here, Status={"status": "Done", "resolution": "Fixed"})
    assert shaped.later == {"status", "resolution"}
    written = updated(here, made, State={"status": "Done", "resolution": "Fixed"})
    assert written.kept["state_reason"] == "Fixed"
    now = JIRA.read(here.site, WEB, made)
    assert now is not None
    assert {name: now["fields"][name] for name in shaped.fields} == shaped.fields


def test_a_status_written_twice_moves_once() -> None:
    here = place()
    made = created(here).entity
    fresh = [updated(here, made, Status="In Progress").fresh for _ in range(2)]
    assert fresh == [True, False], "the second found it done and sent nothing"
    assert [e.action for e in here.sandbox.ledger.effects].count("transition") == 1


def test_done_is_done_under_any_name() -> None:
    here = place()
    made = created(here).entity
    updated(here, made, Status="Done")
    Someone(here).moves_to(made.id, "51")
    assert status(here, made) == "Closed"
    here.sandbox.site.transitions = (Transition("1", "Back to done", frozenset({"6"}), "10002"),)
    assert updated(here, made, Status="Done").fresh is False
    assert status(here, made) == "Closed"


def test_a_status_two_steps_away_is_reached_one_step_at_a_time() -> None:
    here = place()
    made = created(here).entity
    updated(here, made, Status="In Review")
    steps = [e.detail["fields"]["status"] for e in here.sandbox.ledger.effects if e.action == "transition"]
    assert steps == ["In Progress", "In Review"]


def test_the_way_never_leads_through_done() -> None:
    here = place()
    here.sandbox.site.transitions = (
        Transition("1", "Finish", frozenset({"10000"}), "10002"),
        Transition("2", "Reopen for review", frozenset({"10002"}), "10001"),
    )
    made = created(here).entity
    with pytest.raises(Rejected) as caught:
        updated(here, made, Status="In Review")
    assert caught.value.cause == "transition"
    assert "Done" in str(caught.value)
    assert status(here, made) == "To Do"


def test_a_status_that_the_project_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(Rejected) as caught:
        shape(place(), Status="Shipped")
    assert caught.value.cause == "option:status"
    assert "In Review" in caught.value.fields["Status"]


def test_an_issue_is_not_closed_on_its_way_between_open_statuses() -> None:
    here = place()
    here.sandbox.site.transitions = (
        Transition("1", "Finish", frozenset({"10000", "3"}), "10002"),
        Transition("2", "Work", frozenset({"10000"}), "3"),
        Transition("3", "Review", frozenset({"3", "10002"}), "10001"),
    )
    made = created(here).entity
    updated(here, made, Status="In Review")
    steps = [e.detail["fields"]["status"] for e in here.sandbox.ledger.effects if e.action == "transition"]
    assert steps == ["In Progress", "In Review"]


def test_done_is_near_enough_where_the_very_status_cannot_be_reached() -> None:
    here = place()
    here.sandbox.site.transitions = (Transition("1", "Finish", frozenset({"10000"}), "10002", ("resolution",)),)
    made = created(here).entity
    assert updated(here, made, Status="Closed").fresh is True
    assert status(here, made) == "Done"


@pytest.mark.parametrize(("resolution", "kept"), [("Fixed", "Fixed"), (None, "Done")])
def test_a_closed_status_behind_another_is_reached_through_it(resolution: str | None, kept: str) -> None:
    here = place()
    made = created(here).entity
    written = updated(here, made, Status={"status": "Closed", "resolution": resolution})
    assert (status(here, made), written.kept["state_reason"]) == ("Closed", kept)
    steps = [e.detail["fields"]["status"] for e in here.sandbox.ledger.effects if e.action == "transition"]
    assert steps == ["Done", "Closed"]


def test_a_category_names_a_status_where_the_name_is_not_known() -> None:
    here = place()
    made = created(here).entity
    updated(here, made, Status="indeterminate")
    assert status(here, made) == "In Progress"


def test_a_screen_that_asks_for_more_is_told_by_the_fields_name() -> None:
    here = place()
    here.sandbox.site.transitions = (Transition("1", "Start", frozenset({"10000"}), "3", ("customfield_10003",)),)
    made = created(here).entity
    with pytest.raises(Rejected) as caught:
        updated(here, made, Status="In Progress")
    assert caught.value.cause == "required:customfield_10003"
    assert "Team Milestone" in caught.value.fields
    updated(here, made, Status="In Progress", Team_Milestone="M1")
    assert status(here, made) == "In Progress"


# --- refusals of writes ------------------------------------------------------------------------------
@FLAVOURS
def test_a_field_made_required_yesterday_is_one_cause_for_all(flavour: str) -> None:
    here = place(flavour)
    created(here, "before")
    here.sandbox.require("customfield_10002")
    with pytest.raises(Rejected) as caught:
        created(here, "after")
    assert caught.value.cause == "required:customfield_10002"
    here.sandbox.require("customfield_10002", on=False)
    assert created(here, "after").entity.key == "WEB-3", "the refused create burned a number"


def test_a_lost_permission_to_write_names_the_project() -> None:
    here = place()
    created(here)
    here.sandbox.deny("WEB", "bot", "write")
    with pytest.raises(Forbidden) as caught:
        created(here, "two")
    assert caught.value.where == "WEB"


def test_a_lost_permission_to_read_looks_like_nothing_there() -> None:
    here = place()
    made = created(here).entity
    here.sandbox.deny("WEB", "bot")
    assert JIRA.read(here.site, WEB, made) is None


def test_a_refusal_of_the_metadata_is_told_as_it_is_and_not_once_a_field() -> None:
    here = place()
    here.sandbox.deny("OPS", "bot")
    with pytest.raises(Rejected) as caught:
        JIRA.shape(here.site, JiraTarget("OPS", "Bug"), {"Summary": "x", "Severity": "Major"}, None)
    assert (caught.value.status, caught.value.fields) == (404, {})


def test_ids_that_jira_adds_to_a_text_make_no_difference() -> None:
    here = place()
    made = created(here, Description={"format": "markdown", "content": "Hello"}).entity
    stored = here.sandbox.site.issues[made.id].values["description"].stored
    stored["content"][0]["attrs"] = {"localId": "f00"}
    now = JIRA.read(here.site, WEB, made)
    assert now is not None
    assert (
        now["fields"]["description"]
        == shape(here, Description={"format": "markdown", "content": "Hello"}).fields["description"]
    )


def test_a_concurrent_change_is_stale() -> None:
    here = place()
    made = created(here).entity
    here.sandbox.faults.on.append(Fault("status", method="PUT", status=409, times=1))
    with pytest.raises(Stale):
        updated(here, made, Summary="new")


# --- marks and look-ups --------------------------------------------------------------------------------
@FLAVOURS
def test_the_mark_travels_in_the_create_itself(flavour: str) -> None:
    here = place(flavour)
    made = created(here)
    (effect,) = here.sandbox.ledger.effects
    assert (effect.action, effect.marker) == ("add_issue", str(marker()))
    assert [call.method for call in here.transport.sent].count("POST") == 1
    found = SYSTEM.find(here.site, None, made.entity.key)
    assert found.marker == str(marker())


@FLAVOURS
def test_a_create_that_landed_is_found_once_the_index_caught_up(flavour: str) -> None:
    here = place(flavour, index_lag=timedelta(seconds=60))
    one = change(Action.CREATE, fields=shape(here, Summary="x").fields)
    since = here.clock()
    here.sandbox.faults.on.append(Fault("apply_then_drop", method="POST", times=1))
    with pytest.raises(Retryable):
        JIRA.write(here.site, WEB, one)
    later(here, seconds=10)
    early = JIRA.look_up(here.site, WEB, one, since)
    assert early == Absent(timedelta(seconds=90)), "an absence means something only later"
    later(here, seconds=80)
    found = JIRA.look_up(here.site, WEB, one, since)
    assert isinstance(found, Written)
    assert found.fresh is False
    assert found.kept["title"] == "x"
    assert here.sandbox.ledger.duplicates() == []


@FLAVOURS
def test_a_create_is_found_among_many_of_our_own(flavour: str) -> None:
    here = place(flavour, page=10)
    wanted = created(here, "wanted")
    for number in range(25):
        created(here, str(number))
    one = change(Action.CREATE, word="wanted", fields={"summary": "Issue wanted"})
    later(here, minutes=2)
    found = JIRA.look_up(here.site, WEB, one, here.clock() - timedelta(minutes=3))
    assert isinstance(found, Written)
    assert found.entity.id == wanted.entity.id


def test_what_people_created_is_not_ours() -> None:
    here = place()
    Someone(here).creates("x")
    one = change(Action.CREATE, fields={"summary": "x"})
    assert isinstance(JIRA.look_up(here.site, WEB, one, here.clock()), Absent)


def test_an_issue_that_lost_our_mark_is_noticed_instead_of_doubled() -> None:
    here = place("data-center")
    made = created(here)
    lost = here.sandbox.site.issues[made.entity.id]
    lost.properties.clear()
    lost.values["description"] = None
    one = change(Action.CREATE, fields={"summary": "Issue one"})
    with pytest.raises(Ambiguous):
        JIRA.look_up(here.site, WEB, one, here.clock())


@FLAVOURS
def test_a_comment_is_found_in_a_long_discussion(flavour: str) -> None:
    here = place(flavour)
    made = created(here).entity
    body, _ = JIRA.text(here.site, WEB, {"format": "markdown", "content": "Hello"})
    one = change(Action.COMMENT, made, body=body)
    since = here.clock()
    written = JIRA.write(here.site, WEB, one)
    ada = Someone(here)
    for number in range(120):
        ada.comments(made.id, f"Noise {number}")
    found = JIRA.look_up(here.site, WEB, one, since)
    assert isinstance(found, Written)
    assert found.remote == written.remote


def test_properties_that_the_list_leaves_out_are_asked_for_by_name() -> None:
    here = place("data-center")
    made = created(here).entity
    one = change(Action.COMMENT, made, body="Hello")
    written = JIRA.write(here.site, WEB, one)
    inner = here.sandbox

    class Plain:
        """A Server that does not know expand=properties."""

        ledger, faults = inner.ledger, inner.faults

        def __call__(self, call: Call, now: datetime) -> Answer:
            answer: Answer = inner(
                dataclasses.replace(call, query={k: v for k, v in call.query.items() if k != "expand"}), now
            )
            return answer

    here.transport.sandbox = Plain()  # type: ignore[assignment]
    found = JIRA.look_up(here.site, WEB, one, here.clock())
    assert isinstance(found, Written)
    assert found.remote == written.remote
    inner.site.issues[made.id].comments[written.remote].properties["sd.public.comment"] = {"internal": True}
    (event,) = [e for h in inner.hooks(here.clock()) for e in received(here, h) if e.kind is Kind.COMMENT_CREATED][:1]
    full = SYSTEM.complete(here.site, event)
    assert full is not None
    assert (full.marker, full.data["comment"]["visibility"]) == (str(marker()), "internal")
    never = change(Action.COMMENT, made, "never", body="Hello")
    assert JIRA.look_up(here.site, WEB, never, here.clock()) == Absent()


def test_a_look_up_of_a_set_says_write_it_again() -> None:
    here = place()
    made = created(here).entity
    for action in (Action.UPDATE, Action.EDIT_COMMENT, Action.DELETE_COMMENT):
        assert JIRA.look_up(here.site, WEB, change(action, made, remote="1"), here.clock()) == Absent()


# --- comments --------------------------------------------------------------------------------------------
@FLAVOURS
def test_an_edit_never_widens_who_may_read(flavour: str) -> None:
    here = place(flavour)
    made = created(here).entity
    body, _ = JIRA.text(here.site, WEB, {"format": "markdown", "content": "Hello"})
    ada = Someone(here)
    secret = ada.comments(made.id, "Secret", visibility={"type": "role", "value": "Administrators"})
    JIRA.write(here.site, WEB, change(Action.EDIT_COMMENT, made, remote=secret, body=body))
    stored = here.sandbox.site.issues[made.id].comments[secret]
    assert stored.visibility == {"type": "role", "value": "Administrators"}


def test_an_edit_of_a_comment_that_is_gone_is_rejected() -> None:
    here = place()
    made = created(here).entity
    with pytest.raises(Rejected) as caught:
        JIRA.write(here.site, WEB, change(Action.EDIT_COMMENT, made, remote="999", body={}))
    assert caught.value.cause == "not_found"


def test_an_internal_comment_is_internal_from_the_first_moment() -> None:
    here = place()
    made = created(here).entity
    body, _ = JIRA.text(here.site, WEB, {"format": "markdown", "content": "Hello"})
    here.transport.sent.clear()
    written = JIRA.write(
        here.site, JiraTarget("WEB", "Bug", internal_comments=True), change(Action.COMMENT, made, body=body)
    )
    assert [call.method for call in here.transport.sent] == ["POST"]
    stored = here.sandbox.site.issues[made.id].comments[written.remote]
    assert stored.properties["sd.public.comment"] == {"internal": True}
    assert Marker.find(stored.properties["jc.sync"]["marker"]) == marker()


# --- relations -------------------------------------------------------------------------------------------
@FLAVOURS
def test_a_relation_is_put_once_and_updated_in_place(flavour: str) -> None:
    here = place(flavour)
    made = created(here).entity
    relation = {
        "url": "https://github.com/acme/web/issues/12",
        "title": "It breaks",
        "key": "acme/web#12",
        "state": "open",
    }
    one = change(Action.RELATE, made, "relate", relation={**relation, "done": False})
    assert JIRA.look_up(here.site, WEB, one, here.clock()) == Absent()
    first = JIRA.write(here.site, WEB, one)
    again = JIRA.write(here.site, WEB, one)
    done = dataclasses.replace(one, relation={**relation, "state": "closed", "done": True})
    last = JIRA.write(here.site, WEB, done)
    assert first.remote == again.remote == last.remote
    (link,) = here.sandbox.site.issues[made.id].links.values()
    assert link["object"]["status"] == {"resolved": True}
    assert link["object"]["title"] == "acme/web#12: It breaks"
    assert [e.action for e in here.sandbox.ledger.effects] == ["add_issue", "add_link", "edit_link"]
    found = JIRA.look_up(here.site, WEB, one, here.clock())
    assert isinstance(found, Written)
    assert found.remote == first.remote


# --- what a write leaves behind ----------------------------------------------------------------------------
def test_a_read_back_that_fails_does_not_undo_the_write() -> None:
    here = place()
    shape(here, Summary="warm the memory")
    here.sandbox.faults.on.append(Fault("status", method="GET", status=503))
    written = JIRA.write(here.site, WEB, change(Action.CREATE, fields={"summary": "x"}))
    assert written.entity.key == "WEB-1"
    assert written.kept == {}


def test_a_proxys_page_instead_of_an_answer_is_an_unknown_outcome() -> None:
    here = place()
    shape(here, Summary="warm the memory")
    here.sandbox.faults.on.append(Fault("apply_then_status", method="POST", status=200, times=1))
    with pytest.raises(Retryable) as caught:
        JIRA.write(here.site, WEB, change(Action.CREATE, fields={"summary": "x"}))
    assert caught.value.sent is True


def test_writes_of_one_issue_name_it_for_its_own_limit() -> None:
    here = place()
    made = created(here).entity
    updated(here, made, Summary="new", Status="In Progress")
    writes = [call for call in here.transport.sent if call.writes and not call.path.endswith("/issue")]
    assert writes
    assert {call.entity for call in writes} == {made.id}
    assert {call.endpoint for call in here.transport.sent} <= {"get", "post", "put", "delete", "search"}


def test_a_moved_issue_is_written_under_its_number_and_answered_under_its_new_key() -> None:
    here = place()
    made = created(here).entity
    here.sandbox.move(made.key, "OPS", "ada", here.clock())
    written = updated(here, made, Summary="Still here")
    assert (written.entity.key, written.entity.scope) == ("OPS-1", "OPS")
