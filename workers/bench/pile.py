"""Measure what an event costs when very many others wait, and how much room each takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, Final

from connector.event import Entity, Event, Kind, event_id
from workers.bench.gauge import Comparison, cpu
from workers.bench.load import words
from workers.bench.stage import Stage
from workers.inbox import delivery_id
from workers.stores.client import open_store
from workers.stores.deliveries import Fresh
from workers.stores.records import pack_event
from workers.stores.scripts import run, run_all

Told = Callable[[str], None]

SIZES: Final = (1_000, 100_000, 1_000_000)
"""Deliveries that wait while an event is measured."""

DRAINED: Final = 1_000
"""Events that each round delivers."""

LOT: Final = 250
"""Deliveries that one script accepts while loading."""

PIPELINED: Final = 8
"""Scripts that are sent together while loading."""

ROOM: Final = 4 * 1024**3
"""Bytes of memory that the store may take, however many wait."""

TEXTS: Final = tuple(words(number, 700) for number in range(200))
"""With it an event takes about a kilobyte before it is packed."""


class Pile:
    """A stage of its own on which ``size`` deliveries wait: a store that holds nothing else, and one worker."""

    def __init__(self, stage: Stage, size: int, tell: Told) -> None:
        self.size = size
        self._stage, self._tell = stage, tell
        self._books = stage.books()
        self.store: Any = open_store(stage.servers.store_url)
        # Loading is not measured: the disk is not waited for, and the log not rewritten meanwhile.
        self.store.config_set("appendfsync", "no")
        self.store.config_set("auto-aof-rewrite-percentage", 0)
        self.store.config_set("maxmemory", ROOM)
        self._close()
        self._worker = stage.worker()
        self._made = 0
        self.empty = self.used()
        self.fill()
        self.loaded = self.used()

    def used(self) -> int:
        """Return the bytes of memory that the store's data takes."""
        return int(self.store.info("memory")["used_memory"])

    def settled(self) -> int:
        """Return how many deliveries have been settled."""
        return self._books.counts()["delivered"]

    def fill(self) -> None:
        """Accept deliveries until ``size`` wait, by the script that the receiver uses."""
        missing = self.size - self._books.counts()["in_flight"]
        run(self.store, "accept", self._books.tag, *self._books.accept_arguments([]))  # so that the server knows it
        began, made = time.monotonic(), 0
        calls: list[tuple[str, str, tuple[Any, ...]]] = []
        for lot in _lots(self._made, missing):
            calls.append(("accept", self._books.tag, self._books.accept_arguments(lot)))
            made += len(lot)
            if len(calls) == PIPELINED or made == missing:
                run_all(self.store, calls)
                calls = []
                if made % 100_000 < PIPELINED * LOT < missing:
                    rate = made / (time.monotonic() - began)
                    self._tell(f"pending {self.size:,}: {made:,} loaded, {rate:,.0f} a second")
        self._made += missing

    def drain(self) -> tuple[float, float]:
        """Deliver some and stop; returns µs of CPU per event of the worker and of the store's server."""
        server = self._stage.servers.store.pid
        self.store.config_set("appendfsync", "always")
        before, theirs, done = cpu(self._worker.pid), cpu(server), self.settled()
        self._books.close(0, "")
        self._stage.wait_for(lambda: self.settled() >= done + DRAINED, "the drained events")
        self._close()
        time.sleep(0.5)  # what is under way ends
        count = self.settled() - done
        spent = ((cpu(self._worker.pid) - before) / count * 1e6, (cpu(server) - theirs) / count * 1e6)
        self.store.config_set("appendfsync", "no")
        return spent

    def _close(self) -> None:
        self._books.close(int(time.time() * 1000) + 3_600_000, "loading")

    def bytes_per_link(self) -> float:
        """Return what the store keeps per link."""
        links = self._books.tag + "links"
        number = int(self.store.hlen(links))
        return float(self.store.memory_usage(links, samples=0)) / number if number else 0.0


def pending(rounds: int, tell: Told, *, most: int = SIZES[-1]) -> list[Comparison]:
    """Measure CPU per event while 1,000, 100,000 and 1,000,000 deliveries wait, and the room that each takes.

    Every size stands on a stage of its own, and they take turns.  ``most`` is the largest size, for who has less time.
    """
    sizes = (*(size for size in SIZES if size < most), most)
    costs: dict[int, list[float]] = {size: [] for size in sizes}
    with ExitStack() as stages:
        piles = [Pile(stages.enter_context(Stage()), size, tell) for size in sizes]
        for number in range(-1, rounds):
            for pile in piles:
                pile.fill()
                worker, store = pile.drain()
                if number >= 0:  # the first round only warms up
                    costs[pile.size].append(worker + store)
                    tell(
                        f"pending {number + 1}/{rounds} {pile.size:,}: {worker:.0f} µs of the worker, "
                        f"{store:.0f} µs of the store an event"
                    )
        least, largest = piles[0], piles[-1]
        least.fill()  # as many wait as before, so that what has been added was left by the settled ones
        room = {
            "bytes_per_pending": (largest.loaded - largest.empty) / largest.size,
            "bytes_per_settled": (least.used() - least.loaded) / least.settled(),
            "bytes_per_link": least.bytes_per_link(),
            "gigabytes_in_all": largest.loaded / 1e9,
        }
    return [
        Comparison(
            f"{size:,} pending",
            f"{least.size:,} pending",
            "µs of CPU per event, worker and store",
            tuple(costs[size]),
            tuple(costs[least.size]),
            1.15,
            less_is_better=True,
            notes=room if size == largest.size else {},
        )
        for size in sizes[1:]
    ]


def _lots(start: int, number: int) -> Iterator[list[Fresh]]:
    """Yield what Jira would have sent, as the receiver would have packed it; one kilobyte each."""
    at = datetime.now(UTC)
    lot: list[Fresh] = []
    for issue in range(start + 1, start + number + 1):
        entity = Entity("jira", "issue", str(issue), key=f"WEB-{issue}", url="", scope="WEB")
        event = Event(
            id=event_id(entity, Kind.ISSUE_CREATED, version="1"),
            kind=Kind.ISSUE_CREATED,
            entity=entity,
            at=at,
            data={"title": f"Broken {issue}", "state": "open", "body": TEXTS[issue % len(TEXTS)], "labels": []},
        )
        lot.append(
            Fresh(delivery_id("bench", event.id), event.id, entity.ref, event.kind.value, entity.key, pack_event(event))
        )
        if len(lot) == LOT or issue == start + number:
            yield lot
            lot = []


MEASURES: Final[Mapping[str, Callable[..., list[Comparison]]]] = {"pending": pending}
