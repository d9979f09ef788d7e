"""Tell Prometheus how connectors stand, read from the store when it asks; labels are bounded by the configuration."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime, time
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from connector.config import Config, Connection
from workers.desk import Desk
from workers.operating.pace import Speed, speed
from workers.operating.standing import Standing, all_standings
from workers.stores.orders import orders
from workers.stores.published import Follower, Published
from workers.stores.scripts import StoreError

log = logging.getLogger("connector.metrics")

Family = CounterMetricFamily | GaugeMetricFamily | InfoMetricFamily

STATES: Final = (
    *("running", "shadow", "stopped", "paused", "maintenance", "quiet", "refused", "open", "throttled", "closed"),
    *("restored", "lost", "rebuild"),
)
KINDS: Final = ("limit", "breaker", "paused")
OUTCOMES: Final = ("delivered", "skipped", "discarded")
LANES: Final = ("live", "replay", "backfill")
PER: Final = ("connector", "team")

PATIENCE: Final = 1.0
"""Seconds that a scrape waits for the store."""

FRESH: Final = 5.0
"""Seconds for which one look at the store serves all scrapes."""


class Metrics(Collector):
    """The collector; ``ticks`` is monotonic seconds.

    A store that does not answer is told as ``connector_store_up 0``: whoever scrapes must learn of it, and
    what else the process exports must still be exported.
    """

    def __init__(self, desk: Callable[[], Desk], ticks: Callable[[], float]) -> None:
        self._desk, self._ticks = desk, ticks
        self._lock = threading.Lock()
        self._kept: tuple[float, list[Family]] | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        self._looking: Future[list[Family]] | None = None

    def describe(self) -> list[Any]:
        """Say nothing at registration: it would ask the store before anybody has."""
        return []

    def collect(self) -> Iterator[Family]:
        """Yield everything; asks the store at most once in five seconds."""
        yield from self._fresh()

    def _fresh(self) -> list[Family]:
        """Look, in a thread: whoever serves the scrape serves pages too, and a frozen store must not keep it."""
        with self._lock:
            if self._kept is not None and self._ticks() - self._kept[0] <= FRESH:
                return self._kept[1]
            looking = self._looking = self._looking or self._pool.submit(lambda: list(self._look()))
        try:
            families = looking.result(PATIENCE)
        except TimeoutError:
            log.warning("the store does not answer in %g s, its metrics are left out", PATIENCE)
            return [_up(0)]
        with self._lock:
            self._looking, self._kept = None, (self._ticks(), families)
        return families

    def _look(self) -> Iterator[Family]:
        desk = self._desk()
        config = desk.config()
        yield from _declared(desk, config)
        try:
            found = all_standings(desk, config)
            speeds = {one.connector: speed(desk, config.connectors[one.connector]) for one in found}
            open_orders = {
                one.connector: sum(o.state == "open" for o in orders(desk.deliveries(config.connectors[one.connector])))
                for one in found
            }
            calls = {name: desk.connections.calls(name) for name in config.connections}
            followers = Published(desk.connections.client).followers(desk.now_ms())
        except StoreError as error:
            log.warning("the store does not answer, its metrics are left out: %s", error)
            yield _up(0)
            return
        yield _up(1)
        yield from _counts(found)
        yield from _used(found)
        yield from _waiting(found, desk.now_ms())
        yield from _speed(found, speeds)
        yield from _states(found)
        yield from _connections(found, desk.now_ms())
        yield _gauge("connector_drift", "Places where a connector does not fit its target, by its last examination.",
                     found, lambda one: len(one.examined.problems) if one.examined else 0)  # fmt: skip
        yield _gauge("connector_replays_open", "Orders to replay that are being carried out.", found,
                     lambda one: open_orders[one.connector])  # fmt: skip
        yield _calls(calls)
        yield from _followers(followers)


def _followers(found: Sequence[Follower]) -> Iterator[Family]:
    counts = Counter("refusing" if one.refused else "following" for one in found)
    family = GaugeMetricFamily(
        "connector_configuration_processes",
        "Processes that follow the published configuration, or refuse the version in force and keep an older one.",
        labels=("state",),
    )
    for state in ("following", "refusing"):
        family.add_metric((state,), counts[state])
    yield family


def _up(value: int) -> Family:
    family = GaugeMetricFamily("connector_store_up", "Whether the store answered.")
    family.add_metric((), value)
    return family


def _declared(desk: Desk, config: Config) -> Iterator[Family]:
    info = InfoMetricFamily("connector_configuration", "The configuration in force.")
    info.add_metric((), {"hash": config.hash, "instance": config.instance})
    yield info
    left = GaugeMetricFamily(
        "connector_credential_expires_seconds",
        "Seconds until the declared end of a connection's credential; negative when it is over.",
        labels=("connection",),
    )
    for name, connection in sorted(config.connections.items()):
        end = expiry(connection)
        if end is not None:
            left.add_metric((name,), (end - desk.now()).total_seconds())
    yield left


def expiry(connection: Connection) -> datetime | None:
    """Return when a connection's credential ends, as it is declared (``auth.expires``); None where it is not."""
    auth = getattr(connection.settings, "auth", None)
    day = getattr(auth, "expires", None) or getattr(connection.settings, "expires", None)
    return datetime.combine(day, time(), UTC) if isinstance(day, date) else None


