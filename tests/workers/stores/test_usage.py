"""What was used on a day is the difference of two beginnings, and costs no delivery a command."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from redis import Redis

from tests.workers.stores.books import T0, Ticker, books, letter
from workers.stores.keys import DAY_MS
from workers.stores.records import Settlement
from workers.stores.usage import CALLS, CPU, DAYS, add, begin_day, by_connection, day_of, days

FIRST = day_of(T0)


def test_each_day_has_its_own_numbers(redis_client: Redis) -> None:
    clock = Ticker()
    mine = books(redis_client, clock)
    begin_day(mine)
    mine.accept([letter(1), letter(2)])
    clock.move(DAY_MS)
    begin_day(mine)
    mine.accept([letter(3)])
    add(redis_client, {"bugs": {CPU: 1500, CALLS + "jira": 3}})
    assert [(one.day, one.counted["accepted"]) for one in days(mine)] == [(FIRST, 2), (FIRST + timedelta(days=1), 1)]
    today = days(mine)[-1].counted
    assert today[CPU] == 1500
    assert by_connection(today, CALLS) == {"jira": 3}


def test_a_day_begins_once_however_many_see_midnight(redis_client: Redis) -> None:
    clock = Ticker()
    mine = books(redis_client, clock)
    begin_day(mine)
    mine.accept([letter(1)])
    clock.move(DAY_MS)
    first = begin_day(mine)
    mine.accept([letter(2)])
    assert begin_day(mine) == first
    assert [one.counted["accepted"] for one in days(mine)] == [1, 1]


def test_days_past_their_retention_are_forgotten(redis_client: Redis) -> None:
    clock = Ticker()
    mine = books(redis_client, clock)
    for _ in range(DAYS + 20):
        begin_day(mine)
        clock.move(DAY_MS)
    kept = days(mine)
    assert len(kept) == DAYS
    assert kept[-1].day == day_of(clock()) - timedelta(days=1)


def test_a_store_that_went_back_has_used_nothing_less_than_nothing(redis_client: Redis) -> None:
    clock = Ticker()
    mine = books(redis_client, clock)
    mine.accept([letter(1), letter(2)])
    begin_day(mine)
    redis_client.hset(mine.tag + "counts", "accepted", 1)
    assert days(mine)[-1].counted["accepted"] == 0


def test_nothing_is_known_before_the_first_day(redis_client: Redis) -> None:
    assert days(books(redis_client, Ticker())) == []


def test_a_dead_letter_that_comes_back_has_died_all_the_same(redis_client: Redis) -> None:
    mine = books(redis_client, Ticker())
    begin_day(mine)
    bell = mine.accept([letter(1)]).bells[0]
    claim = mine.begin(bell.token)
    mine.settle(claim.turn, claim.boxes[0].subject, Settlement(bury=[("d1", {"error": "Rejected"})]))
    mine.replay(["d1"], "{}")
    counted = days(mine)[-1].counted
    assert counted["died"] == 1
    assert mine.counts()["dead"] == 0


def test_a_delivery_costs_the_store_no_command_more(valkey_url: str) -> None:
    """The commands of an accept, a claim and a settlement are the same in number on a day whose usage is kept."""

    def commands(client: Any, uid: str, *, kept: bool) -> int:
        mine = books(client, Ticker(), uid=uid)
        for number in range(2):  # the first loads the scripts
            if kept:
                begin_day(mine)
            client.config_resetstat()
            bell = mine.accept([letter(number)]).bells[0]
            claim = mine.begin(bell.token)
            mine.settle(
                claim.turn, claim.boxes[0].subject, Settlement(settle=[(f"d{number}", "delivered", "")]), claim=1
            )
        return sum(one["calls"] for one in client.info("commandstats").values())

    with Redis.from_url(valkey_url) as client:
        assert commands(client, "kept", kept=True) == commands(client, "not", kept=False)


@pytest.mark.parametrize(
    ("ms", "day"), [(0, date(1970, 1, 1)), (DAY_MS - 1, date(1970, 1, 1)), (DAY_MS, date(1970, 1, 2))]
)
def test_a_day_is_one_of_utc(ms: int, day: date) -> None:
    assert day_of(ms) == day
