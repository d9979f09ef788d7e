"""Ten ways in which other products are known to fail, each told to the end: what the ledgers say must be right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer

from connector.errors import Retryable, Unauthorized
from connector.sandbox import Fault
from tests.systems.jira.places import Someone
from tests.workers.office import Office, event
from tests.workers.pairs import Pairs
from tests.workers.street import Street, back
from tests.workers.street import bugs as street_bugs
from workers.delivery import run_turn


def street(**options: Any) -> Street:
    return Street(FakeRedis(server=FakeServer(server_type="valkey")), **options)


@pytest.fixture
def pairs() -> Iterator[Pairs]:
    made = Pairs()
    yield made
    made.check_accounts()
    made.no_effect_is_double()


def test_1_a_search_that_lags_a_minute_makes_no_second_issue() -> None:
    here = street(index_lag=timedelta(seconds=60))
    here.benches["jira"].sandbox.faults.on = [Fault("apply_then_drop", path=".*/issue", method="POST", times=1)]
    here.report("Broken")
    here.deliver_hooks("git")
    for _ in range(60):
        here.later(15)
    assert list(here.issues()) == ["Broken"]
    assert here.books(here.config.connectors["bugs"]).counts()["in_flight"] == 0
    here.no_effect_is_double()


def test_2_two_workers_never_hold_one_item(pairs: Pairs) -> None:
    number = pairs.report("Broken")
    pairs.settle()
    pairs.person("PATCH", f"/issues/{number}", {"title": "Renamed"})
    pairs.takes(pairs.hooks())
    turns = []

    def another() -> None:
        """Let a second worker come while the first is in the middle of a call."""
        pairs.comment(number, "Meanwhile")
        pairs.report("Another")
        pairs.takes(pairs.hooks())
        while pairs.bells:
            turns.append(run_turn(pairs.desk, *pairs.bells.pop(0)))
        assert "Another" in pairs.issues(), "it had something to do"
        assert not pairs.on_jira()["comment"]["comments"], "the item is in other hands"

    pairs.meanwhile = [another]
    pairs.work()
    assert turns
    pairs.settle()
    assert pairs.on_jira()["summary"] == "Renamed"
    assert len(pairs.on_jira()["comment"]["comments"]) == 1


def test_3_a_retry_after_of_two_hours_costs_no_attempt_and_no_worker() -> None:
    here = street()
    fault = Fault("rate_limit", path=".*/issue", method="POST", times=1, retry_after=7200)
    here.benches["jira"].sandbox.faults.on = [fault]
    here.report("Broken")
    here.deliver_hooks("git")
    books = here.books(here.config.connectors["bugs"])
    asked = len(here.benches["jira"].transport.sent)
    for _ in range(7):
        here.later(1000)
    assert len(here.benches["jira"].transport.sent) == asked, "somebody asked before the two hours were over"
    assert books.counts()["in_flight"] == 1
    here.later(400)
    here.later(60)
    assert "Broken" in here.issues()
    (row,) = books.settled(most=1)
    assert row["attempts"] == "0"


def test_4_people_who_share_the_account_of_the_bot_are_heard_and_nothing_echoes(pairs: Pairs) -> None:
    number = pairs.report("Broken")
    pairs.settle()
    issue = str(pairs.issues()["Broken"]["id"])
    bot = Someone(pairs.benches["jira"], login="bot")
    for text in ("One", "Two", "Three"):
        bot.comments(issue, f"{text} of a person who uses the bot's account")
        pairs.settle(3)
    pairs.settle()
    here = [one["body"] for one in pairs.person("GET", f"/issues/{number}/comments") if "uses the bot's" in one["body"]]
    assert len(here) == 3
    assert len(pairs.on_jira()["comment"]["comments"]) == 3


def test_5_ten_edits_against_three_within_two_seconds_come_to_rest(pairs: Pairs) -> None:
    number = pairs.report("Broken")
    pairs.settle()
    issue = str(pairs.issues()["Broken"]["id"])
    before = pairs.writes()
    for count in range(10):
        pairs.benches["git"].clock.move(timedelta(milliseconds=-1800))
        pairs.person("PATCH", f"/issues/{number}", {"title": f"Renamed {count}"})
        if count % 3 == 0:
            pairs.ada.edits(issue, labels=[f"label{count}"])
    edits = pairs.writes() - before
    pairs.settle()
    assert pairs.on_git()["title"] == pairs.on_jira()["summary"] == "Renamed 9"
    assert pairs.on_git()["labels"] == pairs.on_jira()["labels"] == ["label9"]
    assert pairs.writes() - before - edits <= 4, "more was written than two fields and their echoes need"


@pytest.mark.parametrize("zone", ["Etc/GMT-3", "America/Los_Angeles"])
def test_6_an_account_in_another_time_zone_polls_a_hot_issue_without_losing_or_doubling(zone: str) -> None:
    here = street(zone=zone, index_lag=timedelta(0))
    here.declare(street_bugs(), back())
    here.report("Hot")
    here.deliver_hooks("git")
    issue = str(here.issues()["Hot"]["id"])
    here.poll("back")
    ada = Someone(here.benches["jira"])
    for count in range(8):
        here.clock.move(20_000)
        ada.comments(issue, f"Said {count}")
        here.poll("back")
        here.work()
        here.hooks("jira")  # none of them arrives
    for _ in range(4):
        here.later(60)
        here.poll("back")
        here.work()
    said = [one["body"].split("\n")[0].strip() for one in here.person("GET", "/issues/1/comments")]
    assert [one for one in said if one.startswith("Said")] == [f"Said {count}" for count in range(8)]


def test_7_one_wedged_item_among_many_holds_up_nobody(office: Office) -> None:
    """Of 60 here; the piles of `connector bench` hold a million, the simulator's a few."""
    office.change(attempts=3)
    office.jira.breaks("create", lambda: Retryable("500", sent=False, status=500), times=-1, only="Wedged")
    titles = ["Wedged" if n == 30 else f"Number {n}" for n in range(60)]
    office.accept(*(event(1, issue=n, title=title, state="open") for n, title in enumerate(titles)))
    office.work()
    assert len(office.jira.items) == 59, "nobody waits for it"
    for _ in range(6):
        office.later(900)
    assert len(office.jira.items) == 59
    (dead,) = office.store.dead()
    assert dead.entity == "git:issue:30"


