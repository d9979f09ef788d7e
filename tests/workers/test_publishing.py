"""A process follows what is published, keeps what it has where it must, and says which."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from redis import Redis

from connector.errors import ConfigError
from tests.workers.commanding import CONNECTIONS, CONNECTOR
from workers.bundle import Bundle
from workers.configuration import Source
from workers.files import ready_made
from workers.publishing import AGAIN, NOTHING, Followed
from workers.stores.client import time_of
from workers.stores.published import Follower, Published, Version
from workers.stores.records import compress

NEWER = CONNECTOR + "colour: blue\n"
"""A key that this version of the product does not know."""


class Publisher:
    """Whoever publishes, and a process that follows."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        self.published = Published(client)
        self.ticks = 0.0
        self.followed = Followed(self.published, ticks=lambda: self.ticks)
        self.followed.role = "work"

    def publish(self, connector: str = CONNECTOR, *, digest: str = "", draining: tuple[str, ...] = ()) -> Version:
        files = {"connections/main.yaml": CONNECTIONS.encode(), "connectors/web-bugs.yaml": connector.encode()}
        bundle = Bundle.of(files, {}, ready_made())
        digest = digest or bundle.load().hash
        held = self.published.held()
        return self.published.publish(held.number if held else 0, digest, bundle.pack(), by="ann", draining=draining)

    def follow(self, source: Source, seconds: float = 1.0) -> str:
        self.ticks += seconds
        return source.follow().hash

    def said(self) -> tuple[int, str, int, str]:
        (one,) = self.published.followers(time_of(self.client))
        return one.number, one.hash, one.newest, one.refused


@pytest.fixture
def publisher(redis_client: Redis) -> Publisher:
    return Publisher(redis_client)


def test_before_anything_is_published_nothing_is_in_force(publisher: Publisher) -> None:
    source = publisher.followed.source()
    assert source.current is NOTHING
    first = publisher.publish()
    assert publisher.follow(source) == first.hash
    assert set(source.current.connectors) == {"web-bugs"}


def test_a_published_version_is_followed_and_so_is_the_way_back(publisher: Publisher) -> None:
    first = publisher.publish()
    source = publisher.followed.source()
    second = publisher.publish(CONNECTOR + "concurrency: 7\n")
    assert publisher.follow(source) == second.hash
    assert source.current.connectors["web-bugs"].concurrency == 7
    publisher.published.publish(2, first.hash, b"", by="bob")
    assert publisher.follow(source) == first.hash
    assert publisher.said() == (3, first.hash, 3, "")


def test_a_version_that_cannot_be_read_here_is_refused_aloud_and_the_old_one_stays(
    publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    first = publisher.publish()
    source = publisher.followed.source()
    publisher.publish(NEWER, digest="newer")
    with caplog.at_level(logging.ERROR):
        assert publisher.follow(source) == first.hash
    assert "colour" in caplog.text
    number, digest, newest, refused = publisher.said()
    assert (number, digest, newest) == (1, first.hash, 2)
    assert "connectors/web-bugs.yaml:6" in refused
    third = publisher.publish(CONNECTOR + "concurrency: 3\n")
    assert publisher.follow(source) == third.hash
    assert publisher.said() == (3, third.hash, 3, "")


def test_one_that_starts_takes_the_newest_that_it_can_read(publisher: Publisher) -> None:
    """An N-1 process that is restarted in the midst of an upgrade works on, as its neighbours do."""
    publisher.publish(NEWER, digest="older")
    good = publisher.publish()
    publisher.publish(NEWER, digest="newer")
    source = publisher.followed.source()
    assert source.current.hash == good.hash
    publisher.follow(source)
    number, digest, newest, refused = publisher.said()
    assert (number, digest, newest) == (2, good.hash, 3)
    assert "colour" in refused


def test_one_that_can_read_none_does_not_start(publisher: Publisher) -> None:
    publisher.publish(NEWER, digest="newer")
    with pytest.raises(ConfigError, match="colour"):
        publisher.followed.source()


@pytest.mark.parametrize("documents", [b"", b"\x01damaged", compress(b'{"v": 2}')])
def test_documents_that_are_not_to_be_read_are_refused(publisher: Publisher, documents: bytes) -> None:
    first = publisher.publish()
    source = publisher.followed.source()
    second = publisher.publish(CONNECTOR + "concurrency: 3\n")
    publisher.client.hset("jc:{=}:documents", second.hash, documents)
    assert publisher.follow(source) == first.hash
    assert "version 2" in publisher.said()[3]


def test_a_record_of_a_newer_format_is_refused_too(publisher: Publisher) -> None:
    first = publisher.publish()
    source = publisher.followed.source()
    publisher.client.set("jc:{=}:now", b'2 99999999999999 h2 {"v":2}')
    assert publisher.follow(source) == first.hash
    assert "newer version of the product" in publisher.said()[3]


def test_a_store_that_went_back_takes_nobody_along(publisher: Publisher) -> None:
    publisher.publish()
    older: bytes = publisher.published.stamp()
    second = publisher.publish(CONNECTOR + "concurrency: 3\n")
    source = publisher.followed.source()
    publisher.client.set("jc:{=}:now", older)
    assert publisher.follow(source) == second.hash
    assert "went back to version 1" in publisher.said()[3]
    # Whoever applies again after that is followed, although the number was there before.
    third = publisher.publish(CONNECTOR + "concurrency: 2\n")
    assert third.number == 2
    assert publisher.follow(source) == third.hash


def test_a_store_that_has_forgotten_everything_stops_nobody(publisher: Publisher) -> None:
    first = publisher.publish()
    source = publisher.followed.source()
    publisher.client.flushall()
    assert publisher.follow(source) == first.hash
    assert "forgotten" in publisher.said()[3]


def test_connectors_that_drain_are_known(publisher: Publisher) -> None:
    first = publisher.publish()
    source = publisher.followed.source()
    publisher.publish(draining=("web-bugs",))
    assert publisher.follow(source) == first.hash
    assert source.current.draining == {"web-bugs"}
    publisher.publish()
    publisher.follow(source)
    assert source.current.draining == frozenset()


def test_signs_of_life_are_few_but_news_are_told_at_once(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher.publish()
    source = publisher.followed.source()
    announced: list[int] = []
    announce: Callable[..., None] = publisher.published.announce

    def counted(one: Follower) -> None:
        announced.append(one.number)
        announce(one)

    monkeypatch.setattr(publisher.published, "announce", counted)
    for _ in range(int(AGAIN)):
        publisher.follow(source)
    assert announced == [1]
    publisher.publish(CONNECTOR + "concurrency: 3\n")
    publisher.follow(source, 1.0)
    assert announced[-1] == 2
    publisher.follow(source, AGAIN)
    assert announced[-1] == 2
    assert len(announced) <= 4


def test_one_that_starts_says_so_at_once(publisher: Publisher) -> None:
    first = publisher.publish()
    publisher.followed.role = ""
    source = publisher.followed.source()
    publisher.followed.serve_as("receive", source.current)
    assert publisher.said() == (1, first.hash, 1, "")


def test_who_only_looks_says_nothing_and_who_ends_is_gone(publisher: Publisher) -> None:
    publisher.publish()
    publisher.followed.role = ""
    source = publisher.followed.source()
    publisher.follow(source)
    assert publisher.published.followers(time_of(publisher.client)) == []
    publisher.followed.role = "receive"
    publisher.follow(source)
    assert [one.role for one in publisher.published.followers(time_of(publisher.client))] == ["receive"]
    publisher.followed.leave()
    publisher.follow(source)
    assert publisher.published.followers(time_of(publisher.client)) == []
