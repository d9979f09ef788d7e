"""What is told to Prometheus is what is in the books, with labels that no payload can multiply."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis

from connector.config import Connection, Owner
from tests.workers.office import CREATED, Office, bugs, event
from tests.workers.operating.test_letters import refuse
from workers.operating.metrics import FRESH, Metrics, expiry
from workers.stores.published import Follower, Published
from workers.stores.scripts import StoreError

PAY = {"connector": "bugs", "team": "payments"}


@pytest.fixture
def office(redis_client: Redis) -> Office:
    return Office(redis_client, bugs(owner=Owner("payments")))


def samples(
    office: Office, ticks: Callable[[], float] = lambda: 0.0
) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return read(Metrics(lambda: office.desk, ticks))


def read(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in metrics.collect()
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_what_was_delivered_waits_and_died_is_told(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    refuse(office, "b")
    office.accept(event(9, issue=9, title="waits", state="open"))
    office.clock.move(5000)
    told = samples(office)
    assert told[key("connector_store_up")] == 1
    assert told[key("connector_accepted_total", **PAY)] == 3
    assert told[key("connector_settled_total", **PAY, outcome="delivered")] == 1
    assert told[key("connector_dead_letters", **PAY)] == 1
    assert told[key("connector_ready", **PAY, lane="live")] == 1
    assert told[key("connector_oldest_waiting_seconds", **PAY)] == 5
    assert told[key("connector_state", **PAY, state="running")] == 1
    assert told[key("connector_state", **PAY, state="paused")] == 0
    assert told[key("connector_lag_seconds", **PAY, quantile="0.95")] > 0


def test_a_store_that_is_away_is_told_and_nothing_breaks(office: Office) -> None:
    def away(_connector: Any) -> Any:
        raise StoreError("gone")

    office.desk.deliveries = away
    told = samples(office)
    assert told[key("connector_store_up")] == 0
    assert not any(name == "connector_in_flight" for name, _ in told)
    assert any(name == "connector_configuration_info" for name, _ in told)


def test_a_store_that_is_silent_keeps_no_scrape_waiting(office: Office) -> None:
    answers, good = threading.Event(), office.desk.deliveries

    def silent(connector: Any) -> Any:
        answers.wait(30)
        return good(connector)

    office.desk.deliveries = silent
    metrics = Metrics(lambda: office.desk, lambda: 0.0)
    began = time.monotonic()
    assert read(metrics) == {key("connector_store_up"): 0}
    assert time.monotonic() - began < 10
    answers.set()
    assert read(metrics)[key("connector_store_up")] == 1


def test_many_scrapes_are_one_look(office: Office) -> None:
    now = 0.0
    metrics = Metrics(lambda: office.desk, lambda: now)
    before = read(metrics)
    office.accept(CREATED)
    assert read(metrics) == before
    now = FRESH + 1
    assert read(metrics)[key("connector_in_flight", **PAY)] == 1


def test_no_label_grows_with_what_comes_in(office: Office) -> None:
    few = {name for name, _ in samples(office)}
    for number in range(30):
        office.accept(event(number, issue=number, title="x", state="open"))
    office.work()
    refuse(office, *(f"i{number}" for number in range(8)))
    many = samples(office)
    assert {name for name, _ in many} - few <= {"connector_held"}
    assert all("i3" not in dict(labels).values() for _, labels in many)
    assert len([name for name, _ in many if name == "connector_held"]) <= 1


def test_the_declared_end_of_a_credential_is_told(office: Office) -> None:
    day = office.now().date().replace(day=20)
    auth = SimpleNamespace(auth=SimpleNamespace(expires=day))
    office.config.connections["jira"] = Connection("jira", "jira", auth)  # type: ignore[index]  # a plain dict here
    left = samples(office)[key("connector_credential_expires_seconds", connection="jira")]
    assert 4 * 86400 < left < 5 * 86400
    assert expiry(office.config.connections["git"]) is None


def test_who_refuses_the_configuration_in_force_is_counted(office: Office) -> None:
    published = Published(office.client)
    published.announce(Follower("w1", "work", office.clock(), 1, "h1", newest=2, refused="unknown key"))
    published.announce(Follower("w2", "work", office.clock(), 2, "h2", newest=2))
    published.announce(Follower("w3", "work", office.clock() - 60_000, 2, "h2", newest=2))
    got = samples(office)
    name = "connector_configuration_processes"
    assert {state: got[name, frozenset({("state", state)})] for state in ("following", "refusing")} == {
        "following": 1,
        "refusing": 1,
    }
