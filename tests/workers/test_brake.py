"""A connector that is new creates so much and no more until a person has looked; nothing is lost meanwhile."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from fakeredis import FakeRedis, FakeServer
from redis import Redis

from connector.config import Brake
from connector.errors import Rejected, Retryable
from connector.event import Event, Kind
from tests.workers.office import CREATED, Office, bugs, event
from workers.operating import acting
from workers.operating.acting import Actor
from workers.operating.causes import causes
from workers.operating.held import what_opens
from workers.stores.deliveries import Deliveries, Fresh, Pace
from workers.stores.records import Claim, Settlement

MOST = 5
ANN = Actor("ann")
BRAKED = bugs(brake=Brake(MOST, timedelta(hours=1)))


@pytest.fixture
def braked() -> Office:
    return new_office()


def new_office() -> Office:
    made = Office(FakeRedis(server=FakeServer(server_type="valkey")), BRAKED)
    made.store.enter()
    return made


def issues(*numbers: int) -> list[Event]:
    return [event(1, Kind.ISSUE_CREATED, issue=n, title=f"T{n}", state="open") for n in numbers]


def created(office: Office) -> int:
    return len([one for one in office.did() if one.startswith("add issue")])


def resume(office: Office) -> int:
    return acting.resume(office.desk, next(iter(office.config.connectors.values())), ANN)


def test_it_stops_at_the_number_and_keeps_what_comes(braked: Office) -> None:
    braked.accept(*issues(*range(1, 13)))
    braked.work()
    assert created(braked) == MOST
    counts = braked.store.counts()
    assert (counts["delivered"], counts["in_flight"], counts["dead"]) == (MOST, 7, 0)
    braked.accept(*issues(100))
    for _ in range(100):
        braked.later(3600)
    assert created(braked) == MOST, "time alone opens nothing: a person has to look"
    assert braked.store.counts()["in_flight"] == 8
    braked.check_accounts()


def test_a_person_is_told_once_why_and_what_to_do(braked: Office) -> None:
    braked.accept(*issues(*range(1, 13)))
    braked.work()
    ((gate, about),) = braked.holds
    assert gate == "brake"
    assert "has created 5 within 1h" in about["message"]
    assert "connector resume bugs" in about["message"]
    (shut,) = braked.store.gates().values()
    assert shut["parked"] == 7
    assert "connector resume" in what_opens("brake", shut, str)
    (cause,) = causes(braked.desk, braked.config, BRAKED)
    assert (cause.count, cause.act) == (7, "Look at what it created; if it is right: connector resume bugs")
    assert [row["gate"] for row in braked.audit if row["action"] == "brake"] == ["brake"]


def test_once_confirmed_everything_goes_on_and_it_never_stops_again(braked: Office) -> None:
    braked.accept(*issues(*range(1, 13)))
    braked.work()
    assert resume(braked) == 7
    for _ in range(5):
        braked.later(1)
    assert created(braked) == 12
    braked.accept(*issues(*range(200, 230)))
    braked.work()
    assert created(braked) == 42
    assert braked.store.gates() == {}
    assert braked.jira.ledger.duplicates() == []
    braked.check_accounts()
    assert not braked.client.exists(braked.store.tag + "created")


def test_what_is_linked_already_is_kept_up_to_date_meanwhile(braked: Office) -> None:
    braked.accept(*issues(*range(1, 13)))
    braked.work()
    first = [one for one in braked.did() if one.startswith("add issue")]
    braked.accept(event(2, issue=1, title="Renamed", state="open"))
    braked.work()
    assert len(braked.did()) > len(first)
    assert "Renamed" in {one.fields.get("Summary") for one in braked.jira.items.values()}


def test_after_its_time_it_is_over_and_costs_nothing(braked: Office) -> None:
    braked.accept(*issues(1, 2))
    braked.work()
    braked.clock.move(3_600_001)
    braked.accept(*issues(*range(10, 30)))
    braked.work()
    assert created(braked) == 22
    assert not braked.client.exists(braked.store.tag + "created")
    assert braked.client.hget(braked.store.tag + "meta", "brake") is None


def test_the_time_begins_with_the_first_creation_not_with_the_shadow_before(braked: Office) -> None:
    braked.clock.move(90 * 86_400_000)
    braked.accept(*issues(*range(1, 13)))
    braked.work()
    assert created(braked) == MOST


def test_what_the_target_refused_is_no_creation(braked: Office) -> None:
    braked.jira.breaks("create", lambda: Rejected("no", cause="no", status=400), times=3)
    braked.accept(*issues(*range(1, 13)))
    braked.work()
    assert created(braked) == MOST
    assert braked.store.counts()["dead"] == 3


def test_an_unknown_outcome_counts_once_however_often_it_is_looked_for(braked: Office) -> None:
    braked.jira.breaks("create", lambda: Retryable("gone", sent=True), after=True, times=2)
    braked.accept(*issues(*range(1, 13)))
    braked.work()
    for _ in range(20):
        braked.later(60)
    assert created(braked) == MOST
    assert braked.jira.ledger.duplicates() == []
    braked.check_accounts()


def test_without_a_brake_nothing_stops() -> None:
    office = Office(FakeRedis(server=FakeServer(server_type="valkey")), bugs(brake=None))
    office.store.enter()
    office.accept(*issues(*range(1, 13)))
    office.work()
    assert created(office) == 12


def test_a_connector_of_before_there_was_a_brake_is_not_stopped_by_an_upgrade() -> None:
    office = Office(FakeRedis(server=FakeServer(server_type="valkey")), BRAKED)
    office.client.hset(office.store.tag + "meta", mapping={"format": 1, "activated": 1})
    office.store.enter()
    office.accept(*issues(*range(1, 13)))
    office.work()
    assert created(office) == 12


def test_a_backlog_in_groups_stops_at_the_number_too() -> None:
    office = new_office()
    office.jira.many = 3
    office.systems["jira"] = office.jira.system()
    for got in office.inbox.accept(issues(*range(1, 13)), lane="backfill").values():
        office.ring(BRAKED, got.bells)
    office.work()
    assert created(office) == MOST
    resume(office)
    for _ in range(5):
        office.later(1)
    assert created(office) == 12
    assert office.jira.ledger.duplicates() == []
    office.check_accounts()


def test_one_that_was_on_its_way_behind_it_while_a_person_opened_it_goes_on(braked: Office) -> None:
    braked.accept(*issues(*range(1, MOST + 1)))
    braked.work()
    opened: list[int] = []
    settle = Deliveries.settle

    def opened_first(store: Deliveries, turn: str, subject: str, what: Settlement, **more: int) -> Claim | None:
        if what.gate == "brake" and not opened:
            opened.append(braked.store.open_gate("brake")[0])
        return settle(store, turn, subject, what, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Deliveries, "settle", opened_first)
        braked.accept(CREATED)
        braked.accept(*issues(99))
        braked.work()
    assert opened == [0]
    assert created(braked) == MOST + 1
    assert braked.store.gates() == {}


def test_many_workers_at_once_make_exactly_so_many(valkey_url: str) -> None:
    """Each thread announces for subjects that it holds, as fast as it can; the books let through the number."""
    with Redis.from_url(valkey_url) as client:
        client.flushall()
        books = [Deliveries(client, "new", concurrency=8, pace=Pace(scan=0), nonce=f"p{n}") for n in range(8)]
        books[0].enter()
        fresh = [Fresh(f"d{n}", f"e{n}", f"x{n}", "issue.created", f"K-{n}", b"\0{}") for n in range(400)]
        bells = list(books[0].accept(fresh).bells)
        went: list[str] = []
        start = threading.Barrier(len(books))

        def work(store: Deliveries, token: str) -> None:
            claim = store.begin(token, subjects=1)
            start.wait()
            while claim.boxes:
                (box,) = claim.boxes
                delivery = box.letters[0].id
                answer = store.intend(
                    claim.turn,
                    box.subject,
                    f"fx-{delivery}",
                    action="create",
                    delivery=delivery,
                    request="",
                    deadline=1000,
                    brake=(50, 3_600_000),
                ).answer
                went.append(answer)
                got = store.settle(
                    claim.turn, box.subject, _parked() if answer == "braked" else _delivered(delivery), claim=1
                )
                claim = replace(got, turn=claim.turn) if got is not None else Claim("gone")

        while len(bells) < len(books):
            bells += books[0].scan().bells
        threads = [
            threading.Thread(target=work, args=(store, bell.token)) for store, bell in zip(books, bells, strict=False)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert went.count("go") == 50
        assert len(went) == 400
        assert books[0].gates()["brake"]["parked"] == 350


def _parked() -> Settlement:
    what = Settlement()
    what.park("brake", "why")
    return what


def _delivered(delivery: str) -> Settlement:
    return Settlement(settle=[(delivery, "delivered", "")])
