"""What comes in is stored for everybody who wants it, or its source is told to come again."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis, FakeRedis, FakeServer
from redis.exceptions import ConnectionError as Lost

from connector.event import Event, Kind
from tests.workers.office import CREATED, NEW, Office, bugs, event
from workers.hall import LARGEST_LOT, Hall
from workers.inbox import Unavailable, delivery_id, summary


class Door:
    """An office with a hall in front of it, on one fake server."""

    def __init__(self) -> None:
        self.server = FakeServer(server_type="valkey")
        self.office = Office(FakeRedis(server=self.server), bugs(), bugs(name="more"))
        self.client = FakeAsyncRedis(server=self.server)
        self.hall = Hall(self.office.inbox, self.client, budget=timedelta(seconds=1))

    def envelopes(self) -> int:
        return int(self.office.client.hlen("jc:{@git}:inbox"))

    def counts(self, name: str) -> dict[str, int]:
        return self.office.books(self.office.config.connectors[name]).counts()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


class Hanging:
    """A store that takes the connection and never answers; ``lost`` refuses instead."""

    def __init__(self, inner: Any, *, lost: bool = False, after: int = 0) -> None:
        self.inner, self.lost, self.after = inner, lost, after
        self.piped = False

    def __getattr__(self, name: str) -> Any:
        if name == "aclose":
            return self.inner.aclose
        if self.after > 0:
            self.after -= 1
            return getattr(self.inner, name)
        if name == "pipeline":
            self.piped = True
            return lambda **_: self
        return (lambda *_: None) if name in {"hset", "hlen", "execute_command"} and self.piped else self.stuck

    async def stuck(self, *_: Any, **__: Any) -> Any:
        if self.lost:
            raise Lost("gone")
        await asyncio.sleep(3600)

    def execute(self, **_: Any) -> Any:
        return self.stuck()


def test_an_event_is_stored_for_every_connector_that_wants_it() -> None:
    door = Door()

    async def play() -> None:
        got = await door.hall.accept("git", [CREATED])
        assert {name: one.outcomes for name, one in got.items()} == {"bugs": ("accepted",), "more": ("accepted",)}
        assert summary(got) == b'{"accepted":2}'
        again = await door.hall.accept("git", [CREATED])
        assert {one.outcomes for one in again.values()} == {("duplicate",)}
        await door.hall.close()

    run(play())
    assert door.envelopes() == 0
    door.office.work()
    assert door.office.did() == NEW


def test_requests_that_wait_together_go_together_and_none_is_mixed_up() -> None:
    door = Door()

    async def play() -> None:
        many = [event(1, Kind.ISSUE_CREATED, issue=n, title=f"T{n}") for n in range(60)]
        got = await asyncio.gather(*(door.hall.accept("git", [one]) for one in many), door.hall.accept("git", []))
        assert got[-1] == {}
        assert all(one["bugs"].outcomes == ("accepted",) for one in got[:-1])
        await door.hall.close()

    run(play())
    assert door.counts("bugs")["accepted"] == door.counts("more")["accepted"] == 60


class Counting:
    """A client that counts the scripts it sends."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.scripts = inner, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def pipeline(self, **more: Any) -> Any:
        pipeline = self.inner.pipeline(**more)
        send = pipeline.execute_command

        def counted(*arguments: Any) -> Any:
            self.scripts += arguments[0] == "EVALSHA"
            return send(*arguments)

        pipeline.execute_command = counted
        return pipeline


def together(door: Door, events: list[Event]) -> tuple[list[Any], int]:
    """Let requests of one event each in at once; returns what came of each, and the scripts that it took."""

    async def play() -> tuple[list[Any], int]:
        await door.hall.accept("git", [event(1, Kind.ISSUE_CREATED, issue=9000)])  # the scripts are known from now on
        client: Any = Counting(door.client)
        door.hall.client = client
        got = await asyncio.gather(*(door.hall.accept("git", [one]) for one in events), return_exceptions=True)
        await door.hall.close()
        return list(got), client.scripts

    return run(play())  # type: ignore[no-any-return]  # it returns what it is given


def test_requests_that_wait_together_take_one_script_for_each_connector() -> None:
    door = Door()
    got, scripts = together(door, [event(1, Kind.ISSUE_CREATED, issue=n) for n in range(100, 140)] + [CREATED, CREATED])
    assert [one["bugs"].outcomes[0] for one in got] == [*["accepted"] * 41, "duplicate"]
    assert scripts <= 8, "an envelope each may let a few go ahead"


def test_what_is_wrong_with_one_request_sends_no_other_away() -> None:
    door = Door()
    spoilt = event(1, Kind.ISSUE_CREATED, issue=3)
    books = door.office.books(door.office.config.connectors["bugs"])
    door.office.client.set(f"{books.tag}mail:{spoilt.entity.ref}", "no sorted set")
    got, _ = together(door, [event(1, Kind.ISSUE_CREATED, issue=n) for n in range(6)])
    assert [isinstance(one, Unavailable) for one in got] == [False, False, False, True, False, False]
    assert door.counts("more")["accepted"] == 7


