"""At most one message per item and window, with everything in it, whatever happens in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer

from connector.config import Comments, Connector, Message
from connector.errors import Rejected, Retryable
from connector.event import Event, Kind, Text
from connector.messages import LONGEST, company, patience
from tests.workers.office import CREATED, Office, bugs, comment, event
from tests.workers.test_crashes import Killed, Mortal
from workers.batch import FIELD
from workers.tools import tools

WINDOW = timedelta(minutes=5)
NEWS = Message(frozenset({Kind.ISSUE_UPDATED}), "now {{ title }}", digest=WINDOW)
TALK = Message(frozenset({Kind.COMMENT_CREATED, Kind.COMMENT_UPDATED}), "said {{ comment.body }}", digest=WINDOW)


def digesting(*messages: Message, **more: Any) -> Connector:
    return bugs(messages=messages or (NEWS, TALK), comments=Comments(), **more)


def an_office(*connectors: Connector) -> Office:
    """On the fake alone: the scripts have tests of their own on a real server."""
    return Office(FakeRedis(server=FakeServer(server_type="valkey")), *connectors)


@pytest.fixture
def office() -> Office:
    """An office whose connector digests, with the issue made already."""
    made = an_office(digesting())
    made.accept(CREATED)
    made.work()
    return made


def change(number: int, **data: Any) -> Event:
    return event(number, title=f"T{number}", state="open", **data)


def said(office: Office) -> list[str]:
    """Return the messages, in order."""
    return [one.detail["body"] for one in office.jira.ledger.effects if one.action == "add comment"]


def lines(office: Office) -> list[str]:
    return [line for one in said(office) for line in one.split("\n\n")]


# --- what goes together --------------------------------------------------------------------------------
def test_what_happens_within_the_window_is_one_message_in_order(office: Office) -> None:
    office.accept(change(2))
    office.work()
    office.accept(comment(3, "hello"), change(4))
    office.later(200)
    assert said(office) == []
    office.later(101)
    assert said(office) == ["now T2\n\nsaid hello\n\nnow T4"]
    assert office.jira.items["1"].fields["Summary"] == "T4"
    last, *merged = office.store.settled()[:3]
    assert last["outcome"] == "delivered"
    assert {one["reason"] for one in merged} == {f"merged into {last['id']}"}
    assert {one["outcome"] for one in merged} == {"delivered"}
    office.check_accounts()


def test_waiting_for_company_is_no_attempt_and_no_failure(office: Office) -> None:
    before = office.store.tally()
    office.accept(change(2))
    office.work()
    assert office.store.backlog()["due"] == 1
    assert office.store.tally() == before
    office.later(301)
    assert office.store.settled()[0]["attempts"] == "0"


def test_a_new_window_begins_with_what_comes_after(office: Office) -> None:
    office.accept(change(2))
    office.later(301)
    office.accept(change(3))
    office.later(200)
    office.accept(change(4))
    office.later(99)
    assert said(office) == ["now T2"]
    office.later(2)
    assert said(office) == ["now T2", "now T3\n\nnow T4"]


def test_each_item_has_a_window_of_its_own(office: Office) -> None:
    office.accept(event(1, Kind.ISSUE_CREATED, issue=2, title="Other", state="open"))
    office.accept(change(2), event(2, issue=2, title="Other", state="closed"))
    office.later(301)
    assert sorted(said(office)) == ["now Other", "now T2"]


def test_what_may_not_wait_takes_the_waiting_along() -> None:
    urgent = Message(frozenset({Kind.COMMENT_CREATED}), "said {{ comment.body }}")
    office = an_office(digesting(NEWS, urgent))
    office.accept(CREATED, change(2), change(3), comment(4, "hurry"))
    office.work()
    assert said(office) == ["now T2\n\nnow T3", "said hurry"]


def test_states_that_owe_nothing_join() -> None:
    office = an_office(digesting(Message(NEWS.on, NEWS.text, changed=frozenset({"state"}), digest=WINDOW)))
    office.accept(CREATED, change(2, change={"state": "x"}), change(3, change={"title": "T3"}))
    office.later(301)
    assert said(office) == ["now T2"]
    assert office.jira.items["1"].fields["Summary"] == "T3"
    assert office.store.counts()["in_flight"] == 0


def test_an_edited_comment_is_told_as_what_it_is(office: Office) -> None:
    office.accept(comment(2, "helo"), comment(3, "hello", Kind.COMMENT_UPDATED))
    office.later(301)
    assert said(office) == ["said helo\n\nsaid hello"]


def test_what_is_too_old_is_left_out() -> None:
    office = an_office(digesting(expire={"message": timedelta(minutes=30)}))
    office.accept(CREATED)
    now = office.now()
    office.accept(change(2, at=now - timedelta(hours=1)), change(3, at=now))
    office.later(301)
    assert said(office) == ["now T3"]


def test_a_digest_never_grows_past_what_a_message_holds(office: Office) -> None:
    words = "x" * (LONGEST // 2 - 100)
    events = [comment(number, f"{number}{words}", sub=f"c{number}") for number in range(2, 6)]
    assert company(office.config.connectors["bugs"], events, tools()) == 2
    office.accept(*events)
    office.later(301)
    office.settle_down()
    assert [len(one.split("\n\n")) for one in said(office)] == [2, 2]
    assert sorted(line[5] for line in lines(office)) == ["2", "3", "4", "5"]


@pytest.mark.parametrize(
    ("one", "connector"),
    [
        (change(2), digesting(NEWS, Message(NEWS.on, "at once"))),
        (comment(2, "x"), bugs(messages=(TALK,), comments=Comments(copied=True))),
        (event(2, Kind.ISSUE_DELETED), digesting(Message(frozenset({Kind.ISSUE_DELETED}), "gone", digest=WINDOW))),
        (event(2, Kind.PULL_REQUEST_UPDATED, what="pull_request"), digesting()),
        (change(2), digesting(TALK)),
    ],
    ids=["owes another at once", "is copied as well", "deleted", "a pull request", "owes nothing"],
)
def test_what_waits_for_nobody(one: Event, connector: Connector) -> None:
    assert patience(connector, one) is None


def test_a_hint_is_read_before_it_is_told(office: Office) -> None:
    office.git.sources["git:issue:1"] = change(9)
    office.accept(change(2, partial=True), change(3))
    office.later(301)
    assert said(office) == ["now T9\n\nnow T3"]


# --- exactly once ----------------------------------------------------------------------------------------
def test_after_an_unknown_outcome_nothing_joins_until_it_is_known(office: Office) -> None:
    office.jira.breaks("comment", lambda: Retryable("cut", sent=True), after=True)
    office.accept(change(2))
    office.later(301)
    assert said(office) == ["now T2"]
    office.accept(change(3))
    office.settle_down()
    assert said(office) == ["now T2", "now T3"]
    assert office.jira.ledger.duplicates() == []


def test_after_a_send_that_did_not_arrive_the_same_is_sent(office: Office) -> None:
    office.jira.breaks("comment", lambda: Retryable("cut", sent=True))
    office.accept(change(2))
    office.later(301)
    office.accept(change(3))
    office.settle_down()
    assert said(office) == ["now T2", "now T3"]


def test_a_digest_that_is_refused_takes_in_what_came_meanwhile(office: Office) -> None:
    office.jira.breaks("comment", lambda: Retryable("busy", sent=False))
    office.accept(change(2))
    office.later(301)
    office.accept(change(3))
    office.settle_down()
    assert said(office) == ["now T2\n\nnow T3"]


def test_each_letter_of_a_refused_digest_is_a_dead_letter_and_told_when_it_is_replayed(office: Office) -> None:
    office.jira.breaks("comment", lambda: Rejected("no", status=400))
    office.accept(change(2), change(3), comment(4, "hi"))
    office.later(301)
    dead = [one.id for one in office.store.dead()]
    assert len(dead) == 3
    office.check_accounts()
    for one in reversed(dead):
        _, bells = office.store.replay([one], "{}")
        office.ring(office.config.connectors["bugs"], bells)
        office.settle_down()
    assert sorted(lines(office)) == ["now T2", "now T3", "said hi"]


def test_what_may_have_been_told_and_forgotten_is_not_told_with_what_came_later(office: Office) -> None:
    office.accept(change(2), change(3))
    for one in office.store.waiting():
        office.client.hset(f"{office.store.tag}d:{one.id}", "doubt", "1:2")
    office.accept(change(4))
    office.later(301)
    office.settle_down()
    assert said(office) == ["now T2\n\nnow T3", "now T4"]


def test_what_cannot_be_written_out_fails_alone(office: Office) -> None:
    whole = office.desk.tools

    def render(text: str, view: Mapping[str, Any]) -> Text:
        if view["title"] == "T3":
            raise Rejected("the template fails on this event", cause="template:error")
        return whole.render(text, view)

    office.desk.tools = replace(whole, render=render)
    office.accept(change(2), change(3), change(4))
    office.settle_down()
    assert lines(office) == ["now T2", "now T4"]
    assert [one.fields["cause"] for one in office.store.dead()] == ["template:error"]


def test_a_bug_in_choosing_what_goes_together_is_that_letters_failure(office: Office) -> None:
    def holds(_text: str, _view: object) -> bool:
        raise ZeroDivisionError

    office.change(messages=(Message(NEWS.on, NEWS.text, when="title == 'T2'", digest=WINDOW),))
    office.desk.tools = replace(office.desk.tools, holds=holds)
    office.accept(change(2))
    office.settle_down()
    (dead,) = office.store.dead()
    assert dead.fields["cause"] == "bug:ZeroDivisionError"
    office.check_accounts()


def killed_when(office: Mortal, at: str, *, after: bool) -> None:
    """Answer bells until the process dies before, or after, the ``at``-th kind of call."""
    seen: list[str] = []

    def kill(what: str) -> None:
        seen.append(what)
        if what == at and seen.count(at) == (2 if after else 1):
            office.fuse.left = 0
        office.fuse(what)

    office.jira.before_call = kill
    with pytest.raises(Killed):
        office.later(301)
    office.jira.before_call = office.fuse
    office.fuse.left, office.fuse.blown = -1, False


@pytest.mark.parametrize("after", [False, True], ids=["nothing was sent", "it was sent"])
def test_a_letter_that_dies_of_a_crash_leaves_the_rest_of_its_digest_to_be_told_once(*, after: bool) -> None:
    mortal = Mortal(digesting())
    mortal.accept(CREATED)
    mortal.work()
    mortal.accept(change(2), change(3))
    killed_when(mortal, "comment", after=after)
    letters = mortal.store.waiting()
    assert len({one.fields[FIELD] for one in letters}) == 1
    first = min(letters, key=lambda one: one.seq)
    # The scan that frees the subject finds that it has killed its worker too often.
    mortal.client.hset(f"{mortal.store.tag}d:{first.id}", "crashes", mortal.pace.crashes)
    mortal.later(60)
    mortal.settle_down()
    replay_all(mortal)
    assert sorted(lines(mortal)) == ["now T2", "now T3"]
    assert mortal.jira.ledger.duplicates() == []


def replay_all(office: Office) -> None:
    ids = [one.id for one in office.store.dead()]
    _, bells = office.store.replay(ids, "{}")
    office.ring(office.config.connectors["bugs"], bells)
    office.settle_down()


def test_a_death_at_any_point_tells_each_thing_once() -> None:
    """Whatever the process was doing when it died, and although something else happens before the next tries."""

    def ready() -> Mortal:
        mortal = Mortal(digesting())
        mortal.accept(CREATED)
        mortal.work()
        mortal.accept(change(2), comment(3, "hi"))
        mortal.work()
        mortal.clock.move(301_000)
        mortal.ring(mortal.config.connectors["bugs"], mortal.store.scan().bells)
        mortal.fuse.points = 0
        return mortal

    whole = ready()
    whole.work()
    assert said(whole) == ["now T2\n\nsaid hi"]
    deaths = 0
    for point in range(whole.fuse.points):
        mortal = ready()
        if not mortal.die_after(point):
            break
        deaths += 1
        mortal.accept(change(4))
        mortal.later(60)
        mortal.settle_down()
        assert sorted(lines(mortal)) == ["now T2", "now T4", "said hi"], point
        assert mortal.jira.ledger.duplicates() == [], point
        counts: Mapping[str, int] = mortal.store.counts()
        assert counts["delivered"] == counts["accepted"], point
        mortal.check_accounts()
    assert deaths > 10
