"""A good change is taken up, a bad one refused aloud, and the files are not asked for all the time."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import pytest

from connector.config import Config
from connector.errors import ConfigError, Problem
from workers.configuration import Following, Source
from workers.stores.scripts import StoreError


class Files:
    """A configuration that a test edits; counts how often it is read."""

    def __init__(self) -> None:
        self.version: int | None = 1
        self.saved = 1
        self.reads = self.stamps = 0
        self.ticks = 0.0
        self.away = False
        self.told: list[str] = []

    def read(self) -> Config:
        self.reads += 1
        self.answer()
        if self.version is None:
            raise ConfigError((Problem("connectors/x.yaml", 3, "mapping", "is wrong"),))
        return Config("test", {}, {}, hash=f"h{self.version}")

    def answer(self) -> None:
        if self.away:
            raise StoreError("nobody answers")

    def stamp(self) -> object:
        self.stamps += 1
        return self.saved

    def save(self, version: int | None) -> None:
        self.version, self.saved = version, self.saved + 1

    def source(self) -> Source:
        return Source(
            self.read, self.stamp, every=1.0, ticks=lambda: self.ticks, told=lambda one: self.told.append(one.hash)
        )

    def later(self, seconds: float = 1.0) -> None:
        self.ticks += seconds


def test_a_change_is_taken_up_within_a_look() -> None:
    files = Files()
    source = files.source()
    files.save(2)
    assert source.follow().hash == "h1"
    files.later()
    assert source.follow().hash == "h2"
    assert source.current.hash == "h2"


def test_a_bad_change_is_refused_with_all_problems_while_the_old_stays(caplog: pytest.LogCaptureFixture) -> None:
    files = Files()
    source = files.source()
    old = source.current
    files.save(None)
    files.later()
    with caplog.at_level(logging.ERROR, "connector.configuration"):
        assert source.follow() is old
    assert "connectors/x.yaml:3" in caplog.text
    assert "h1 stays in force" in caplog.text
    # Said once, not every second.
    caplog.clear()
    files.later()
    assert source.follow() is old
    assert not caplog.text


def test_a_mended_file_is_taken_up_after_a_bad_one() -> None:
    files = Files()
    source = files.source()
    files.save(None)
    files.later()
    source.follow()
    files.save(3)
    files.later()
    assert source.follow().hash == "h3"


def test_files_that_were_only_touched_change_nothing() -> None:
    files = Files()
    source = files.source()
    old = source.current
    files.save(1)
    files.later()
    # The very object stays: what was learnt of its connections need not be learnt again.
    assert source.follow() is old
    assert files.reads == 2


def test_files_are_looked_at_once_a_second_and_read_only_when_they_changed() -> None:
    files = Files()
    source = files.source()
    before = files.stamps
    for _ in range(100):
        source.follow()
    assert files.stamps == before
    for _ in range(3):
        files.later()
        source.follow()
    assert files.stamps == before + 3
    assert files.reads == 1


def test_a_configuration_that_is_bad_from_the_start_does_not_start() -> None:
    files = Files()
    files.version = None
    with pytest.raises(ConfigError):
        files.source()


def test_while_the_store_is_away_what_is_in_force_stays(caplog: pytest.LogCaptureFixture) -> None:
    files = Files()
    source = files.source()
    files.save(2)
    files.away = True
    for _ in range(3):
        files.later()
        assert source.follow().hash == "h1"
    assert caplog.text.count("h1 stays in force") == 1
    files.away = False
    files.later()
    # The change of meanwhile was not taken for seen.
    assert source.follow().hash == "h2"


def test_after_each_look_it_is_told_what_is_in_force() -> None:
    files = Files()
    source = files.source()
    files.later()
    source.follow()
    source.follow()
    files.save(None)
    files.later()
    source.follow()
    files.save(2)
    files.later()
    source.follow()
    assert files.told == ["h1", "h1", "h2"]


def test_a_connector_that_drains_is_another_configuration_of_the_same_hash() -> None:
    files = Files()
    source = files.source()
    plain = source.current
    source._read = lambda: replace(plain, draining=frozenset({"bugs"}))
    files.save(1)
    files.later()
    assert source.follow().draining == {"bugs"}


def test_a_thread_follows_where_nobody_else_does() -> None:
    files = Files()
    source = Source(files.read, files.stamp, every=0.0)
    following = Following(source)
    files.save(2)
    following.start()
    try:
        until = time.monotonic() + 10
        while source.current.hash != "h2" and time.monotonic() < until:
            time.sleep(0.02)
        assert source.current.hash == "h2"
    finally:
        following.over.set()
    following.join(10)
    assert not following.is_alive()