def test_large_bodies_go_in_scripts_of_a_bearable_size() -> None:
    door = Door()
    texts = [secrets.token_hex(LARGEST_LOT) for _ in range(3)]
    got, scripts = together(door, [event(1, Kind.ISSUE_CREATED, issue=n, title=text) for n, text in enumerate(texts)])
    assert {one["bugs"].outcomes for one in got} == {("accepted",)}
    assert scripts == 6


class Stubborn(Hanging):
    """A store that never answers, and a client of it that swallows a cancellation."""

    async def stuck(self, *_: Any, **__: Any) -> Any:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(3)
            raise Lost("gone") from None


def test_a_client_that_swallows_a_cancellation_keeps_no_source_waiting() -> None:
    door = Door()
    door.hall.budget = timedelta(seconds=0.1)
    door.hall.client = Stubborn(door.client)  # type: ignore[assignment]

    async def play() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(Unavailable):
            await door.hall.accept("git", [CREATED])
        with pytest.raises(Unavailable):
            await door.hall.keep_unreadable("git", b"{", {}, "no JSON")
        assert not await door.hall.ready()
        return loop.time() - began

    assert run(play()) < 2


@pytest.mark.parametrize("lost", [False, True], ids=["hangs", "refuses"])
def test_a_store_that_does_not_take_it_sends_the_source_away(lost: bool) -> None:
    door = Door()
    door.hall.client = Hanging(door.client, lost=lost)  # type: ignore[assignment]

    async def play() -> None:
        before = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable):
            await door.hall.accept("git", [CREATED])
        assert asyncio.get_running_loop().time() - before < 1.9, "one budget for all that is asked of the store"
        with pytest.raises(Unavailable):
            await door.hall.keep_unreadable("git", b"{", {}, "no JSON")
        assert not await door.hall.ready()
        await door.hall.close()

    run(play())
    assert door.counts("bugs")["accepted"] == 0


def test_a_nearly_full_store_takes_nothing_new() -> None:
    door = Door()
    door.hall.full = lambda: True
    with pytest.raises(Unavailable, match="full"):
        run(door.hall.accept("git", [CREATED]))


def test_a_crash_between_two_connectors_loses_nothing() -> None:
    door = Door()
    # The envelope is stored, the first connector has it, and the process is gone.
    run(door.office.inbox.envelopes.keep(door.client, "git", [CREATED]))
    door.office.inbox.accept_for(door.office.config.connectors["bugs"], [CREATED], lane="live")
    assert door.office.inbox.readmit("git") == 0, "a young envelope may still be in work"
    assert door.office.inbox.readmit("git", older=timedelta(0)) == 1
    assert door.counts("bugs")["accepted"] == door.counts("more")["accepted"] == 1
    assert door.envelopes() == 0


def test_a_store_that_goes_away_after_the_envelope_loses_nothing() -> None:
    door = Door()
    door.hall.client = Hanging(door.client, lost=True, after=1)  # type: ignore[assignment]

    async def play() -> None:
        with pytest.raises(Unavailable):
            await door.hall.accept("git", [CREATED])
        await door.hall.close()

    run(play())
    assert door.envelopes() == 1
    door.office.inbox.readmit("git", older=timedelta(0))
    assert door.counts("bugs")["accepted"] == door.counts("more")["accepted"] == 1


def test_what_a_person_gave_up_is_not_brought_back_by_a_leftover() -> None:
    door = Door()
    store = door.office.store
    run(door.office.inbox.envelopes.keep(door.client, "git", [event(1, Kind.ISSUE_CREATED, title="impossible")]))
    door.office.inbox.readmit("git", older=timedelta(0))
    door.office.work()
    run(door.office.inbox.envelopes.keep(door.client, "git", [event(1, Kind.ISSUE_CREATED, title="impossible")]))
    store.discard([one.id for one in store.dead()], "no", "{}")
    door.office.inbox.readmit("git", older=timedelta(0))
    assert store.counts()["discarded"] == 1


def test_a_payload_that_nobody_can_read_is_kept() -> None:
    door = Door()

    async def play() -> str:
        return await door.hall.keep_unreadable("git", b"\xff{", {"x": "y"}, "no JSON")

    name = run(play())
    kept = door.office.inbox.envelopes.unread("git")[name]
    assert (kept["why"], kept["headers"]) == ("no JSON", {"x": "y"})
    assert door.office.inbox.envelopes.drop_unread("git", [name]) == 1


def test_a_page_moves_its_cursor_and_brings_only_what_is_wanted() -> None:
    door = Door()
    connector = door.office.config.connectors["bugs"]
    page: list[Event] = [CREATED, replace(CREATED, kind=Kind.OTHER)]
    got = door.office.inbox.accept_for(connector, page, lane="live", cursor=("poll", {"since": "x"}))
    assert got.outcomes == ("accepted",)
    assert door.counts("more")["accepted"] == 0
    assert door.office.books(connector).cursor("poll") == {"since": "x"}


def test_what_is_declined_says_why() -> None:
    door = Door()
    sorted_ = door.office.inbox.sort([replace(CREATED, kind=Kind.OTHER)])
    assert sorted_.wanted == {}
    assert [why for _, _, why in sorted_.declined] == ["nothing that a connector can use"] * 2


def test_a_delivery_is_named_by_its_connector_and_its_event() -> None:
    assert delivery_id("a", "e") != delivery_id("b", "e")
    assert delivery_id("a", "be") != delivery_id("ab", "e")