def _counts(found: Iterable[Standing]) -> Iterator[Family]:
    accepted = CounterMetricFamily("connector_accepted", "Deliveries accepted.", labels=PER)
    settled = CounterMetricFamily("connector_settled", "Deliveries settled, by outcome.", labels=(*PER, "outcome"))
    retries = CounterMetricFamily("connector_retries", "Attempts that failed and were put off.", labels=PER)
    missed = CounterMetricFamily(
        "connector_missed_webhooks", "Events that a webhook should have brought and a poll had to find.", labels=PER
    )
    api = CounterMetricFamily("connector_delivery_calls", "API calls that deliveries made.", labels=PER)
    restored = CounterMetricFamily(
        "connector_store_restored", "Times the store was found to have gone back.", labels=PER
    )
    late = CounterMetricFamily("connector_late_writes", "Writes that may have landed late, so twice.", labels=PER)
    died = CounterMetricFamily("connector_deaths", "Deliveries that became dead letters.", labels=PER)
    for one in found:
        who = (one.connector, one.team)
        accepted.add_metric(who, one.counts["accepted"])
        for outcome in OUTCOMES:
            settled.add_metric((*who, outcome), one.counts[outcome])
        retries.add_metric(who, one.tally.get("retries", 0))
        missed.add_metric(who, one.tally.get("missed", 0))
        api.add_metric(who, one.tally.get("calls", 0))
        restored.add_metric(who, one.tally.get("restored", 0))
        late.add_metric(who, one.tally.get("late", 0))
        died.add_metric(who, one.used.dead)
    yield from (accepted, settled, retries, missed, api, restored, late, died)


def _used(found: Iterable[Standing]) -> Iterator[Family]:
    """Yield what is spent on behalf of connectors: for sharing costs, and for seeing who spends most."""
    calls = CounterMetricFamily("connector_calls", "API calls on a connector's behalf, polls included.", labels=PER)
    writes = CounterMetricFamily("connector_writes", "API calls that change something.", labels=PER)
    cpu = CounterMetricFamily("connector_cpu_seconds", "CPU of turns and polls.", labels=PER)
    traffic = CounterMetricFamily(
        "connector_bytes", "Bytes of API calls on the wire, by direction (sent, received).", labels=(*PER, "direction")
    )
    for one in found:
        who = (one.connector, one.team)
        calls.add_metric(who, one.used.calls)
        writes.add_metric(who, one.used.writes)
        cpu.add_metric(who, one.used.cpu)
        traffic.add_metric((*who, "sent"), one.used.sent)
        traffic.add_metric((*who, "received"), one.used.received)
    yield from (calls, writes, cpu, traffic)


