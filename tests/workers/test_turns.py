"""A turn ends when it should, hands on what is left, and stops where it is not trusted any more."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from connector.config import Connector
from connector.errors import Retryable
from connector.event import Kind
from tests.workers.office import CREATED, Office, bugs, event
from workers.delivery import run_turn
from workers.scanner import scan
from workers.stores.deliveries import Deliveries
from workers.stores.records import compress
from workers.stores.scripts import Command


def test_a_letter_that_cannot_be_read_waits_for_a_newer_version(office: Office) -> None:
    office.accept(CREATED)
    (letter,) = office.store.waiting()
    for body in (
        b"",
        b"\x09new codec",
        compress(b'{"v":2}'),
        compress(b'{"v":1,"kind":"issue.split"}'),
        compress(b"{"),
    ):
        office.client.set(f"{office.store.tag}b:{letter.id}", body)
        office.work()
        assert office.store.gates()["format"]["parked"] == 1
        office.ring(bugs(), office.store.open_gate("format")[1])
    office.work()


def test_an_unknown_connector_rings_for_nobody(office: Office) -> None:
    assert run_turn(office.desk, "gone", "b1").ended == "no such connector"


def test_a_stopping_worker_ends_between_two_subjects_and_hands_on(office: Office) -> None:
    office.change(concurrency=1)
    office.accept(*(event(1, Kind.ISSUE_CREATED, issue=n, title=f"T{n}") for n in range(3)))
    office.desk.stopping = lambda: True
    name, token = office.bells[0]
    office.bells.clear()
    turn = run_turn(office.desk, name, token)
    assert turn.delivered == 1
    assert office.bells, "what is left must be rung for"
    office.desk.stopping = bool
    office.work()
    assert office.store.counts()["delivered"] == 3


def test_a_changed_configuration_ends_a_turn(office: Office) -> None:
    office.accept(*(event(1, Kind.ISSUE_CREATED, issue=n, title=f"T{n}") for n in range(3)))
    configs = [office.config]
    office.desk.config = lambda: configs[-1]
    office.jira.before_call = lambda _what: configs.append(dataclasses.replace(office.config, hash="h2"))
    name, token = office.bells.pop(0)
    assert run_turn(office.desk, name, token).delivered == 1


def test_a_thawed_worker_settles_nothing_and_writes_nothing_more(office: Office) -> None:
    # The first worker freezes inside its create, past its lease; another one takes over and finishes.
    done: list[Callable[[], None]] = []

    def freeze(what: str) -> None:
        if what == "create" and not done:
            done.append(lambda: None)
            office.clock.move(45_000)  # past its lease, and past the deadline of its request
            scan(office.desk)
            office.jira.before_call = lambda _what: None
            office.work()

    office.jira.before_call = freeze
    office.accept(CREATED)
    name, token = office.bells.pop(0)
    turn = run_turn(office.desk, name, token)
    assert turn.ended == "fenced"
    assert turn.delivered == 0
    # Its one request may still land (nobody can call it back), but nothing after that.
    assert office.did().count("set relation WEB-2") == 0
    assert office.store.counts()["delivered"] == 1
    link = office.store.link("git:issue:1")
    assert link is not None
    assert link.target == "jira:issue:1"


def test_an_event_costs_one_round_trip_for_its_intent_and_one_to_settle_and_claim(office: Office) -> None:
    office.accept(CREATED)
    office.accept(*(event(1, Kind.ISSUE_CREATED, issue=n, title=f"T{n}") for n in range(2, 6)))
    office.work()
    office.change(relates=False)
    counted: list[str] = []

    class Counting(Deliveries):
        def _run(self, name: str, *arguments: Any) -> Any:
            counted.append(name)
            return super()._run(name, *arguments)

        def _run_beside(self, name: str, commands: Sequence[Command], *arguments: Any) -> tuple[Any, list[Any]]:
            counted.append(name)
            return super()._run_beside(name, commands, *arguments)

    def opened(connector: Connector) -> Deliveries:
        return Counting(office.client, connector.uid, pace=office.pace, clock=office.clock)

    office.desk.deliveries = opened
    office.accept(*(event(2, issue=n, title=f"New {n}") for n in range(1, 6)))
    office.bells = office.bells[:1]
    office.work()
    assert counted == ["begin", *["intent", "settle"] * 5]


def test_an_entity_that_always_fails_slows_no_other(office: Office) -> None:
    tries: list[str] = []

    def fails() -> Retryable:
        tries.append("create")
        return Retryable("502", sent=False, status=502)

    office.jira.breaks("create", fails, only="Bad", times=-1)
    rounds = 10
    for number in range(rounds):
        office.accept(
            *(event(1, Kind.ISSUE_CREATED, issue=100 * number + n, title=f"T{number}-{n}") for n in range(5)),
            event(number + 1, issue=1_000_000, title="Bad"),
        )
        office.later(1)
        # Nothing of the others is left over, whatever became of the bad one.
        assert office.store.counts()["delivered"] == 5 * (number + 1)
        assert office.store.counts()["in_flight"] <= number + 1
    assert len(tries) <= 3, "its waits grow: it is tried now, after 5 s, after 30 s"
