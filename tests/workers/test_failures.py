"""Each class of failure has its one next step, and costs what it should."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from connector.errors import (
    Ambiguous,
    ConnectorError,
    Forbidden,
    RateLimited,
    Rejected,
    Retryable,
    Scope,
    Stale,
    Unauthorized,
)
from connector.event import Kind
from tests.workers.office import CREATED, NEW, Office, bugs, comment, event


def gone() -> ConnectorError:
    return Retryable("502", sent=True, status=502)


def test_a_passing_failure_is_tried_again_later(office: Office) -> None:
    office.jira.breaks("create", lambda: Retryable("refused", sent=False))
    office.accept(CREATED)
    office.work()
    assert office.store.owner("git:issue:1") == "d"
    assert office.did() == []
    office.later(4)
    assert office.did() == []
    office.later(2)
    assert office.did() == NEW


def test_the_last_attempt_makes_a_dead_letter_with_its_story(office: Office) -> None:
    office.change(attempts=3)
    office.jira.breaks("create", lambda: Retryable("503 again", sent=False, status=503), times=-1)
    office.accept(CREATED)
    office.settle_down()
    (dead,) = office.store.dead()
    assert (dead.attempts, dead.fields["error"], dead.fields["cause"]) == (3, "Retryable", "503")
    assert [row["attempt"] for row in orjson.loads(dead.fields["log"])] == [1, 2, 3]
    assert [delivery for delivery, _ in office.alerts] == [dead.id]
    assert office.store.counts() == {
        "accepted": 1, "delivered": 0, "skipped": 0, "dead": 1, "discarded": 0, "in_flight": 0
    }  # fmt: skip


def test_a_newer_state_that_joins_a_failing_one_inherits_its_attempts(office: Office) -> None:
    office.change(attempts=3)
    office.jira.breaks("create", lambda: Retryable("503", sent=False), times=-1)
    office.accept(CREATED)
    office.work()
    office.accept(event(2, title="Newer"))
    office.settle_down()
    (dead,) = office.store.dead()
    assert dead.attempts == 3
    assert len(orjson.loads(dead.fields["log"])) == 3
    assert office.store.counts()["skipped"] == 1


def test_a_rejection_is_a_dead_letter_at_once_and_the_mailbox_goes_on(office: Office) -> None:
    office.accept(event(1, Kind.ISSUE_CREATED, title="Fine"), comment(2, "hello"))
    office.jira.breaks("comment", lambda: Rejected("too long", status=400))
    office.accept(comment(3, "again", sub="c2"))
    office.work()
    assert list(office.jira.items["1"].comments.values()) == ["again"]
    (dead,) = office.store.dead()
    assert dead.fields["status"] == "400"


def test_a_dead_letter_can_block_what_comes_after_it(office: Office) -> None:
    office.change(on_dead="block")
    office.accept(event(1, Kind.ISSUE_CREATED, title="Fine"))
    office.jira.breaks("comment", lambda: Rejected("too long", status=400))
    office.accept(comment(2, "first"), comment(3, "second", sub="c2"))
    office.work()
    assert office.jira.items["1"].comments == {}
    (dead,) = office.store.dead()
    assert list(office.store.gates()) == [f"dead-{dead.id}"]
    _, bells = office.store.replay([dead.id], "{}")
    office.ring(bugs(), bells)
    office.work()
    assert list(office.jira.items["1"].comments.values()) == ["first", "second"]


def test_a_repeated_webhook_opens_what_a_dead_letter_blocks(office: Office) -> None:
    office.change(on_dead="block")
    office.jira.breaks("create", lambda: Rejected("no", status=400))
    office.accept(CREATED, comment(2, "second"))
    office.work()
    assert office.accept(CREATED, revive=True) == ["revived"]
    office.work()
    assert office.did() == [*NEW, "add comment WEB-1"]


def test_a_repeat_by_poll_does_not_bring_a_dead_letter_back(office: Office) -> None:
    office.jira.breaks("create", lambda: Rejected("no", status=400))
    office.accept(CREATED)
    office.work()
    assert office.accept(CREATED) == ["duplicate"]
    assert office.store.counts()["dead"] == 1


def test_replaying_a_dead_letter_twice_has_one_effect(office: Office) -> None:
    office.jira.breaks("comment", lambda: Rejected("no", status=400))
    office.accept(CREATED, comment(2, "hello"))
    office.work()
    ids = [one.id for one in office.store.dead()]
    for _ in range(2):
        _, bells = office.store.replay(ids, "{}")
        office.ring(bugs(), bells)
        office.work()
    assert list(office.jira.items["1"].comments.values()) == ["hello"]


def test_a_replayed_state_is_read_again_at_its_source(office: Office) -> None:
    office.jira.breaks("create", lambda: Rejected("no", status=400))
    office.accept(CREATED)
    office.work()
    office.git.sources["git:issue:1"] = event(7, title="Mended", state="open")
    _, bells = office.store.replay([one.id for one in office.store.dead()], "{}")
    office.ring(bugs(), bells)
    office.work()
    assert office.jira.items["1"].fields["Summary"] == "Mended"


def test_a_newer_state_closes_the_older_dead_ones(office: Office) -> None:
    office.accept(event(1, Kind.ISSUE_CREATED, title="impossible"))
    office.work()
    assert office.store.counts()["dead"] == 1
    office.accept(event(2, title="Possible"))
    office.work()
    assert office.store.counts()["dead"] == 0
    assert any(row["reason"].startswith("superseded by ") for row in office.store.settled())


def test_a_newer_state_does_not_close_a_dead_comment(office: Office) -> None:
    office.jira.breaks("comment", lambda: Rejected("no", status=400))
    office.accept(CREATED, comment(2, "hello"), event(3, title="Newer"))
    office.work()
    assert office.store.counts()["dead"] == 1


def test_a_limit_of_one_entity_waits_without_counting(office: Office) -> None:
    office.jira.breaks(
        "create", lambda: RateLimited("slow", scope=Scope.ENTITY, retry_after=timedelta(seconds=9)), times=20
    )
    office.accept(CREATED)
    office.work()
    for _ in range(20):
        assert office.store.owner("git:issue:1") == "d"
        office.later(9.1)
    assert office.did() == NEW
    assert office.store.settled()[0]["attempts"] == "0"


@pytest.mark.parametrize("scope", [Scope.ENDPOINT, Scope.CONNECTION])
def test_a_limit_of_the_connection_closes_it_for_all_its_connectors(office: Office, scope: Scope) -> None:
    office.declare(bugs(), bugs(name="more"))
    office.jira.breaks("create", lambda: RateLimited("slow", scope=scope, retry_after=timedelta(seconds=60)))
    office.accept(CREATED)
    office.work()
    assert office.did() == []
    assert office.desk.connections.state("jira").kind == "limit"
    office.later(30)
    assert office.did() == []
    assert [office.books(one).counts()["in_flight"] for one in office.config.connectors.values()] == [1, 1]
    office.later(31)
    assert office.did() == NEW
    assert [office.books(one).counts()["in_flight"] for one in office.config.connectors.values()] == [0, 0]
    assert office.store.settled()[0]["attempts"] == "0"


def test_our_own_empty_budget_closes_this_connector_only(office: Office) -> None:
    office.declare(bugs(), bugs(name="more"))
    ours = RateLimited("budget", scope=Scope.CONNECTION, retry_after=timedelta(seconds=3), status=None)
    office.jira.breaks("create", lambda: ours)
    office.accept(CREATED)
    office.work()
    assert [office.books(one).counts()["in_flight"] for one in office.config.connectors.values()] == [1, 0]
    assert office.desk.connections.state("jira").closed_until == 0
    office.later(3.1)
    assert office.store.counts()["in_flight"] == 0


def test_a_refused_credential_pauses_and_nothing_dies(office: Office) -> None:
    office.jira.breaks("create", lambda: Unauthorized("expired", status=401), times=-1)
    office.jira.refuses = Unauthorized("expired", status=401)
    office.accept(*(event(1, Kind.ISSUE_CREATED, issue=n, title=f"T{n}") for n in range(5)))
    office.work()
    for _ in range(10):
        office.later(31)
    assert office.store.counts()["dead"] == 0
    assert office.desk.connections.state("jira").kind == "paused"
    office.jira.refuses = None
    office.jira.faults.clear()
    office.later(31)
    office.later(31)
    assert office.store.counts()["delivered"] == 5
    assert office.desk.connections.state("jira").kind == ""
    assert "resume" in [row["action"] for row in office.audit]


def test_a_pause_is_tried_by_one_worker_at_a_time(office: Office) -> None:
    office.desk.connections.close("jira", timedelta(seconds=1), "paused", "expired")
    office.jira.refuses = Unauthorized("expired", status=401)
    office.accept(CREATED)
    office.clock.move(1100)
    assert office.desk.connections.claim_probe("jira", timedelta(seconds=10))
    office.work()
    assert office.jira.probes == 0
    assert office.store.counts()["in_flight"] == 1


def test_forbidden_with_a_refused_credential_is_a_pause(office: Office) -> None:
    office.jira.breaks("create", lambda: Forbidden("no", where="WEB"))
    office.jira.refuses = Unauthorized("expired", status=401)
    office.accept(CREATED)
    office.work()
    assert office.store.counts()["dead"] == 0
    assert office.desk.connections.state("jira").kind == "paused"


def test_a_target_that_moved_is_planned_again_at_once(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    office.jira.breaks("update", lambda: Stale("409", status=409), times=2)
    office.accept(event(2, title="Newer", state="open"))
    office.work()
    assert office.jira.items["1"].fields["Summary"] == "Newer"


def test_a_target_that_moves_for_ever_counts_and_opens_no_breaker(office: Office) -> None:
    office.change(attempts=2)
    office.jira.breaks("create", lambda: Stale("409", status=409), times=-1)
    office.accept(*(event(1, Kind.ISSUE_CREATED, issue=n, title=f"T{n}") for n in range(5)))
    office.settle_down()
    assert office.store.counts()["dead"] == 5


def test_planning_again_does_not_write_again_what_is_written(office: Office) -> None:
    office.jira.breaks("relate", lambda: Stale("409", status=409))
    office.accept(CREATED)
    office.work()
    assert office.did() == NEW


def test_a_bug_of_ours_has_one_retry_and_then_shows_its_traceback(office: Office) -> None:
    office.jira.breaks("shape", lambda: ZeroDivisionError("oops"), times=-1)
    office.accept(*(event(1, Kind.ISSUE_CREATED, issue=n, title=f"T{n}") for n in range(5)))
    office.settle_down(hours=2)
    dead = office.store.dead()
    assert {(one.attempts, one.fields["cause"]) for one in dead} == {(2, "bug:ZeroDivisionError")}
    assert "in shape" in dead[0].fields["traceback"]
    assert office.desk.connections.state("jira").kind == "", "a bug of ours must not close a connection"


def test_a_bug_in_a_probe_is_counted_like_any_other(office: Office) -> None:
    office.jira.breaks("create", lambda: Forbidden("no"), times=-1)
    office.jira.refuses = RuntimeError("the probe itself is broken")  # type: ignore[assignment]
    office.accept(CREATED)
    office.settle_down(hours=2)
    assert office.store.counts()["dead"] == 1


def test_an_outage_opens_the_breaker_and_kills_nothing(office: Office) -> None:
    office.change(attempts=2)
    office.jira.breaks("create", gone, times=-1)
    office.accept(*(event(1, Kind.ISSUE_CREATED, issue=n, title=f"T{n}") for n in range(12)))
    office.work()
    for _ in range(60):
        office.later(60)
    assert office.store.counts()["dead"] == 0
    assert office.desk.connections.state("jira").kind == "breaker"
    office.jira.faults.clear()
    for _ in range(10):
        office.later(130)
    assert office.store.counts()["delivered"] == 12
    assert office.desk.connections.state("jira").kind == ""
    assert office.jira.ledger.duplicates() == []


def test_one_bad_entity_among_good_ones_dies_alone(office: Office) -> None:
    office.change(attempts=3)
    office.jira.breaks("create", lambda: Retryable("500", sent=False, status=500), times=-1, only="Bad")
    office.accept(event(1, Kind.ISSUE_CREATED, issue=99, title="Bad"))
    for n in range(40):
        office.accept(event(1, Kind.ISSUE_CREATED, issue=n, title="Good"))
        office.later(3600)
    assert office.store.counts()["dead"] == 1
    assert office.store.counts()["delivered"] == 40


def test_one_entity_that_fails_parks_that_entity_only(office: Office) -> None:
    office.jira.breaks("create", lambda: Retryable("500", sent=False), only="Bad")
    office.accept(
        event(1, Kind.ISSUE_CREATED, issue=1, title="Bad"), event(1, Kind.ISSUE_CREATED, issue=2, title="Good")
    )
    office.work()
    assert office.store.counts()["delivered"] == 1


def test_an_ambiguous_write_is_for_a_person(office: Office) -> None:
    office.jira.has_look_up = False
    office.jira.breaks("create", gone, after=True)
    office.accept(CREATED)
    office.settle_down(hours=2)
    (dead,) = office.store.dead()
    assert dead.fields["error"] == Ambiguous.__name__
    assert office.did() == ["add issue WEB-1"]


def test_only_what_is_put_off_counts_as_a_retry(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    assert office.store.tally()["retries"] == 0, "its steps were noted, none failed"
    office.jira.breaks("update", lambda: Retryable("away", sent=False), times=1)
    office.accept(event(2, title="Broken", change={"state": "closed"}))
    office.work()
    assert office.store.tally()["retries"] == 1
