"""One version is in force; of two who publish at once the second is told; only so many are kept."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis

from tests.workers.stores.books import T0, Ticker
from workers.stores import keys as key_table
from workers.stores.published import GONE_MS, KEPT, SILENT_MS, Follower, Overtaken, Published, Version
from workers.stores.records import UnknownFormat


@pytest.fixture
def ticker() -> Ticker:
    return Ticker()


@pytest.fixture
def published(redis_client: Redis, ticker: Ticker) -> Published:
    return Published(redis_client, clock=ticker)


def test_nothing_is_in_force_before_the_first(published: Published) -> None:
    assert (published.stamp(), published.held(), published.versions()) == (b"", None, [])


def test_a_version_is_in_force_with_its_story(published: Published, ticker: Ticker) -> None:
    made = published.publish(
        0,
        "h1",
        b"one",
        by="ann@laptop",
        message="two words",
        draining=("old",),
        connectors=3,
        connections=2,
        product="1",
    )
    assert made == Version(1, T0, "h1", "ann@laptop", "two words", "", ("old",), 3, 2, "1")
    assert published.held() == made
    assert published.documents("h1") == b"one"
    ticker.move(5)
    again = published.publish(1, "h2", b"two", by="bob", before="h1")
    assert (again.number, again.at, again.before) == (2, T0 + 5, "h1")
    assert published.versions() == [again, made]


def test_the_stamp_differs_exactly_when_another_is_in_force(published: Published) -> None:
    published.publish(0, "h1", b"one", by="ann")
    before = published.stamp()
    assert published.stamp() == before
    published.announce(Follower("w1", "work", T0, 1, "h1"))
    assert published.stamp() == before
    published.publish(1, "h1", b"", by="ann")
    assert published.stamp() != before


def test_the_second_of_two_is_told_who_was_first(published: Published) -> None:
    published.publish(0, "h1", b"one", by="ann")
    published.publish(1, "h2", b"two", by="ann")
    with pytest.raises(Overtaken) as told:
        published.publish(1, "h3", b"three", by="bob")
    assert told.value.held is not None
    assert (told.value.held.hash, told.value.held.by) == ("h2", "ann")
    assert published.documents("h3") is None
    assert [one.hash for one in published.versions()] == ["h2", "h1"]


def test_of_many_at_once_one_publishes(valkey_url: str) -> None:
    def publish(number: int) -> bool:
        with Redis.from_url(valkey_url) as client:
            try:
                Published(client).publish(0, f"h{number}", b"x", by=f"p{number}")
            except Overtaken:
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(publish, range(24))) == 1


def test_documents_are_never_replaced(published: Published) -> None:
    published.publish(0, "h1", b"one", by="ann")
    published.publish(1, "h1", b"other bytes for the same hash", by="ann")
    assert published.documents("h1") == b"one"


def test_an_earlier_version_is_put_in_force_by_its_hash(published: Published) -> None:
    published.publish(0, "h1", b"one", by="ann")
    published.publish(1, "h2", b"two", by="ann")
    back = published.publish(2, "h1", b"", by="ann")
    assert (back.number, back.hash) == (3, "h1")
    with pytest.raises(LookupError):
        published.publish(3, "never", b"", by="ann")
    assert published.held() == back


def test_only_so_many_are_kept_and_documents_as_long_as_any_version_has_them(published: Published) -> None:
    published.publish(0, "first", b"first", by="ann")
    published.publish(1, "again", b"again", by="ann")
    for number in range(2, KEPT + 1):
        published.publish(number, f"h{number}", b"x", by="ann")
    assert len(published.versions()) == KEPT
    assert published.documents("first") is None
    assert published.documents("again") == b"again"
    published.publish(KEPT + 1, "again", b"", by="ann")
    # The older mention is gone, the newer one keeps the documents.
    assert published.documents("again") == b"again"
    assert sum(published.documents(f"h{number}") is not None for number in range(2, KEPT + 1)) == KEPT - 1


def test_each_version_is_later_than_the_one_before_whatever_the_clock_says(
    published: Published, ticker: Ticker
) -> None:
    first = published.publish(0, "h1", b"one", by="ann")
    ticker.move(-60_000)
    assert published.publish(1, "h2", b"two", by="ann").at > first.at


def test_a_version_of_a_newer_format_is_not_guessed_at(published: Published, redis_client: Redis) -> None:
    published.publish(0, "h1", b"one", by="ann")
    redis_client.set("jc:{=}:now", b'2 9 h9 {"v":2}')
    redis_client.lpush("jc:{=}:versions", b'2 9 h9 {"v":2}')
    with pytest.raises(UnknownFormat):
        published.held()
    assert [one.hash for one in published.versions()] == ["h1"]


def test_who_follows_is_known_while_it_speaks(published: Published, redis_client: Redis) -> None:
    published.announce(Follower("b", "work", T0, 2, "h2", newest=3, refused="connectors/x.yaml: unknown key"))
    published.announce(Follower("a", "receive", T0 - SILENT_MS - 1, 2, "h2"))
    published.announce(Follower("c", "flower", T0 - GONE_MS - 1, 1, "h1"))
    (one,) = published.followers(T0)
    assert (one.name, one.newest, one.refused) == ("b", 3, "connectors/x.yaml: unknown key")
    assert redis_client.hlen("jc:{=}:followers") == 2
    published.leave("b")
    assert published.followers(T0) == []


def test_what_a_newer_process_says_beside_is_passed_over(published: Published, redis_client: Redis) -> None:
    record = b'{"v":2,"name":"n","role":"work","at":1,"number":1,"hash":"h","colour":"blue"}'
    redis_client.hset("jc:{=}:followers", "n", record)
    (one,) = published.followers(1)
    assert (one.name, one.number) == ("n", 1)


def test_every_key_stands_in_the_table(published: Published, redis_client: Redis) -> None:
    published.publish(0, "h1", b"one", by="ann")
    published.announce(Follower("w1", "work", T0, 1, "h1"))
    table = (key_table.__doc__ or "").partition("Per store")[2]
    names = set(re.findall(r"^``([a-z]+)``", table, re.MULTILINE))
    found: Any = redis_client.keys("*")
    assert {key.decode().removeprefix("jc:{=}:") for key in found} == names