def _waiting(found: Iterable[Standing], now: int) -> Iterator[Family]:
    yield _gauge("connector_in_flight", "Deliveries accepted and not yet settled.", found,
                 lambda one: one.counts["in_flight"])  # fmt: skip
    yield _gauge("connector_dead_letters", "Deliveries that need a person.", found, lambda one: one.counts["dead"])
    yield _gauge("connector_conflicts", "Fields that a person must decide.", found, lambda one: one.conflicts)
    yield _gauge("connector_due", "Items that are tried again later.", found, lambda one: one.backlog["due"])
    yield _gauge("connector_oldest_waiting_seconds", "Age of the oldest delivery that is known to wait.", found,
                 lambda one: (now - one.oldest) / 1000 if one.oldest else 0)  # fmt: skip
    yield _gauge("connector_turns", "Turns and doorbells that are out.", found, lambda one: one.backlog["slots"])
    ready = GaugeMetricFamily("connector_ready", "Items that wait for a turn, by lane.", labels=(*PER, "lane"))
    held = GaugeMetricFamily("connector_held", "Items that wait behind a gate, by its kind.", labels=(*PER, "gate"))
    for one in found:
        for lane in LANES:
            ready.add_metric((one.connector, one.team, lane), one.backlog.get(lane, 0))
        kinds: Counter[str] = Counter()
        for gate, shut in one.held.items():
            # Only the kind of a gate is a label: its name may hold an id.
            kinds[gate.partition(":")[0].partition("-")[0]] += int(shut["parked"])
        for kind, number in sorted(kinds.items()):
            held.add_metric((one.connector, one.team, kind), number)
    yield from (ready, held)


def _speed(found: Iterable[Standing], speeds: Mapping[str, Speed]) -> Iterator[Family]:
    lag = GaugeMetricFamily(
        "connector_lag_seconds",
        "Upper bound of the time from acceptance to the write, over the last hour.",
        labels=(*PER, "quantile"),
    )
    for one in found:
        mine = speeds[one.connector]
        lag.add_metric((one.connector, one.team, "0.5"), mine.lag_p50 / 1000)
        lag.add_metric((one.connector, one.team, "0.95"), mine.lag_p95 / 1000)
    yield lag


def _states(found: Iterable[Standing]) -> Iterator[Family]:
    state = GaugeMetricFamily("connector_state", "1 for the state that a connector is in.", labels=(*PER, "state"))
    for one in found:
        for word in STATES:
            state.add_metric((one.connector, one.team, word), int(one.state == word))
    yield state


def _connections(found: Iterable[Standing], now: int) -> Iterator[Family]:
    closed = GaugeMetricFamily(
        "connector_connection_closed", "1 while a connection may not be called, by why.", labels=("connection", "kind")
    )
    known = {name: one for standing in found for name, one in standing.connections.items()}
    for name, one in sorted(known.items()):
        for kind in KINDS:
            shut = one.kind == kind and (one.closed_until > now or kind == "paused")
            closed.add_metric((name, kind), int(shut))
    yield closed


def _calls(calls: Mapping[str, Mapping[str, int]]) -> Family:
    made = CounterMetricFamily(
        "connector_api_calls", "API calls of all processes, by endpoint class.", labels=("connection", "endpoint")
    )
    for name, endpoints in sorted(calls.items()):
        for endpoint, number in sorted(endpoints.items()):
            made.add_metric((name, endpoint), number)
    return made


def _gauge(name: str, text: str, found: Iterable[Standing], value: Callable[[Standing], float]) -> Family:
    family = GaugeMetricFamily(name, text, labels=PER)
    for one in found:
        family.add_metric((one.connector, one.team), value(one))
    return family
