"""Measure: each measure compares the product with a floor in interleaved rounds and returns what it found."""

from __future__ import annotations

import http.client
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from statistics import median
from typing import Any, Final

from workers.bench import flow, pile
from workers.bench.floors.names import PLAIN, QUEUE, UNREAD
from workers.bench.gauge import Comparison, cpu
from workers.bench.load import payload, request, send
from workers.bench.stage import Stage, send_by_hand, start_by_hand, webhook
from workers.stores.client import open_store

Told = Callable[[str], None]

ACCEPTS: Final = 1500
EVENTS: Final = 1000
UPDATES: Final = 10
SAMPLES: Final = 15
EIGHT_KB: Final = 8 * 1024


# --- accept ------------------------------------------------------------------------------------------
def accept(rounds: int, tell: Told) -> list[Comparison]:
    """Count the webhooks of 8 kB that a receiver takes in per second of its CPU."""
    with Stage() as stage:
        ours, port = stage.listening("workers.cli", "receive", "--port")
        nothing, nothing_port = stage.listening("workers.bench.floors.verify_only")
        publishing, publishing_port = stage.listening("workers.bench.floors.publishing")
        store: Any = open_store(stage.servers.store_url)
        broker: Any = open_store(stage.servers.broker_url)
        numbers = count(100_001)
        lots = {
            "always": (ours, port),
            "everysec": (ours, port),
            "verify only": (nothing, nothing_port),
            "apply_async": (publishing, publishing_port),
        }
        per_core: dict[str, list[float]] = {name: [] for name in lots}
        per_second: dict[str, list[float]] = {name: [] for name in lots}
        for number in range(-1, rounds):
            for name, (program, where) in lots.items():
                if name in {"always", "everysec"}:
                    store.config_set("appendfsync", name)
                size = ACCEPTS if number >= 0 else 200
                requests = [request(where, payload(next(numbers), size=EIGHT_KB), stage.secret) for _ in range(size)]
                before, began = cpu(program.pid), time.monotonic()
                send(where, requests)
                took, used = time.monotonic() - began, cpu(program.pid) - before
                broker.delete(UNREAD)
                if number >= 0:  # the first round only warms up
                    per_core[name].append(size / used)
                    per_second[name].append(size / took)
                    tell(f"accept {number + 1}/{rounds} {name}: {size / used:.0f} a CPU second, {size / took:.0f}/s")
    return [
        Comparison(
            f"accept, appendfsync {mode}",
            floor,
            "accepts per CPU second",
            tuple(per_core[mode]),
            tuple(per_core[floor]),
            goal,
            less_is_better=False,
            notes={"ours_per_second": median(per_second[mode]), "floor_per_second": median(per_second[floor])},
        )
        for mode in ("always", "everysec")
        for floor, goal in (("verify only", 0.45), ("apply_async", 4.0))
    ]


# --- deliver -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Side:
    """One of two that do the same work: how events pile up in front of it, and how to see that it is done."""

    program: subprocess.Popen[bytes]
    load: Callable[[list[dict[str, Any]]], None]
    is_done: Callable[[], bool]
    messages: int
    """Messages that a round is to bring."""


def deliver(rounds: int, tell: Told) -> list[Comparison]:
    """Measure the worker's CPU per event where every event has an entity of its own."""
    return _delivered(rounds, tell, "deliver", entities=EVENTS, updates=0, goal=0.8, plain=True)


