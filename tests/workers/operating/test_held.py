"""What is held is told in a line with what opens it, and a person can let it go or make dead letters of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis import Redis

from connector.errors import RateLimited, Rejected, Scope
from connector.event import Kind
from tests.workers.office import Office, comment, event
from workers.operating import acting
from workers.operating.acting import Actor
from workers.operating.held import line, what_opens

ADA = Actor("ada")


def held(client: Redis, number: int = 12) -> tuple[Office, str]:
    office = Office(client)
    office.jira.breaks("create", lambda: Rejected("Priority is required", cause="required:priority"), times=-1)
    office.accept(*(event(1, Kind.ISSUE_CREATED, issue=n, title=f"T{n}", state="open") for n in range(number)))
    office.work()
    (gate,) = office.store.gates()
    return office, gate


def told(office: Office) -> list[str]:
    return [
        line("bugs", name, shut, lambda at: f"+{(at - office.clock()) // 1000} s")
        for name, shut in office.store.gates().items()
    ]


def test_a_cause_is_told_with_its_canary(redis_client: Redis) -> None:
    office, gate = held(redis_client)
    text = f"bugs: 8 held behind {gate} since +0 s: Rejected required:priority: Priority is required; mend it, "
    assert told(office) == [text + "the next canary goes at +60 s"]
    office.later(60)
    assert told(office)[0].endswith("the next canary goes at +120 s (1 failed so far)")
    office.jira.faults.clear()
    office.later(120)
    assert told(office)[0].endswith("opening: a canary got through, or a person opened it")


def test_a_closed_class_is_told_with_its_time(redis_client: Redis) -> None:
    office = Office(redis_client)
    slow = RateLimited("slow down", scope=Scope.ENDPOINT, retry_after=timedelta(hours=2), endpoint="write")
    office.jira.breaks("create", lambda: slow)
    office.accept(event(1, Kind.ISSUE_CREATED, title="T"))
    office.work()
    assert told(office) == ["bugs: 1 held behind class:jira:write since +0 s: slow down; opens by itself at +7200 s"]


@pytest.mark.parametrize(
    ("gate", "shut", "said"),
    [
        ("dead-d1", {}, "replay or discard dead letter d1"),
        ("format", {"next": 5, "tries": 0}, "a newer version wrote it; the next try is at 5"),
        ("forbidden-403", {}, "a person opens it: connector resume NAME --gate GATE"),
    ],
)
def test_every_gate_says_what_opens_it(gate: str, shut: dict[str, int], said: str) -> None:
    assert what_opens(gate, shut, str) == said


def test_a_person_opens_one_gate_and_it_is_in_the_audit(redis_client: Redis) -> None:
    office, gate = held(redis_client)
    office.jira.faults.clear()
    assert acting.resume(office.desk, office.config.connectors["bugs"], ADA, gate=gate) == 8
    office.later(1)
    office.later(1)
    assert office.store.counts()["delivered"] == 12
    assert [row["gate"] for row in office.store.audit() if row["action"] == "resume"] == [gate]


def test_a_person_makes_dead_letters_of_what_is_held_and_gives_them_up(redis_client: Redis) -> None:
    office, gate = held(redis_client)
    bugs = office.config.connectors["bugs"]
    assert acting.bury(office.desk, bugs, ADA, gate, "spam") == 8
    office.work()
    assert office.store.counts()["dead"] == 12
    rows = [row for row in office.audit if row["action"] == "bury"]
    assert [(row["letters"], row["gate"], row["reason"], row["actor"]) for row in rows] == [(8, gate, "spam", "ada")]
    ids = [one.id for one in office.store.dead() if one.fields["cause"] == "required:priority"]
    assert acting.discard(office.desk, bugs, ids, ADA, "spam") == 12
    office.later(180)
    assert office.store.gates() == {}
    assert office.store.counts()["in_flight"] == 0
    assert acting.bury(office.desk, bugs, ADA, gate, "again") == 0


def test_burying_ends_though_what_comes_after_is_held_again_at_once(redis_client: Redis) -> None:
    office, gate = held(redis_client, 6)
    office.accept(*(comment(2, "hello", issue=n) for n in range(6)))
    ring = office.desk.ring

    def at_once(*arguments: object) -> None:
        ring(*arguments)  # type: ignore[arg-type]
        office.work()

    office.desk.ring = at_once
    assert acting.bury(office.desk, office.config.connectors["bugs"], ADA, gate, "no") == 2
    office.check_accounts()
