"""What is spent on behalf of a connector is measured where it is spent, and handed over once."""

from __future__ import annotations

import socket
from dataclasses import replace
from time import monotonic

import pytest
from redis import Redis

from connector.errors import ConnectorError
from connector.ports import Request
from connector.systems import github
from tests.systems.github import scene
from tests.systems.served import serve
from tests.workers.office import CREATED, Office
from tests.workers.test_wiring import wiring
from workers.behalf import on_behalf_of
from workers.metering import Meter
from workers.scanner import note_days
from workers.stores.keys import DAY_MS
from workers.stores.scripts import StoreError
from workers.stores.usage import BUSY, CALLS, CPU, POINTS, RECEIVED, SENT, WRITES, days
from workers.wiring import Wiring

READ = Request("GET", "/repos/acme/web")


def test_a_call_is_counted_to_whom_it_is_made_for_with_its_bytes() -> None:
    with serve(scene.sandbox()) as url:
        parts = wiring(url, replace(github.SYSTEM, conditional=False))
        site = parts.site("git", monotonic() + 10)
        with on_behalf_of("bugs"):
            body = site.send(READ).body
            site.send(replace(READ, method="POST", path="/repos/acme/web/issues", json={"title": "t"}))
        site.send(READ)
    used = parts.meter.collect()
    assert used.keys() == {"bugs"}, "what is made on nobody's behalf is nobody's"
    mine = used["bugs"]
    assert mine[CALLS + "git"] == 2
    assert mine[WRITES + "git"] == 1
    assert mine[POINTS + "git"] == 2
    assert mine[BUSY] >= 0
    assert 300 < mine[SENT] < 3000
    assert mine[RECEIVED] > 200
    assert body
    assert parts.meter.collect() == {}


def test_a_call_that_never_left_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    parts = wiring(f"http://127.0.0.1:{port}", github.SYSTEM)
    with on_behalf_of("bugs"), pytest.raises(ConnectorError):
        parts.site("git", monotonic() + 10).send(READ)
    assert parts.meter.collect() == {}


def test_a_turn_takes_cpu() -> None:
    meter = Meter()
    with meter.working("bugs"):
        sum(range(200_000))
    assert meter.collect()["bugs"][CPU] > 100


def test_a_turn_of_an_office_is_measured(office: Office) -> None:
    now = iter(range(100))
    office.desk.working = Meter(cpu=lambda: float(next(now))).working
    meter: Meter = office.desk.working.__self__  # type: ignore[attr-defined]
    office.accept(CREATED)
    office.work()
    assert meter.collect()["bugs"][CPU] == 1_000_000


def test_what_the_store_would_not_take_is_handed_over_later(
    monkeypatch: pytest.MonkeyPatch, redis_client: Redis
) -> None:
    parts = wiring("http://127.0.0.1:1", github.SYSTEM)
    parts._store = redis_client
    with parts.meter.working("bugs"):
        sum(range(200_000))

    def away(*_: object) -> None:
        raise StoreError("gone")

    with monkeypatch.context() as patch:
        patch.setattr("workers.wiring.usage.add", away)
        with pytest.raises(StoreError):
            parts.flush_calls()
    parts.flush_calls()
    assert _cpu(redis_client) > 100
    before = _cpu(redis_client)
    parts.flush_calls()
    assert _cpu(redis_client) == before


def _cpu(client: Redis) -> int:
    found = client.hget("jc:{bugs}:counts", CPU)
    return int(found or 0)


def test_the_scanner_has_the_books_know_of_every_day(office: Office) -> None:
    note_days(office.desk)
    office.accept(CREATED)
    office.work()
    office.clock.move(DAY_MS)
    note_days(office.desk)
    note_days(office.desk)
    assert [one.counted.get("accepted", 0) for one in days(office.store)] == [1, 0]


def test_a_process_that_ends_hands_over_what_it_used(redis_client: Redis) -> None:
    parts: Wiring = wiring("http://127.0.0.1:1", github.SYSTEM)
    assert not parts.store_answered()
    parts._store = redis_client
    redis_client.broke = monotonic()  # type: ignore[attr-defined]
    assert not parts.store_answered(), "a process must not wait for a store that is away when it ends"
    redis_client.broke = 0.0  # type: ignore[attr-defined]
    assert parts.store_answered()