def collapse(rounds: int, tell: Told) -> list[Comparison]:
    """Measure the worker's CPU per event where ten updates of each entity wait."""
    return _delivered(rounds, tell, "collapse", entities=EVENTS // UPDATES, updates=UPDATES, goal=0.1)


def _delivered(
    rounds: int, tell: Told, name: str, *, entities: int, updates: int, goal: float, plain: bool = False
) -> list[Comparison]:
    events = entities * max(1, updates)
    with Stage() as stage:
        sides = _sides(stage, entities, events, plain=plain)
        already = stage.target()["count"]
        numbers = count(100_001)
        used: dict[str, list[float]] = {side: [] for side in sides}
        servers: dict[str, list[float]] = {side: [] for side in sides}
        pids = (stage.servers.broker.pid, stage.servers.store.pid)
        for number in range(-1, rounds):
            for side, one in sides.items():
                issues = [next(numbers) for _ in range(entities)]
                steps = range(1, updates + 1) if updates else (0,)
                payloads = [payload(issue, update=step) for step in steps for issue in issues]
                with stage.held(one.program):
                    one.load(payloads)
                    before, theirs = cpu(one.program.pid), sum(cpu(pid) for pid in pids)
                    wanted = stage.target()["count"] + one.messages
                began = time.monotonic()
                stage.wait_for_messages(wanted)
                while not one.is_done():
                    time.sleep(0.02)
                took = time.monotonic() - began
                spent = (cpu(one.program.pid) - before) / events * 1e6
                if number < 0:
                    continue
                used[side].append(spent)
                servers[side].append((sum(cpu(pid) for pid in pids) - theirs) / events * 1e6)
                tell(f"{name} {number + 1}/{rounds} {side}: {spent:.0f} µs of CPU an event, {events / took:.0f}/s")
        got = stage.target()["count"] - already
        if got != (rounds + 1) * sum(one.messages for one in sides.values()):
            message = f"the target got {got} messages"
            raise RuntimeError(message)
    notes = {f"servers_us_{side}": median(values) for side, values in servers.items()}
    return [
        Comparison(
            name,
            f"@app.task {floor}",
            "µs of worker CPU per event",
            tuple(used["ours"]),
            tuple(used[floor]),
            goal if floor == BY_HAND else None,
            less_is_better=True,
            notes=notes if floor == BY_HAND else {},
        )
        for floor in sides
        if floor != "ours"
    ]


BY_HAND: Final = "by hand"
PLAIN_CALLS: Final = "by hand, plain requests.post"


def _sides(stage: Stage, entities: int, events: int, *, plain: bool) -> Mapping[str, Side]:
    _, port = stage.listening("workers.cli", "receive", "--port")
    books = stage.books()
    broker: Any = open_store(stage.servers.broker_url)

    def webhooks(payloads: list[dict[str, Any]]) -> None:
        send(port, (request(port, one, stage.secret) for one in payloads))

    def tasks(queue: str) -> Callable[[list[dict[str, Any]]], None]:
        client = stage.by_hand(queue)

        def load(payloads: list[dict[str, Any]]) -> None:
            for one in payloads:
                send_by_hand(client, one)

        return load

    def by_hand(queue: str) -> Side:
        program = start_by_hand(stage, plain=queue == PLAIN)
        return Side(program, tasks(queue), lambda: _is_empty(broker, queue), events)

    sides = {
        "ours": Side(stage.worker(), webhooks, lambda: books.counts()["in_flight"] == 0, entities),
        BY_HAND: by_hand(QUEUE),
    }
    return {**sides, PLAIN_CALLS: by_hand(PLAIN)} if plain else sides


def _is_empty(broker: Any, queue: str) -> bool:
    """Tell whether the hand-written task has nothing to do and has acknowledged all."""
    return not broker.llen(queue) and not broker.hlen("unacked")


# --- idle --------------------------------------------------------------------------------------------
def idle(rounds: int, tell: Told) -> list[Comparison]:
    """Measure how long an event takes to the target where nothing else happens."""
    with Stage() as stage:
        _, port = stage.listening("workers.cli", "receive", "--port")
        stage.worker()
        start_by_hand(stage)
        client = stage.by_hand()
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        numbers = count(100_001)
        sides: Mapping[str, Callable[[], None]] = {
            "ours": lambda: webhook(line, request(port, payload(next(numbers)), stage.secret)),
            "by hand": lambda: send_by_hand(client, payload(next(numbers))),
        }
        took: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(-1, rounds):
            for side, act in sides.items():
                spans = [_span(stage, act) for _ in range(SAMPLES if number >= 0 else 3)]
                if number >= 0:
                    took[side].append(median(spans))
                    tell(f"idle {number + 1}/{rounds} {side}: {median(spans):.1f} ms")
        line.close()
    return [
        Comparison(
            "idle, webhook to write, p50",
            "@app.task by hand, apply_async to write",
            "ms",
            tuple(took["ours"]),
            tuple(took["by hand"]),
            1.5,
            less_is_better=True,
        )
    ]


def _span(stage: Stage, act: Callable[[], None]) -> float:
    """Return the milliseconds from before ``act`` until its message reaches the target."""
    time.sleep(0.1)
    before = stage.target()["count"]
    began = time.monotonic()
    act()
    time.sleep(0.05)  # asking the target would disturb it
    stage.wait_for_messages(before + 1)
    ((_, came),) = stage.came(last=1)
    return (came - began) * 1000


MEASURES: Final[Mapping[str, Callable[..., list[Comparison]]]] = {
    "accept": accept,
    "deliver": deliver,
    "collapse": collapse,
    "idle": idle,
    **flow.MEASURES,
    **pile.MEASURES,
}
