"""An order to replay is one order, keeps its rate, and survives whoever gave it."""

from __future__ import annotations

import pytest
from redis import Redis

from tests.workers.stores.books import Ticker, books, letter
from workers.stores import orders
from workers.stores.deliveries import Deliveries
from workers.stores.records import Settlement


@pytest.fixture
def ticker() -> Ticker:
    return Ticker()


@pytest.fixture
def store(redis_client: Redis, ticker: Ticker) -> Deliveries:
    return books(redis_client, ticker)


def bury(store: Deliveries, count: int) -> list[str]:
    """Make dead letters, each of an entity of its own; returns their ids, oldest first."""
    ids = []
    for number in range(count):
        got = store.accept([letter(number, f"git:issue:{number}")])
        claim = store.begin(got.bells[0].token)
        turn, box = claim.turn, claim.boxes[0]
        what = Settlement(bury=[(box.letters[0].id, {"error": "Rejected", "cause": "400"})])
        assert store.settle(turn, box.subject, what) is not None
        store.end(turn)
        ids.append(box.letters[0].id)
    return ids


def order(store: Deliveries, ids: list[str], name: str = "o1", rate: float = 10) -> int:
    return orders.give(store, name, ids, rate=rate, actor="ada", reason="mended", what="all of 400", audit="{}")


def step(store: Deliveries) -> int:
    ((back, _bells),) = orders.step(store.client, [store])
    return back


def told(store: Deliveries, name: str = "o1") -> orders.Order:
    found = orders.order_of(store, name)
    assert found is not None
    return found


def test_letters_come_back_at_the_rate_oldest_first(store: Deliveries, ticker: Ticker) -> None:
    ids = bury(store, 25)
    assert order(store, ids[::-1]) == 25
    assert step(store) == 1
    assert {one.id for one in store.waiting()} == {ids[0]}
    assert step(store) == 0
    ticker.move(1000)
    assert step(store) == 10
    assert {one.id for one in store.waiting()} == set(ids[:11])
    assert (told(store).state, told(store).left) == ("open", 14)
    ticker.move(60_000)
    assert step(store) == 14
    assert (told(store).state, told(store).replayed, told(store).left) == ("done", 25, 0)
    assert store.counts()["dead"] == 0


def test_an_order_given_twice_is_one(store: Deliveries, ticker: Ticker) -> None:
    ids = bury(store, 3)
    assert order(store, ids) == order(store, ids) == 3
    ticker.move(10_000)
    assert step(store) == 3
    assert order(store, ids) == 3
    assert step(store) == 0
    assert len(orders.orders(store)) == 1


def test_two_people_who_order_the_same_bring_it_back_once(store: Deliveries, ticker: Ticker) -> None:
    ids = bury(store, 4)
    order(store, ids, "ada")
    order(store, ids, "bob")
    ticker.move(10_000)
    assert step(store) == 4
    assert sorted((told(store, n).replayed, told(store, n).passed) for n in ("ada", "bob")) == [(0, 4), (4, 0)]
    assert store.counts()["in_flight"] == 4


def test_a_cancelled_order_leaves_the_rest_dead(store: Deliveries, ticker: Ticker) -> None:
    order(store, bury(store, 5), rate=1)
    step(store)
    assert orders.cancel(store, "o1", "{}")
    assert not orders.cancel(store, "o1", "{}")
    ticker.move(60_000)
    assert step(store) == 0
    assert (told(store).state, told(store).left, store.counts()["dead"]) == ("cancelled", 0, 4)


def test_a_letter_that_is_not_dead_is_not_ordered(store: Deliveries) -> None:
    ids = bury(store, 2)
    store.discard([ids[0]], "obsolete", "{}")
    assert order(store, [*ids, "unknown"]) == 1
    assert order(store, ["unknown"], "empty") == 0
    assert told(store, "empty").state == "done"


def test_what_is_discarded_meanwhile_is_passed_by(store: Deliveries, ticker: Ticker) -> None:
    ids = bury(store, 2)
    order(store, ids)
    store.discard([ids[1]], "obsolete", "{}")
    ticker.move(1000)
    assert step(store) == 1
    assert (told(store).state, told(store).replayed, told(store).passed) == ("done", 1, 1)


def test_a_clock_that_goes_back_does_not_stop_an_order_for_ever(store: Deliveries, ticker: Ticker) -> None:
    order(store, bury(store, 2), rate=1)
    ticker.move(-3_600_000)
    assert step(store) == 1
    ticker.move(3_601_000)
    assert step(store) == 1


def test_orders_are_bounded_and_their_rows_audited(store: Deliveries) -> None:
    with pytest.raises(ValueError, match="20000"):
        order(store, ["x"] * (orders.LARGEST + 1))
    ids = bury(store, 1)
    orders.give(store, "o1", ids, rate=1, actor="ada", reason="r", what="w", audit='{"action": "replay"}')
    assert store.audit()[0]["action"] == "replay"
    for number in range(110):
        order(store, [], f"n{number}")
    assert len(orders.orders(store, most=1000)) == 100
