"""Measure what flows: latency under a steady load, beside a noisy neighbour, over a limit, and with more workers."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, islice
from typing import Final

from workers.bench.gauge import Comparison, quantile
from workers.bench.load import payload, request, send
from workers.bench.stage import BOUNDLESS, Line, Stage, send_by_hand, start_by_hand, webhook

Told = Callable[[str], None]

RATE: Final = 50
"""Messages a second that the limited target allows."""

QUICK: Final = {"CALL_SECONDS": "4", "BACKOFF_SECONDS": "1"}
"""Where a target hangs, so that one round need not wait for the default of half a minute."""


def paced(act: Callable[[int], None], issues: Iterable[int], rate: float) -> dict[int, float]:
    """Act on issues, ``rate`` a second; returns when each was due (monotonic seconds).

    Due, not sent: what the sender itself is late with, because the other end kept it waiting, counts as well.
    """
    began = time.monotonic()
    due: dict[int, float] = {}
    for number, issue in enumerate(issues):
        due[issue] = began + number / rate
        wait = due[issue] - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        act(issue)
    return due


def spans(due: Mapping[int, float], came: Iterable[tuple[int, float]]) -> list[float]:
    """Return ms from when each issue was due to its first arrival; raises RuntimeError where one did not come."""
    there: dict[int, float] = {}
    for issue, moment in came:
        there.setdefault(issue, moment)
    if missing := due.keys() - there.keys():
        message = f"{len(missing)} messages did not come"
        raise RuntimeError(message)
    return [(there[issue] - moment) * 1000 for issue, moment in due.items()]


# --- tokens --------------------------------------------------------------------------------------------------
def tokens(rounds: int, tell: Told) -> list[Comparison]:
    """Measure how much of an allowed rate four workers use, at a target that refuses what is beyond it."""
    limits = f"{{messages_per_second: {RATE}, posts_per_minute: 6000000, updates_per_minute: 6000000}}"
    # The vendor's burst: ours, which is a tenth of the rate, and one for each call under way.
    behaviour = f"bucket-{RATE}-{RATE // 10 + 16}"
    warm, seconds = 3.0, 12.0
    with Stage(Line(behaviour=behaviour, limits=limits, concurrency=16), WORKER_THREADS="4") as stage:
        _, port = stage.listening("workers.cli", "receive", "--port")
        for number in range(4):
            stage.worker(f"bench{number}")
        numbers = count(100_001)
        used = []
        for number in range(rounds):
            events = int(RATE * (warm + seconds + 2))
            send(port, (request(port, payload(next(numbers)), stage.secret) for _ in range(events)))
            before = stage.target(behaviour)["count"]
            stage.wait_for_messages(before + 1, behaviour)
            began = time.monotonic() + warm
            time.sleep(warm + seconds)
            got = stage.came(behaviour, last=events)
            came = [moment for _, moment in got if began <= moment < began + seconds]
            used.append(len(came) / seconds)
            tell(f"tokens {number + 1}/{rounds}: {used[-1]:.1f} of {RATE} a second")
            stage.wait_until_settled("bench")
        refused = float(stage.target(behaviour)["refused"])
    allowed = tuple(float(RATE) for _ in used)
    return [
        Comparison("token use, 4 workers", "the allowed rate", "messages a second", tuple(used), allowed, 0.98,
                   less_is_better=False),
        Comparison("token use, refusals", "none", "429s", (refused,), (1.0,), 0.0, less_is_better=True),
    ]  # fmt: skip


# --- a noisy neighbour -----------------------------------------------------------------------------------------
NOISES: Final[Mapping[str, Line]] = {
    "throttled": Line("noisy", "NOISE", "throttle-2", "loud"),
    "dead": Line("noisy", "NOISE", "", "loud", dead=True),
    "slow": Line("noisy", "NOISE", "drip", "loud"),
    "sharing its connection": Line("noisy", "NOISE", "wait-5", "slack"),
}


def neighbour(rounds: int, tell: Told) -> list[Comparison]:
    """Measure the latency of a quiet connector alone, and while another one has trouble."""
    return [_beside(name, line, rounds, tell) for name, line in NOISES.items()]


def _beside(name: str, noisy: Line, rounds: int, tell: Told) -> Comparison:
    shared = noisy.chat == "slack"
    limits = (
        "{messages_per_second: 100000, posts_per_minute: 3000, updates_per_minute: 6000000}" if shared else BOUNDLESS
    )
    # Alone on the connection it may use all of it; beside the other one its share, which is far above its need.
    rate, seconds = (10.0, 5.0) if shared else (20.0, 5.0)
    with Stage(Line(behaviour="wait-5", limits=limits), noisy, **QUICK) as stage:
        _, port = stage.listening("workers.cli", "receive", "--port")
        stage.worker()
        noise, numbers = stage.books("noisy"), count(100_001)
        noise.close(int(time.time() * 1000) + 3_600_000, "a quiet round")
        loud = 4000 if shared else 400
        send(port, (request(port, payload(next(numbers), project="NOISE"), stage.secret) for _ in range(loud)))
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        found: dict[str, list[float]] = {"alone": [], "beside": []}
        for number in range(-1, rounds):
            for side, values in found.items():
                far = int(time.time() * 1000) + 3_600_000
                noise.close(far if side == "alone" else 0, "a quiet round")
                # Until what is under way has ended, or the trouble has begun.
                time.sleep(5.0 if side == "alone" and not shared else 2.0)
                spent = _quiet(stage, line, port, numbers, rate=rate, seconds=seconds)
                if number >= 0:
                    values.append(quantile(spent, 0.95))
                    tell(f"neighbour {name} {number + 1}/{rounds} {side}: p95 {values[-1]:.1f} ms")
        line.close()
    return Comparison(
        f"neighbour {name}, p95",
        "alone",
        "ms",
        tuple(found["beside"]),
        tuple(found["alone"]),
        1.2,
        less_is_better=True,
    )


def _quiet(
    stage: Stage, line: http.client.HTTPConnection, port: int, numbers: Iterator[int], *, rate: float, seconds: float
) -> list[float]:
    before = stage.target("wait-5")["count"]
    issues = list(islice(numbers, int(rate * seconds)))
    due = paced(lambda issue: webhook(line, request(port, payload(issue), stage.secret)), issues, rate)
    stage.wait_for_messages(before + len(due), "wait-5")
    return spans(due, stage.came("wait-5", last=len(due)))


# --- more workers ----------------------------------------------------------------------------------------------
def scale(rounds: int, tell: Told) -> list[Comparison]:
    """Measure what four workers of four threads do, against four times what one does; a call takes 50 ms."""
    events = {1: 300, 4: 1200}
    with Stage(Line(behaviour="wait-50", concurrency=64), WORKER_THREADS="4") as stage:
        _, port = stage.listening("workers.cli", "receive", "--port")
        numbers = count(100_001)
        rates: dict[int, list[float]] = {1: [], 4: []}
        for number in range(rounds):
            for workers, found in rates.items():
                books = stage.books("bench")
                books.close(int(time.time() * 1000) + 3_600_000, "loading")
                running = [stage.worker(f"bench{one}") for one in range(workers)]
                lot = events[workers]
                send(port, (request(port, payload(next(numbers)), stage.secret) for _ in range(lot)))
                before = stage.target("wait-50")["count"]
                books.close(0, "")
                stage.wait_for_messages(before + lot, "wait-50")
                came = [moment for _, moment in stage.came("wait-50", last=lot)]
                # Start and end are left out: they tell of the start of a worker and of its last turn.
                middle = came[lot // 10 : -lot // 10]
                found.append((len(middle) - 1) / (middle[-1] - middle[0]))
                tell(f"scale {number + 1}/{rounds} {workers} workers: {found[-1]:.0f}/s")
                stage.wait_until_settled("bench")
                stage.end(*running)
    return [
        Comparison("1 to 4 workers, 50 ms a call", "four times one worker", "messages a second", tuple(rates[4]),
                   tuple(4 * one for one in rates[1]), 0.9, less_is_better=False)
    ]  # fmt: skip


# --- a steady load ---------------------------------------------------------------------------------------------
def steady(rounds: int, tell: Told) -> list[Comparison]:
    """Measure the latency at 300 events a second, each of an entity of its own, against the hand-written task."""
    rate, seconds = 300.0, 6.0
    # As many turns at once as the task by hand has threads; four, the default, would be busy most of the time.
    with Stage(Line(concurrency=16)) as stage:
        _, port = stage.listening("workers.cli", "receive", "--port")
        stage.worker()
        start_by_hand(stage)
        client, numbers = stage.by_hand(), count(100_001)
        lines = [http.client.HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(4)]
        found: dict[str, list[float]] = {"ours": [], "by hand": []}
        for number in range(-1, rounds):
            for side, values in found.items():
                made = {issue: payload(issue) for issue in islice(numbers, int(rate * seconds))}
                before = stage.target()["count"]
                if side == "ours":
                    due = _together(lines, {one: request(port, made[one], stage.secret) for one in made}, rate)
                else:
                    due = paced(lambda issue, made=made: send_by_hand(client, made[issue]), made, rate)  # type: ignore[misc]  # mypy: a default in a lambda
                stage.wait_for_messages(before + len(due))
                p99 = quantile(spans(due, stage.came(last=len(due))), 0.99)
                if number >= 0:
                    values.append(p99)
                    tell(f"steady {number + 1}/{rounds} {side}: p99 {p99:.1f} ms")
                time.sleep(0.5)
        for line in lines:
            line.close()
    return [
        Comparison("300 events a second, webhook to write, p99", "@app.task by hand, apply_async to write", "ms",
                   tuple(found["ours"]), tuple(found["by hand"]), 1.5, less_is_better=True)
    ]  # fmt: skip


def _together(
    lines: Sequence[http.client.HTTPConnection], requests: Mapping[int, bytes], rate: float
) -> dict[int, float]:
    """Send over several connections at once, each at its part of the rate."""
    due: dict[int, float] = {}

    def one(number: int) -> None:
        mine = list(requests)[number :: len(lines)]
        due.update(paced(lambda issue: webhook(lines[number], requests[issue]), mine, rate / len(lines)))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(lines))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return due


Measure = Callable[[int, Told], list[Comparison]]
MEASURES: Final[Mapping[str, Measure]] = {"tokens": tokens, "neighbour": neighbour, "scale": scale, "steady": steady}
