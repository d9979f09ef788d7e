"""What is applied was planned against what is in force, leaves no work behind unasked, and is audited."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from connector.config import Config
from connector.errors import ConfigError
from tests.workers.commanding import CONNECTIONS, CONNECTOR
from tests.workers.stores.books import letter
from workers.bundle import Bundle
from workers.files import ready_made
from workers.operating.acting import Actor
from workers.operating.applying import Publisher, Refused
from workers.operating.changing import Plan
from workers.publishing import Followed
from workers.stores.deliveries import Deliveries
from workers.stores.published import Version
from workers.stores.records import Settlement

ONE = {"web-bugs": CONNECTOR}
OTHER = CONNECTOR.replace("web-bugs", "api-bugs").replace("acme/web", "acme/api")
TWO = {**ONE, "api-bugs": OTHER}


def bundled(connectors: dict[str, str]) -> Bundle:
    files = {f"connectors/{name}.yaml": text.encode() for name, text in connectors.items()}
    return Bundle.of({"connections/main.yaml": CONNECTIONS.encode(), **files}, {}, ready_made())


class Desk:
    """Somebody who applies."""

    def __init__(self, client: Redis, name: str = "ann", files: Callable[[], Bundle] | None = None) -> None:
        self.client = client
        self.rows: list[dict[str, Any]] = []
        self.publisher = Publisher(client, Actor(name), self.rows.append, files)

    def plan(self, connectors: dict[str, str]) -> tuple[Plan, Bundle, Config]:
        bundle = bundled(connectors)
        config = bundle.load()
        return self.publisher.plan(bundle, config), bundle, config

    def apply(self, connectors: dict[str, str], *, message: str = "", abandon: bool = False) -> Version:
        return self.publisher.publish(*self.plan(connectors), message=message, abandon=abandon)

    def books(self, uid: str) -> Deliveries:
        return Deliveries(self.client, uid)

    def waiting(self, uid: str, count: int = 1) -> None:
        books = self.books(uid)
        books.enter()
        books.accept([letter(number, f"git:issue:{number}") for number in range(count)])

    def audit(self, uid: str) -> list[dict[str, Any]]:
        return self.books(uid).audit()


@pytest.fixture
def desk(redis_client: Redis) -> Desk:
    return Desk(redis_client)


def test_what_is_applied_is_in_force_and_says_who_and_why(desk: Desk) -> None:
    first = desk.apply(ONE, message="the first")
    assert (first.number, first.by, first.message, first.before, first.connectors) == (1, "ann", "the first", "", 1)
    second = desk.apply(TWO)
    assert (second.number, second.before, second.connectors) == (2, first.hash, 2)
    planned, *_ = desk.plan(TWO)
    assert not planned
    assert [row["action"] for row in desk.rows] == ["apply", "apply"]
    assert desk.rows[1]["connectors"] == {"api-bugs": "added"}
    assert (desk.rows[1]["version"], desk.rows[1]["hash"], desk.rows[1]["before"]) == (2, second.hash, first.hash)


def test_each_connector_that_changed_has_it_in_its_audit(desk: Desk) -> None:
    desk.apply(TWO)
    desk.waiting("web-bugs")
    version = desk.apply({**TWO, "web-bugs": CONNECTOR + "concurrency: 9\n"}, message="faster")
    (row,) = desk.audit("web-bugs")
    assert (row["action"], row["actor"], row["hash"], row["what"]) == ("apply", "ann", version.hash, "changed")
    assert (row["fields"], row["reason"]) == (["concurrency"], "faster")
    assert desk.audit("api-bugs") == []


def test_while_nothing_is_published_the_files_are_in_force(redis_client: Redis) -> None:
    desk = Desk(redis_client, files=lambda: bundled(ONE))
    assert not desk.plan(ONE)[0]
    assert [one.what for one in desk.plan(TWO)[0].comparison.connectors] == ["added"]
    desk.apply(TWO)
    # From now on it is what was published.
    assert [one.what for one in desk.plan(ONE)[0].comparison.connectors] == ["removed"]


def test_files_that_nobody_could_follow_are_nothing(redis_client: Redis) -> None:
    def broken() -> Bundle:
        raise ConfigError(())

    assert [one.what for one in Desk(redis_client, files=broken).plan(ONE)[0].comparison.connectors] == ["added"]


def test_of_two_who_planned_at_once_the_second_is_told(desk: Desk, redis_client: Redis) -> None:
    desk.apply(ONE)
    bob = Desk(redis_client, "bob")
    plans = desk.plan(TWO), bob.plan({"web-bugs": CONNECTOR + "concurrency: 9\n"})
    desk.publisher.publish(*plans[0], message="")
    with pytest.raises(Refused, match=r"ann has put version 2 \(\w+\) in force since this was planned"):
        bob.publisher.publish(*plans[1], message="")
    assert bob.rows == []
    held = desk.publisher.published.held()
    assert held is not None
    assert held.number == 2


def test_a_configuration_with_a_credential_in_a_comment_is_not_published(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="looks like a credential"):
        desk.apply({"web-bugs": CONNECTOR + "# ghp_0123456789abcdefghij\n"})
    assert desk.publisher.published.held() is None


# --- removing ---------------------------------------------------------------------------------------------------
def test_removing_what_has_open_deliveries_is_refused(desk: Desk) -> None:
    desk.apply(TWO)
    desk.waiting("api-bugs", 3)
    with pytest.raises(Refused, match=r"api-bugs \(3\); --drain"):
        desk.apply(ONE)
    assert not desk.plan(TWO)[0]


def test_what_is_abandoned_stays_parked_and_comes_back(desk: Desk) -> None:
    desk.apply(TWO)
    desk.waiting("api-bugs", 3)
    desk.apply(ONE, abandon=True)
    (row,) = desk.audit("api-bugs")
    assert (row["what"], row["parked"]) == ("removed", 3)
    assert desk.books("api-bugs").counts()["in_flight"] == 3
    planned, *_ = desk.plan(TWO)
    assert "api-bugs: was declared before; its 3 parked deliveries go on" in planned.warnings


def test_one_without_open_deliveries_goes_unasked(desk: Desk) -> None:
    desk.apply(TWO)
    desk.books("api-bugs").enter()
    assert desk.apply(ONE).connectors == 1


class Worker(threading.Thread):
    """Follows, and delivers one letter after the other once it knows that the connector drains."""

    def __init__(self, client: Redis, uid: str, *, delivers: bool = True) -> None:
        super().__init__(daemon=True)
        self.followed = Followed(Desk(client).publisher.published)
        self.followed.role = "work"
        self.source = self.followed.source()
        self.source._every = 0.0
        self.source.follow()
        self.books = Deliveries(client, uid, nonce="worker")
        self.delivers = delivers
        self.drained_with: list[frozenset[str]] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.02):
            self.source.follow()
            if self.delivers and self.source.current.draining:
                claim = self.books.begin("")
                if claim.status == "work":
                    self.drained_with.append(self.source.current.draining)
                    for box in claim.boxes:
                        self.books.settle(
                            claim.turn, box.subject, Settlement(settle=[(box.letters[0].id, "delivered", "")])
                        )
                    self.books.end(claim.turn)


def test_what_is_drained_is_delivered_first_and_takes_nothing_new(desk: Desk, redis_client: Redis) -> None:
    desk.apply(TWO)
    desk.waiting("api-bugs", 3)
    worker = Worker(redis_client, "api-bugs")
    worker.start()
    said: list[str] = []
    try:
        planned, bundle, config = desk.plan(ONE)
        planned = desk.publisher.drain(planned, patience=20, told=said.append)
        assert planned.abandoned == ()
        assert desk.publisher.publish(planned, bundle, config, message="").connectors == 1
    finally:
        worker.over.set()
        worker.join(10)
    assert desk.books("api-bugs").counts() == {
        "accepted": 3, "delivered": 3, "skipped": 0, "dead": 0, "discarded": 0, "in_flight": 0,
    }  # fmt: skip
    assert set(worker.drained_with) == {frozenset({"api-bugs"})}
    assert "open deliveries of api-bugs" in said[0]
    assert [one.draining for one in desk.publisher.published.versions()] == [(), ("api-bugs",), ()]


def test_what_does_not_drain_in_time_is_not_removed_and_takes_events_again(desk: Desk, redis_client: Redis) -> None:
    desk.apply(TWO)
    desk.waiting("api-bugs", 2)
    worker = Worker(redis_client, "api-bugs", delivers=False)
    worker.start()
    try:
        with pytest.raises(Refused, match="2 deliveries are still open"):
            desk.publisher.drain(desk.plan(ONE)[0], patience=0.6, told=lambda _: None)
    finally:
        worker.over.set()
        worker.join(10)
    held = desk.publisher.published.held()
    assert held is not None
    assert (held.draining, held.connectors) == ((), 2)
    assert not desk.plan(TWO)[0]


def test_who_is_interrupted_in_draining_leaves_all_as_it_was(desk: Desk, redis_client: Redis) -> None:
    desk.apply(TWO)
    desk.waiting("api-bugs")
    worker = Worker(redis_client, "api-bugs", delivers=False)

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.publisher.drain(desk.plan(ONE)[0], patience=5, told=interrupt)
    assert worker.source.follow().draining == frozenset()
    assert not desk.plan(TWO)[0]


def test_a_process_that_still_takes_events_keeps_the_drain_waiting(desk: Desk, redis_client: Redis) -> None:
    """Nothing is open, but a receiver that has not followed yet may accept something the next moment."""
    desk.apply(TWO)
    desk.waiting("api-bugs")
    planned, *_ = desk.plan(ONE)
    Worker(redis_client, "api-bugs")
    claim = desk.books("api-bugs").begin("")
    desk.books("api-bugs").settle(
        claim.turn, claim.boxes[0].subject, Settlement(settle=[(claim.boxes[0].letters[0].id, "delivered", "")])
    )
    with pytest.raises(Refused, match="1 processes did not follow: work"):
        desk.publisher.drain(planned, patience=0.4, told=lambda _: None)


def test_nobody_drains_where_nobody_follows(desk: Desk) -> None:
    desk.apply(TWO)
    desk.waiting("api-bugs")
    with pytest.raises(Refused, match="start workers"):
        desk.publisher.drain(desk.plan(ONE)[0], patience=5, told=lambda _: None)


def test_one_whose_drain_was_killed_is_seen_and_ended_by_the_next_version(desk: Desk) -> None:
    first = desk.apply(TWO)
    desk.publisher._again(first, "draining", {"api-bugs"})
    planned, bundle, config = desk.plan(TWO)
    assert planned
    assert planned.as_json()["draining"] == ["api-bugs"]
    assert desk.publisher.publish(planned, bundle, config, message="").draining == ()
