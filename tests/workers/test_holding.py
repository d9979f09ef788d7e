"""One cause that strikes many entities holds the connector for it: few dead letters, one alert, a canary, no replay."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from connector.errors import Ambiguous, ConnectorError, Forbidden, RateLimited, Rejected, Retryable, Scope, Unauthorized
from connector.event import Event, Kind
from tests.workers.office import CREATED, NEW, Office, bugs, comment, event
from workers.holding import Holding, gate_of_cause


def issues(*numbers: int) -> list[Event]:
    return [event(1, Kind.ISSUE_CREATED, issue=n, title=f"T{n}", state="open") for n in numbers]


def rejected() -> ConnectorError:
    return Rejected("Priority is required", fields={"Priority": "required"}, cause="required:priority", status=400)


def forbidden() -> ConnectorError:
    return Forbidden("the account may not do this in WEB", where="WEB", cause="403")


def held(office: Office, error: Any = rejected, number: int = 12) -> str:
    """Let a cause strike; returns the gate."""
    office.jira.breaks("create", error, times=-1)
    office.accept(*issues(*range(number)))
    office.work()
    (gate,) = office.store.gates()
    return gate


def minutes(office: Office, number: int) -> None:
    for _ in range(number * 2):
        office.later(30)


def test_thousands_of_failures_of_one_cause_end_as_few_dead_letters_and_one_held_gate(valkey_url: str) -> None:
    number = 10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 1000
    with Redis.from_url(valkey_url) as client:
        client.flushall()
        office = Office(client)
        office.desk.turn = timedelta(hours=1)
        held(office, forbidden, number)
        counts = office.store.counts()
        assert (counts["dead"], counts["in_flight"]) == (4, number - 4)
        (shut,) = office.store.gates().values()
        assert shut["parked"] == number - 4
        assert (len(office.alerts), len(office.holds)) == (4, 1)
        office.check_accounts()


def test_a_cause_is_told_once_with_what_a_person_needs(office: Office) -> None:
    gate = held(office, forbidden)
    about = {"error": "Forbidden", "cause": "403", "where": "WEB", "message": "the account may not do this in WEB"}
    assert office.holds == [(gate, about)]
    assert [row["gate"] for row in office.audit if row["action"] == "hold"] == [gate]
    minutes(office, 60)
    assert len(office.holds) == 1
    assert len(office.alerts) == 4


def test_a_credential_that_was_just_found_good_is_not_asked_about_again_for_each(office: Office) -> None:
    held(office, forbidden, 30)
    assert office.jira.probes == 1
    office.jira.refuses = Unauthorized("revoked", status=401)
    minutes(office, 3)
    assert office.desk.connections.state("jira").kind == "paused", "the next canary asks anew"
    office.jira.refuses = None
    office.jira.faults.clear()
    minutes(office, 10)
    assert office.store.counts()["delivered"] == 30


def test_when_it_is_mended_all_goes_on_by_itself_and_nothing_is_doubled(office: Office) -> None:
    held(office)
    office.jira.faults.clear()
    minutes(office, 5)
    assert office.store.counts()["delivered"] == 12
    assert office.store.gates() == {}
    assert len(office.jira.items) == 12
    assert office.jira.ledger.duplicates() == []
    assert "open" in [row["action"] for row in office.audit]


def test_a_canary_costs_one_call_at_ever_longer_intervals_and_no_attempt(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    held(office)
    tried: list[str] = []
    office.jira.before_call = lambda what: tried.append(what) if what == "create" else None
    minutes(office, 60)
    # After 1, 3, 7, 15 minutes, and then every 15.
    assert len(tried) == 7
    assert len([one for one in caplog.records if "stays held" in one.message and one.levelname == "WARNING"]) == 7
    assert {one.attempts for one in office.store.waiting()} == {0}
    assert office.store.counts()["dead"] == 4


def test_what_does_not_fail_with_the_cause_goes_on(office: Office) -> None:
    office.accept(*issues(100))
    office.work()
    held(office)
    office.accept(comment(2, "hello", issue=100))
    office.work()
    assert list(office.jira.items["1"].comments.values()) == ["hello"]


def test_one_bad_entity_now_and_then_among_good_ones_is_a_dead_letter_each(office: Office) -> None:
    for number in range(20):
        office.jira.breaks("create", rejected, only=f"T{number}")
        office.accept(*issues(number))
        office.work()
        office.accept(*issues(1000 + number))
        office.work()
    assert office.store.counts()["dead"] == 20
    assert office.store.gates() == {}


def test_an_item_that_is_told_of_twice_counts_as_what_it_is(office: Office) -> None:
    """GitHub tells of an issue that is opened with a label in two webhooks; a good one in between excuses both."""
    for number in range(6):
        office.accept(event(1, Kind.ISSUE_CREATED, issue=f"bad{number}", title="impossible"))
        office.work()
        office.accept(event(2, issue=f"bad{number}", title="impossible"))
        office.work()
        office.accept(event(1, Kind.ISSUE_CREATED, issue=f"good{number}", title="Fine"))
        office.work()
    assert not office.store.gates()
    assert office.store.counts()["dead"] == 12


def test_a_success_elsewhere_does_not_excuse_a_forbidden_place(office: Office) -> None:
    for number in range(8):
        office.jira.breaks("create", forbidden, only=f"T{number}")
        office.accept(*issues(number, 1000 + number))
        office.work()
    assert office.store.counts()["dead"] == 4


def test_causes_are_told_apart(office: Office) -> None:
    causes = iter(range(100))
    office.jira.breaks("create", lambda: Rejected("no", cause=f"invalid:{next(causes)}", status=400), times=-1)
    office.accept(*issues(*range(12)))
    office.work()
    assert office.store.counts()["dead"] == 12


def test_an_ambiguous_write_is_for_a_person_each(office: Office) -> None:
    office.jira.breaks("create", lambda: Ambiguous("who knows", cause="ambiguous"), times=-1)
    office.accept(*issues(*range(12)))
    office.work()
    assert office.store.counts()["dead"] == 12


def test_a_canary_with_another_error_follows_the_ordinary_rules(office: Office) -> None:
    gate = held(office)
    office.jira.faults.clear()
    office.jira.breaks("create", lambda: Rejected("too long", cause="too_long", status=400))
    minutes(office, 1)
    assert office.store.counts()["dead"] == 5
    assert gate in office.store.gates()
    minutes(office, 3)
    assert office.store.counts()["delivered"] == 11


def test_a_canary_in_an_outage_waits_with_everybody(office: Office) -> None:
    held(office)
    office.jira.faults.clear()
    office.jira.breaks("create", lambda: Retryable("503", sent=False, status=503), times=-1)
    minutes(office, 30)
    office.jira.faults.clear()
    minutes(office, 60)
    assert office.store.counts()["delivered"] == 12


def test_a_mailbox_that_a_dead_letter_would_block_is_held_like_any_other(office: Office) -> None:
    office.change(on_dead="block")
    office.jira.breaks("create", rejected, times=-1)
    office.accept(*issues(*range(12)))
    office.work()
    gates = office.store.gates()
    assert len([name for name in gates if name.startswith("dead-")]) == 4
    office.jira.faults.clear()
    minutes(office, 3)
    assert office.store.counts()["delivered"] == 12


def test_states_that_collapsed_stay_together_while_they_are_held(office: Office) -> None:
    held(office, number=6)
    office.accept(*(event(2, issue=n, title=f"New {n}", state="open") for n in range(6)))
    minutes(office, 2)
    office.jira.faults.clear()
    minutes(office, 10)
    assert sorted(item.fields["Summary"] for item in office.jira.items.values()) == [f"New {n}" for n in range(6)]
    assert office.store.counts()["in_flight"] == 0


def test_what_is_written_after_the_cause_is_told_apart_by_its_kind(office: Office) -> None:
    office.accept(*issues(*range(20, 25)))
    office.work()
    office.jira.breaks("create", rejected, times=-1)
    for number in range(5):
        office.accept(*issues(number), event(2, issue=20 + number, title="Newer", state="open"))
        office.work()
    assert office.store.counts()["dead"] == 4, "updates that succeed say nothing of what cannot be made"


def test_the_threshold_is_a_setting(office: Office) -> None:
    office.desk.holding = Holding(entities=2)
    held(office, number=3)
    assert office.store.counts()["dead"] == 1


def test_a_body_of_a_newer_version_goes_on_when_a_worker_can_read_it(office: Office) -> None:
    office.accept(CREATED)
    (letter,) = office.store.waiting()
    key = f"{office.store.tag}b:{letter.id}"
    body = office.client.get(key)
    office.client.set(key, b"\x09newer")
    minutes(office, 10)
    assert office.store.gates()["format"]["parked"] == 1
    assert isinstance(body, bytes)
    office.client.set(key, body)
    minutes(office, 15)
    assert office.did() == NEW
    assert office.store.gates() == {}


# --- an endpoint class --------------------------------------------------------------------------------------
def slow(span: timedelta, **more: Any) -> Any:
    return lambda: RateLimited("slow down", scope=Scope.ENDPOINT, retry_after=span, endpoint="write", **more)


def test_a_closed_class_parks_who_needs_it_and_nobody_else(office: Office) -> None:
    office.accept(*issues(50))
    office.work()
    office.jira.breaks("create", slow(timedelta(hours=2)), times=-1)
    office.accept(*issues(*range(10)), comment(2, "hello", issue=50))
    office.work()
    assert office.store.gates()["class:jira:write"]["parked"] == 10
    assert list(office.jira.items["1"].comments.values()) == ["hello"]
    assert office.desk.connections.state("jira").kind == ""
    assert office.holds == []
    office.jira.faults.clear()
    office.later(7199)
    assert len(office.jira.items) == 1
    office.later(1)
    office.later(1)
    assert len(office.jira.items) == 11
    assert {row["attempts"] for row in office.store.settled()} == {"0"}
    assert office.store.gates() == {}


def test_a_class_belongs_to_its_connection(office: Office) -> None:
    office.declare(bugs(), bugs(name="more"))
    refused = slow(timedelta(hours=2))()
    refused.connection = "git"
    office.jira.breaks("create", lambda: refused, times=1)
    office.accept(CREATED)
    office.work()
    assert list(office.store.gates()) == ["class:git:write"]
    assert office.books(office.config.connectors["more"]).gates() == {}


def test_our_own_pace_of_a_class_closes_the_connector_for_moments_and_parks_for_longer(office: Office) -> None:
    office.jira.breaks("create", slow(timedelta(seconds=1), status=None))
    office.accept(CREATED)
    office.work()
    assert office.store.gates() == {}
    office.later(1.1)
    assert office.did() == NEW
    office.jira.breaks("create", slow(timedelta(seconds=60), status=None))
    office.accept(*issues(2))
    office.work()
    assert list(office.store.gates()) == ["class:jira:write"]


# --- what a cause is called ----------------------------------------------------------------------------------
def test_the_name_of_a_cause_is_stable_and_holds_no_words_of_its_own() -> None:
    assert gate_of_cause("Rejected", "required:priority", "", "Priority") == "cause:2c7031e9cb"
    assert gate_of_cause("a", "b") != gate_of_cause("ab", "")


def test_only_what_is_final_is_held_for() -> None:
    holding = Holding()
    assert holding.of(Retryable("no", sent=False), "k") == {}
    assert holding.of(RateLimited("no", scope=Scope.ENTITY), "k") == {}
    one, other = Forbidden("no", where="WEB"), Forbidden("no", where="API")
    assert holding.of(one, "k")["gate"] != holding.of(other, "k")["gate"]
    assert replace(holding, entities=9).of(one, "k")["entities"] == 9
