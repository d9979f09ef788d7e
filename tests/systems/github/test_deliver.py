"""What is written can be found again, keeps its marker, and is never added twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import Forbidden, Rejected, Retryable, Stale
from connector.event import Entity
from connector.ports import Request, Response
from connector.sandbox import Fault
from connector.system import Absent, Action, Change, Written
from connector.systems.github.deliver import TARGET, relation_words
from connector.systems.github.text import LIMIT, bare, marked, marker, markers
from tests.systems.direct import Bench
from tests.systems.github.scene import INTO, act, creation, hooked, later, mark, scene

BOT = "ghp_bot_canary_4711"


def write(here: Bench, change: Change) -> Written:
    return TARGET.write(here.site, INTO, change)


def issue(here: Bench, number: int = 1, repository: str = "acme/web") -> Any:
    return here.sandbox.world.repository(repository).issues[number]


def added(here: Bench, action: str) -> int:
    return len([e for e in here.sandbox.ledger.effects if e.action == action])


def update(entity: Entity, **fields: Any) -> Change:
    return Change(Action.UPDATE, mark("u").effect, mark("u"), fields=fields, entity=entity)


def comment(entity: Entity, words: str = "Hello") -> Change:
    return Change(Action.COMMENT, mark("c").effect, mark("c"), entity=entity, body=words)


def shaped(here: Bench, entity: Entity | None = None, **wanted: Any) -> dict[str, Any]:
    return dict(TARGET.shape(here.site, INTO, wanted, entity).fields)


# --- shaping -----------------------------------------------------------------------------------
def test_names_are_taken_in_any_case_and_by_their_other_names() -> None:
    here = scene()
    got = TARGET.shape(here.site, INTO, {"SUMMARY": "x", "State Reason": "Not planned", "status": "Closed"}, None)
    assert got.fields == {"title": "x", "state_reason": "not_planned", "state": "closed"}
    assert got.names["title"] == "SUMMARY"
    assert got.later == {"state", "state_reason"}


def test_labels_take_the_spelling_that_the_repository_has() -> None:
    here = scene()
    assert shaped(here, labels=["new", "BUG", "New"]) == {"labels": ["bug", "New"]}


def test_one_label_or_none_is_a_list_too() -> None:
    here = scene()
    assert shaped(here, labels="bug") == {"labels": ["bug"]}
    assert shaped(here, labels=None) == {"labels": []}


def test_people_are_named_by_login_in_any_case() -> None:
    here = scene()
    assert shaped(here, assignee="@Bob") == {"assignees": ["bob"]}
    assert shaped(here, assignees=[{"id": "5", "login": "Bob"}, "alice"]) == {"assignees": ["alice", "bob"]}
    entity = write(here, creation(title="x", assignees=["bob"])).entity
    now = TARGET.read(here.site, INTO, entity)
    assert now is not None
    assert now["fields"]["assignees"] == ["bob"]


def test_a_milestone_is_named_by_its_title() -> None:
    here = scene()
    assert shaped(here, milestone="V2.0") == {"milestone": 2}
    assert shaped(here, milestone=None) == {"milestone": None}


def test_the_metadata_is_read_once() -> None:
    here = scene()
    for _ in range(3):
        shaped(here, milestone="v1.0", labels=["bug"])
    assert len(here.transport.sent) == 2


@pytest.mark.parametrize(
    ("wanted", "name", "cause"),
    [
        ({"Title": "x", "Prio": "1"}, "Prio", "unknown_field"),
        ({"Title": "x", "Summary": "y"}, "Summary", "field_twice"),
        ({"Title": "  "}, "Title", "value:title"),
        ({"Title": ["x"]}, "Title", "value:text"),
        ({"Milestone": "v9"}, "Milestone", "option:milestone"),
        ({"State": "done"}, "State", "value:state"),
        ({"State": {"state": "closed", "state_reason": "why"}}, "State", "value:state_reason"),
        ({"State": {"state": "closed", "reason": "x"}}, "State", "value:state"),
        ({"Assignee": {"id": "5"}}, "Assignee", "value:assignees"),
        ({"Labels": [{"name": "x"}]}, "Labels", "value:text"),
    ],
)
def test_a_value_that_cannot_be_is_rejected_by_name(wanted: dict[str, Any], name: str, cause: str) -> None:
    with pytest.raises(Rejected) as caught:
        TARGET.shape(scene().site, INTO, wanted, None)
    assert name in caught.value.fields
    assert caught.value.cause == cause


def test_all_wrong_values_are_named_at_once() -> None:
    with pytest.raises(Rejected) as caught:
        TARGET.shape(scene().site, INTO, {"Milestone": "v9", "State": "done", "X": 1}, None)
    assert set(caught.value.fields) == {"Milestone", "State", "X"}
    assert "v1.0" in caught.value.fields["Milestone"], "what there is helps whoever must fix it"


def test_a_long_title_is_cut_and_said_so() -> None:
    got = TARGET.shape(scene().site, INTO, {"title": "x\n" * 300}, None)
    assert len(got.fields["title"]) == 256
    assert "\n" not in got.fields["title"]
    assert got.losses


def test_more_people_than_github_takes_are_left_out_and_said_so() -> None:
    got = TARGET.shape(scene().site, INTO, {"assignees": [f"u{n:02}" for n in range(12)]}, None)
    assert len(got.fields["assignees"]) == 10
    assert got.losses


# --- creating ----------------------------------------------------------------------------------
def test_a_created_issue_has_all_and_a_hidden_marker() -> None:
    here = scene()
    fields = shaped(here, title="It breaks", body="Words", labels=["bug"], assignees=["Bob"], milestone="v1.0")
    written = write(here, creation(**fields))
    made = issue(here)
    assert made.body == f"Words\n\n<!-- {mark('one')} -->"
    assert written.entity.ref == f"here:issue:{made.id}"
    assert written.entity.key == "acme/web#1"
    assert written.entity.scope == "acme/web"
    assert written.kept["labels"] == ["bug"]
    assert written.kept["assignee"]["login"] == "bob"
    assert written.kept["milestone"] == "v1.0"
    assert written.kept["body"]["content"] == "Words"
    assert written.fresh


def test_what_was_kept_equals_what_the_webhook_shows() -> None:
    here = scene()
    here.sandbox.hooks(here.clock())
    written = write(here, creation(**shaped(here, title="x", body="y", labels=["bug"], assignees="bob")))
    event = hooked(here)[-1]
    assert {key: event.data[key] for key in written.kept} == written.kept


def test_what_github_drops_silently_shows_in_what_was_kept() -> None:
    here = scene()
    here.sandbox.let_write("acme/web", [])
    written = write(here, creation(**shaped(here, title="x", labels=["bug"], assignees=["bob"])))
    assert written.kept["labels"] == []
    assert written.kept["assignees"] == []


def test_an_issue_without_a_body_still_has_its_marker() -> None:
    here = scene()
    write(here, creation(title="x"))
    assert issue(here).body == f"<!-- {mark('one')} -->"


def test_a_foreign_marker_in_copied_text_is_not_taken_over() -> None:
    here = scene()
    stolen = f"Words <!-- {mark('victim')} -->"
    write(here, creation(**shaped(here, title="x", body=stolen)))
    assert markers(issue(here).body) == (str(mark("one")),)


def test_a_marker_in_copied_words_is_no_part_of_a_comment() -> None:
    words = {"format": "markdown", "content": f"a <!-- {mark('victim')} -->"}
    body, _ = TARGET.text(scene().site, INTO, words)
    assert markers(body) == ()


def test_a_lost_create_is_found_among_many() -> None:
    here = scene()
    here.sandbox.faults.on.append(Fault("apply_then_drop", method="POST", times=1))
    since = here.clock()
    with pytest.raises(Retryable):
        write(here, creation(title="lost"))
    for number in range(230):
        later(here, 1)
        act(here, "POST", "/repos/acme/web/issues", {"title": str(number)}, who=BOT)
    found = TARGET.look_up(here.site, INTO, creation(title="lost"), since)
    assert isinstance(found, Written)
    assert found.entity.key == "acme/web#1"


def test_a_lost_create_is_found_after_somebody_closed_it() -> None:
    here = scene()
    since = here.clock()
    write(here, creation(title="x"))
    act(here, "PATCH", "/repos/acme/web/issues/1", {"state": "closed"})
    assert isinstance(TARGET.look_up(here.site, INTO, creation(), since), Written)


def test_looking_for_a_create_ends_where_issues_are_too_old() -> None:
    here = scene()
    for number in range(130):
        act(here, "POST", "/repos/acme/web/issues", {"title": str(number)}, who=BOT)
    here.clock.move(timedelta(hours=1))
    since = here.clock()
    for number in range(1, 131):  # old issues that were changed lately are in the listing too
        act(here, "PATCH", f"/repos/acme/web/issues/{number}", {"title": "again"})
    here.transport.sent.clear()
    assert isinstance(TARGET.look_up(here.site, INTO, creation(), since), Absent)
    assert len(here.transport.sent) == 2, "who we are, and one page"


def test_the_same_marker_of_another_person_is_not_ours() -> None:
    here = scene()
    body = f"copied <!-- {mark('one')} -->"
    act(here, "POST", "/repos/acme/web/issues", {"title": "x", "body": body})
    assert isinstance(TARGET.look_up(here.site, INTO, creation(), here.clock()), Absent)


def test_an_answer_that_is_no_json_leaves_a_write_unknown() -> None:
    here = scene()
    here.sandbox.faults.on.append(Fault("apply_then_status", method="POST", times=1, status=200))
    with pytest.raises(Retryable) as caught:
        write(here, creation(title="x"))
    assert caught.value.sent


# --- updating ----------------------------------------------------------------------------------
def test_an_update_sets_only_what_differs_and_keeps_the_marker() -> None:
    here = scene()
    entity = write(here, creation(title="x", body="old", labels=["bug"])).entity
    later(here)
    written = write(here, update(entity, title="x", body="new", labels=["bug"]))
    assert here.transport.sent[-1].json == {"body": f"new\n\n<!-- {mark('one')} -->"}
    assert written.kept["body"]["content"] == "new"


def test_an_update_that_changes_nothing_writes_nothing() -> None:
    here = scene()
    entity = write(here, creation(title="x", body="y")).entity
    effects = len(here.sandbox.ledger.effects)
    write(here, update(entity, title="x", body="y", state="open"))
    assert here.transport.sent[-1].method == "GET"
    assert len(here.sandbox.ledger.effects) == effects


def test_a_body_that_people_wrote_gets_no_marker_by_an_update() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/issues", {"title": "x", "body": "theirs"})
    entity = hooked(here)[0].entity
    write(here, update(entity, body="ours"))
    assert issue(here).body == "ours"


def test_closing_with_a_reason_and_opening_again() -> None:
    here = scene()
    entity = write(here, creation(title="x")).entity
    written = write(here, update(entity, **shaped(here, State={"state": "closed", "state_reason": "not_planned"})))
    assert written.kept["state"] == "closed"
    assert written.kept["state_category"] == "done"
    assert written.kept["state_reason"] == "not_planned"
    effects = len(here.sandbox.ledger.effects)
    write(here, update(entity, state="closed"))
    assert len(here.sandbox.ledger.effects) == effects, "closed for whatever reason is closed"
    write(here, update(entity, state="open"))
    assert issue(here).state == "open"


def test_a_reason_alone_is_sent_with_the_state_without_which_github_ignores_it() -> None:
    here = scene()
    entity = write(here, creation(title="x")).entity
    write(here, update(entity, state="closed"))
    write(here, update(entity, state_reason="not_planned"))
    assert here.transport.sent[-1].json == {"state_reason": "not_planned", "state": "closed"}


def test_an_update_of_what_is_gone_is_rejected() -> None:
    here = scene()
    entity = write(here, creation(title="x")).entity
    here.sandbox.delete_issue("acme/web", 1, "alice", here.clock())
    with pytest.raises(Rejected) as caught:
        write(here, update(entity, title="y"))
    assert caught.value.cause == "gone"
    assert TARGET.read(here.site, INTO, entity) is None


def test_an_issue_that_may_not_be_seen_is_forbidden_not_gone() -> None:
    here = scene()
    entity = write(here, creation(title="x")).entity
    here.sandbox.hide("acme/web", "acme-bot")
    for attempt in (
        lambda: write(here, update(entity, title="y")),
        lambda: write(here, comment(entity)),
        lambda: TARGET.read(here.site, INTO, entity),
        lambda: write(here, replace(comment(entity), action=Action.DELETE_COMMENT, remote="123")),
    ):
        with pytest.raises(Forbidden) as caught:
            attempt()
        assert caught.value.where == "acme/web"


def test_a_transferred_issue_is_not_written_to_in_its_new_place() -> None:
    here = scene()
    entity = write(here, creation(title="x")).entity
    here.sandbox.transfer_issue("acme/web", 1, "acme/api", "alice", here.clock())
    with pytest.raises(Rejected):
        write(here, update(entity, title="y"))
    assert issue(here, 1, "acme/api").title == "x"


def test_every_write_follows_a_renamed_repository() -> None:
    here = scene()
    entity = write(here, creation(title="x")).entity
    here.sandbox.rename("acme/web", "site")
    written = write(here, update(entity, title="y"))
    assert written.entity.key == "acme/site#1"
    said = write(here, comment(entity))
    write(here, replace(comment(entity, "Edited"), action=Action.EDIT_COMMENT, remote=said.remote))
    write(here, replace(comment(entity), action=Action.DELETE_COMMENT, remote=said.remote))
    write(here, creation("two", title="z"))
    actions = [e.action for e in here.sandbox.ledger.effects]
    assert actions == ["add_issue", "edit_issue", "add_comment", "edit_comment", "delete_comment", "add_issue"]


def test_a_rename_is_followed_also_where_the_transport_refuses_redirected_writes() -> None:
    here = scene()
    entity = write(here, creation(title="x")).entity
    here.sandbox.rename("acme/web", "site")

    def send(request: Request, /) -> Response:
        try:
            return here.transport(request)
        except Stale as error:
            raise Rejected("a write does not follow", cause="redirect", status=error.status) from error

    site = replace(here.site, send=send)
    assert TARGET.write(site, INTO, comment(entity)).remote
    assert TARGET.write(site, INTO, creation("two", title="z")).entity.scope == "acme/site"


def test_a_redirect_that_leads_nowhere_new_is_stale() -> None:
    here = scene()
    entity = write(here, creation(title="x")).entity
    here.sandbox.faults.on.append(Fault("status", method="POST", times=1, status=307))
    with pytest.raises(Stale):
        write(here, comment(entity))


# --- comments ----------------------------------------------------------------------------------
def test_a_comment_keeps_its_marker_when_it_is_edited() -> None:
    here = scene()
    entity = write(here, creation(title="x")).entity
    said = write(here, comment(entity))
    edit = Change(Action.EDIT_COMMENT, mark("e").effect, mark("e"), entity=entity, body="Bye", remote=said.remote)
    write(here, edit)
    (body,) = [c.body for c in here.sandbox.world.repository("acme/web").comments.values()]
    assert body == f"Bye\n\n<!-- {mark('c')} -->"
    write(here, edit)
    assert here.transport.sent[-1].method == "GET", "an edit that is there already writes nothing"


def test_editing_a_comment_that_is_gone_is_rejected_and_deleting_it_is_done() -> None:
    here = scene()
    entity = write(here, creation(title="x")).entity
    with pytest.raises(Rejected) as caught:
        write(here, replace(comment(entity), action=Action.EDIT_COMMENT, remote="999"))
    assert caught.value.cause == "gone"
    assert write(here, replace(comment(entity), action=Action.DELETE_COMMENT, remote="999")).remote == "999"


def test_the_words_of_a_review_cannot_be_edited() -> None:
    here = scene()
    entity = write(here, creation(title="x")).entity
    with pytest.raises(Rejected):
        write(here, replace(comment(entity), action=Action.EDIT_COMMENT, remote="review-5"))


@pytest.mark.parametrize("action", [Action.EDIT_COMMENT, Action.DELETE_COMMENT, Action.UPDATE])
def test_whether_a_set_landed_is_seen_by_looking(action: Action) -> None:
    here = scene()
    entity = write(here, creation(title="x")).entity
    said = write(here, comment(entity))
    change = Change(action, mark("s").effect, mark("s"), {"title": "y"}, entity, body="Bye", remote=said.remote)
    assert isinstance(TARGET.look_up(here.site, INTO, change, here.clock()), Absent)
    here.sandbox.faults.on.append(Fault("apply_then_drop", method="PATCH|DELETE", times=1))
    with pytest.raises(Retryable):
        write(here, change)
    found = TARGET.look_up(here.site, INTO, change, here.clock())
    assert isinstance(found, Written)
    assert not found.fresh


def test_a_link_is_told_in_one_comment() -> None:
    here = scene()
    entity = write(here, creation(title="x")).entity
    relation = {
        "url": "https://acme.example/browse/WEB-12",
        "key": "WEB-12",
        "title": "t",
        "state": "Open",
        "done": False,
    }
    change = Change(Action.RELATE, mark("r").effect, mark("r"), entity=entity, relation=relation)
    assert write(here, change).fresh
    again = write(here, replace(change, marker=mark("r2"), relation={**relation, "state": "Done", "done": True}))
    assert not again.fresh
    assert added(here, "add_comment") == 1
    (body,) = [c.body for c in here.sandbox.world.repository("acme/web").comments.values()]
    assert bare(body) == "Linked to [WEB-12](https://acme.example/browse/WEB-12)"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://x/) [evil](https://y", "https://x/\n# big", ""])
def test_a_strange_address_is_not_made_a_link(url: str) -> None:
    assert "](" not in relation_words({"url": url, "key": "WEB-1"})


def test_a_pull_request_is_written_to_like_an_issue() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/pulls", {"title": "x", "head": "h", "base": "main"})
    entity = hooked(here)[0].entity
    assert write(here, comment(entity)).remote
    assert write(here, update(entity, labels=["bug"])).entity.id == entity.id
    now = TARGET.read(here.site, INTO, entity)
    assert now is not None
    assert now["fields"]["labels"] == ["bug"]


# --- markers in text ---------------------------------------------------------------------------
def test_a_full_body_has_room_for_its_marker() -> None:
    here = scene()
    body, losses = TARGET.text(here.site, INTO, {"format": "markdown", "content": "x" * 70_000})
    assert losses
    assert len(marked(body, mark("x" * 40))) <= LIMIT
    write(here, creation(title="x", body=body))


@given(st.text(alphabet=st.sampled_from(list("ab \n<!->jc1:")), max_size=60), st.text(max_size=5))
def test_a_marker_goes_on_and_comes_off_without_changing_the_words(words: str, more: str) -> None:
    whole = marked(words + more, mark("m"))
    assert marker(whole) == str(mark("m"))
    assert bare(whole) == bare(words + more).rstrip()
    assert marked(whole, mark("m")) == whole


def test_a_hostile_body_is_stripped_in_linear_time() -> None:
    for hostile in ("<!-- " * 13_000, " " * 65_000, "<!--" + " " * 65_000, "<!-- jc1:" * 7_000):
        assert markers("jc1:" + hostile) == ()
