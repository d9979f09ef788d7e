"""What an event wants happens once, in order, and is told truly."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson

from connector.config import Message, Mode, References, When
from connector.event import Event, Kind
from tests.workers.office import CREATED, NEW, Office, comment, event


def test_an_issue_is_created_once(office: Office) -> None:
    assert office.accept(CREATED) == ["accepted"]
    office.work()
    assert office.did() == NEW
    assert office.store.counts()["delivered"] == 1


def test_a_webhook_that_is_sent_twice_is_accepted_once(office: Office) -> None:
    office.accept(CREATED)
    assert office.accept(CREATED) == ["duplicate"]
    office.work()
    assert office.accept(CREATED) == ["duplicate"]
    office.work()
    assert office.did() == NEW


def test_an_update_follows_its_creation(office: Office) -> None:
    office.accept(CREATED)
    office.accept(event(2, title="Broken", change={"state": "closed"}))
    office.work()
    assert office.jira.items["1"].fields["Status"] == "closed"


def test_what_the_target_already_holds_is_not_written(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    office.accept(event(2, title="Broken", state="open", labels=["p1"]))
    office.work()
    assert office.did() == NEW
    assert office.outcome() == ("skipped", "nothing to change")


def test_neighbouring_states_become_one_write(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    office.accept(*(event(n, title=f"Title {n}", state="open") for n in range(2, 8)))
    office.work()
    assert office.did() == [*NEW, "set WEB-1"]
    assert office.jira.items["1"].fields["Summary"] == "Title 7"
    assert office.store.counts()["delivered"] == 7
    assert office.outcome(1)[1].startswith("merged into ")


def test_comments_are_never_collapsed(office: Office) -> None:
    office.accept(CREATED)
    office.accept(*(comment(n, f"text {n}", sub=f"c{n}") for n in range(5)))
    office.work()
    assert list(office.jira.items["1"].comments.values()) == [f"text {n}" for n in range(5)]


def test_a_comment_stands_between_two_states(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    office.accept(event(2, title="One", state="open"), comment(3, "in between"), event(4, title="Two", state="open"))
    office.work()
    assert office.did()[3:] == ["set WEB-1", "add comment WEB-1", "set WEB-1"]


def test_a_message_is_owed_for_each_event(office: Office) -> None:
    office.change(messages=(Message(frozenset({Kind.ISSUE_UPDATED}), "now {{ state }}"),))
    office.accept(
        CREATED, event(2, title="Broken", change={"state": "a"}), event(3, title="Broken", change={"state": "b"})
    )
    office.work()
    assert list(office.jira.items["1"].comments.values()) == ["now a", "now b"]


def test_a_stale_message_is_skipped(office: Office) -> None:
    office.change(
        mapping=(),
        messages=(Message(frozenset({Kind.ISSUE_UPDATED}), "now {{ state }}"),),
        expire={"message": timedelta(hours=24)},
    )
    office.accept(event(2, change={"state": "a"}, at=office.now() - timedelta(hours=25)))
    office.work()
    assert office.did() == []
    assert office.outcome()[0] == "skipped"


def test_a_comment_follows_its_edit_and_its_removal(office: Office) -> None:
    office.accept(CREATED, comment(2, "first"))
    office.work()
    office.accept(comment(3, "second", Kind.COMMENT_UPDATED))
    office.work()
    assert list(office.jira.items["1"].comments.values()) == ["second"]
    office.accept(comment(4, "second", Kind.COMMENT_DELETED))
    office.work()
    assert office.jira.items["1"].comments == {}


def test_an_edit_of_a_comment_that_was_never_copied_brings_it_over_once(office: Office) -> None:
    office.accept(CREATED)
    office.accept(comment(3, "old", Kind.COMMENT_UPDATED, sub="c9"))
    office.accept(comment(4, "older", Kind.COMMENT_CREATED, sub="c9"))
    office.work()
    assert list(office.jira.items["1"].comments.values()) == ["old"]


def test_a_restricted_comment_goes_nowhere(office: Office) -> None:
    office.accept(CREATED, comment(2, "secret", visibility="restricted"))
    office.work()
    assert office.jira.items["1"].comments == {}
    assert office.outcome() == ("skipped", "the comment is not public")


def test_a_label_taken_off_does_not_stop_an_issue_half_way(office: Office) -> None:
    office.change(when=When(labels=frozenset({"bug"})))
    assert office.accept(event(1, title="No", labels=[], issue=2)) == ["filtered"]
    office.accept(event(1, Kind.ISSUE_CREATED, title="Yes", labels=["bug"]))
    office.work()
    assert office.accept(event(2, title="Changed", labels=[])) == ["accepted"]
    office.work()
    assert office.jira.items["1"].fields["Summary"] == "Changed"
    assert office.store.counts()["accepted"] == 2


def test_shadow_writes_nothing_and_leaves_no_trace(office: Office) -> None:
    office.change(mode=Mode.SHADOW)
    office.accept(CREATED, comment(2, "hello"))
    office.work()
    assert office.did() == []
    assert office.outcome(1)[1].startswith("shadow: would create")
    keys = office.keys()
    assert not keys & {"links", "back", "alias", "fx", "audit"}


def test_a_paused_connector_keeps_its_mail(office: Office) -> None:
    office.change(mode=Mode.PAUSED)
    office.accept(CREATED)
    office.work()
    assert office.did() == []
    office.change(mode=Mode.LIVE)
    office.later(61)
    assert office.did() == NEW


def test_a_hint_is_read_again_before_it_is_believed(office: Office) -> None:
    office.git.sources["git:issue:1"] = event(9, title="True title", state="open")
    office.accept(event(1, title="forged", state="open", partial=True))
    office.work()
    assert office.jira.items["1"].fields["Summary"] == "True title"


def test_what_is_gone_at_its_source_is_skipped(office: Office) -> None:
    office.git.sources["git:issue:1"] = None
    office.accept(event(1, title="forged", partial=True))
    office.work()
    assert office.outcome() == ("skipped", "gone at its source")


def test_every_write_is_audited_without_values(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    assert [row["action"] for row in office.audit] == ["create", "update", "relate"]
    assert [row["action"] for row in reversed(office.store.audit())] == ["create", "update", "relate"]
    assert "Broken" not in orjson.dumps(office.audit).decode()


def pull_request(number: int, kind: Kind, title: str, **data: Any) -> Event:
    return event(number, kind, issue=50, what="pull_request", title=title, **data)


def test_a_pull_request_moves_the_issue_it_names(office: Office) -> None:
    office.change(references=References(status={"merged": "Done", "created": "In Review"}))
    office.accept(CREATED)
    office.work()
    office.accept(pull_request(1, Kind.PULL_REQUEST_CREATED, "Fix WEB-1", state="open"))
    office.work()
    assert office.jira.items["1"].fields["Status"] == "In Review"
    office.accept(pull_request(2, Kind.PULL_REQUEST_MERGED, "Fix WEB-1", state="closed", merged=True))
    office.work()
    assert office.jira.items["1"].fields["Status"] == "Done"
    assert any("pull_request" in url for url in office.jira.items["1"].relations)


def test_a_pull_request_shares_the_mailbox_of_the_issue_it_names(office: Office) -> None:
    office.change(references=References(status={"merged": "Done"}))
    office.accept(CREATED, event(1, Kind.ISSUE_CREATED, issue=2, title="Other"))
    office.work()
    office.accept(pull_request(1, Kind.PULL_REQUEST_CREATED, "Fix WEB-1 and WEB-2", state="open"))
    office.work()
    office.accept(event(5, title="x"), event(5, issue=2, title="y"))
    office.accept(pull_request(2, Kind.PULL_REQUEST_MERGED, "WEB-1", state="closed", merged=True))
    assert office.store.backlog()["live"] == 1
    office.work()
    assert office.jira.items["1"].fields == {"Summary": "x", "Status": "Done"}
    assert office.jira.items["2"].fields == {"Summary": "y"}


def test_an_edit_of_a_pull_request_does_not_pull_an_issue_back(office: Office) -> None:
    office.change(references=References(status={"created": "In Review"}))
    office.accept(CREATED)
    office.accept(pull_request(1, Kind.PULL_REQUEST_CREATED, "Fix WEB-1", state="open"))
    office.work()
    office.jira.items["1"].fields["Status"] = "QA"
    office.accept(pull_request(2, Kind.PULL_REQUEST_UPDATED, "Fix WEB-1 now", state="open"))
    office.work()
    assert office.jira.items["1"].fields["Status"] == "QA"