def test_8_a_payload_that_breaks_our_code_is_kept_with_its_story_and_stops_nobody(office: Office) -> None:
    def breaks(what: str) -> None:
        if "complete" in what:
            raise KeyError("a member that has always been there")

    office.git.before_call = breaks
    office.accept(event(1, issue=1, partial=True, title="?"), event(1, issue=2, title="Fine", state="open"))
    for _ in range(4):
        office.later(600)
    assert [item.fields["Summary"] for item in office.jira.items.values()] == ["Fine"]
    (dead,) = office.store.dead()
    assert (dead.entity, dead.fields["cause"]) == ("git:issue:1", "bug:KeyError")
    assert "Traceback" in dead.fields["traceback"]


def test_9_what_is_private_never_leaves_also_where_it_was_public_once(pairs: Pairs) -> None:
    number = pairs.report("Broken")
    pairs.settle()
    issue = str(pairs.issues()["Broken"]["id"])
    role = {"type": "role", "value": "Administrators"}
    pairs.ada.comments(issue, "A secret from the start", visibility=role)
    said = pairs.ada.comments(issue, "For everybody")
    pairs.settle()

    def here() -> str:
        return json.dumps([one["body"] for one in pairs.person("GET", f"/issues/{number}/comments")])

    assert "For everybody" in here()
    pairs.ada.ask("PUT", f"/issue/{issue}/comment/{said}", {"body": "For everybody, and edited"})
    late = pairs.hooks("jira")
    pairs.ada.ask("PUT", f"/issue/{issue}/comment/{said}", {"body": "Now a secret", "visibility": role})
    pairs.settle()
    pairs.takes(late)
    pairs.settle()
    assert "secret" not in here()
    assert "For everybody" not in here()
    pairs.ada.ask("PUT", f"/issue/{issue}/comment/{said}", {"body": "For everybody again", "visibility": None})
    pairs.settle()
    assert here().count("For everybody again") == 1
    pairs.ada.ask("PUT", f"/issue/{issue}/comment/{said}", {"body": "And a secret again", "visibility": role})
    pairs.settle()
    assert "again" not in here()
    assert "secret" not in here()


def test_10_fifty_workers_meet_a_token_that_ends_while_somebody_changes_it(office: Office) -> None:
    asked, good = [], [False]

    def call(what: str) -> None:
        asked.append(what)
        if not good[0]:
            raise Unauthorized("the token has ended", status=401)

    office.jira.before_call = call
    office.accept(*(event(1, issue=number, title=f"Number {number}") for number in range(50)))
    office.work()
    assert len(asked) <= 3, "one refusal is enough to know"
    assert office.store.counts()["dead"] == 0
    good[0] = True  # the operator has saved the new one
    for _ in range(4):
        office.later(60)
    assert len(office.jira.items) == 50
    assert office.store.counts()["dead"] == 0
