"""Measure what an event costs when very many others wait, and how much room each takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from connector.event import Entity, Event, Kind, event_id
from workers.bench.gauge import Comparison, cpu
from workers.bench.load import payload
from workers.bench.stage import Stage
from workers.inbox import delivery_id
from workers.stores.client import open_store
from workers.stores.deliveries import Deliveries, Fresh
from workers.stores.records import pack_event
from workers.stores.scripts import run, run_all

Told = Callable[[str], None]

SIZES: Final = (1_000, 100_000, 1_000_000)
"""Deliveries that wait while an event is measured."""

DRAINED: Final = 1_000
"""Events that each round delivers."""

LOT: Final = 250
"""Deliveries that one script accepts while loading."""


def pending(rounds: int, tell: Told, *, sizes: tuple[int, ...] = SIZES) -> list[Comparison]:
    """Measure CPU per event at each size; sizes come one after the other, each with rounds of its own."""
    with Stage() as stage:
        books = stage.books("bench")
        store: Any = open_store(stage.servers.store_url)
        # Loading is not measured: the disk is not waited for, and the log not rewritten meanwhile.
        store.config_set("appendfsync", "no")
        store.config_set("auto-aof-rewrite-percentage", 0)
        books.close(_far(), "loading")
        worker, empty, loaded = stage.worker(), _used(store), 0
        costs: dict[int, list[float]] = {}
        servers: dict[int, list[float]] = {}
        room: dict[str, float] = {}
        for size in sizes:
            loaded = _load(books, store, loaded, size, tell)
            room["bytes_per_pending"] = (_used(store) - empty) / books.counts()["in_flight"]
            costs[size], servers[size] = [], []
            for number in range(-1, rounds):
                loaded = _load(books, store, loaded, size, tell)
                before, theirs, done = cpu(worker.pid), cpu(stage.servers.store.pid), books.counts()["delivered"]
                held = _used(store)
                store.config_set("appendfsync", "always")
                books.close(0, "")
                stage.wait_for(lambda done=done: books.counts()["delivered"] >= done + DRAINED, "the drained events")  # type: ignore[misc]  # mypy: a default in a lambda
                books.close(_far(), "measured")
                time.sleep(0.5)
                store.config_set("appendfsync", "no")
                count = books.counts()["delivered"] - done
                if number >= 0:
                    costs[size].append((cpu(worker.pid) - before) / count * 1e6)
                    servers[size].append((cpu(stage.servers.store.pid) - theirs) / count * 1e6)
                    tell(
                        f"pending {size:,} {number + 1}/{rounds}: {costs[size][-1]:.0f} µs of the worker, "
                        f"{servers[size][-1]:.0f} µs of the store an event"
                    )
                else:
                    room["bytes_per_settled"] = room["bytes_per_pending"] + (_used(store) - held) / count
        room["bytes_per_link"] = float(store.memory_usage(books.tag + "links", samples=0) or 0) / max(
            1, store.hlen(books.tag + "links")
        )
    least = sizes[0]
    found = [
        Comparison(
            f"{size:,} pending",
            f"{least:,} pending",
            "µs of CPU per event, worker and store",
            tuple(map(sum, zip(costs[size], servers[size], strict=True))),
            tuple(map(sum, zip(costs[least], servers[least], strict=True))),
            1.15,
            less_is_better=True,
        )
        for size in sizes[1:]
    ]
    found[-1].notes.update(room)
    return found


def _far() -> int:
    return int(time.time() * 1000) + 3_600_000


def _used(store: Any) -> int:
    return int(store.info("memory")["used_memory"])


def _load(books: Deliveries, store: Any, loaded: int, size: int, tell: Told) -> int:
    """Accept deliveries until ``size`` wait; returns how many have been made in all."""
    missing = size - books.counts()["in_flight"]
    began, made = time.monotonic(), 0
    run(store, "accept", books.tag, *books.accept_arguments([]))  # so that the server knows the script
    calls: list[tuple[str, str, tuple[Any, ...]]] = []
    lots = _lots(loaded, missing)
    for lot in lots:
        calls.append(("accept", books.tag, books.accept_arguments(lot)))
        made += len(lot)
        if len(calls) == 8 or made == missing:
            run_all(store, calls)
            calls = []
            if made % 100_000 < 8 * LOT:
                tell(f"pending: {made:,} of {missing:,} loaded, {made / (time.monotonic() - began):,.0f}/s")
    return loaded + missing


def _lots(start: int, number: int) -> Iterator[list[Fresh]]:
    """Yield what Jira would have sent, as the receiver would have packed it; one kilobyte each."""
    template = payload(1)["issue"]["fields"]
    at = datetime.now(UTC)
    lot: list[Fresh] = []
    for issue in range(start + 1, start + number + 1):
        entity = Entity("jira", "issue", str(issue), key=f"WEB-{issue}", url="", scope="WEB")
        event = Event(
            id=event_id(entity, Kind.ISSUE_CREATED, version="1"),
            kind=Kind.ISSUE_CREATED,
            entity=entity,
            at=at,
            data={"title": f"Broken {issue}", "state": "open", "body": template["description"], "labels": []},
        )
        lot.append(
            Fresh(delivery_id("bench", event.id), event.id, entity.ref, event.kind.value, entity.key, pack_event(event))
        )
        if len(lot) == LOT or issue == start + number:
            yield lot
            lot = []


MEASURES: Final[Mapping[str, Callable[[int, Told], list[Comparison]]]] = {"pending": pending}
