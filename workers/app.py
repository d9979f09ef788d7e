"""Be the Celery application: doorbells in, turns out; ``celery -A workers.app worker`` starts it too."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from celery import Celery, bootsteps, signals
from kombu import Queue
from kombu.exceptions import OperationalError

from connector.config import Config, Connector
from workers import broker, drift, logs, sentry, tending
from workers.alerting import Alerter
from workers.celery_settings import SETTINGS, refuse_unsafe
from workers.delivery import run_turn
from workers.doorbell import Doorbell, queue_for, queue_name
from workers.farewell import Farewell
from workers.following import Queues
from workers.health import Health
from workers.logs import about
from workers.operating.care import forget_old
from workers.operating.letters import group_name, wrong_of
from workers.poller import Polled, due, poll
from workers.process import Process, this_process
from workers.quarantine import SHIFT, Children
from workers.recovery import Recovery
from workers.scanner import Scanner
from workers.settings import Settings
from workers.stores.durability import weaknesses
from workers.stores.scripts import StoreError

log = logging.getLogger("connector.app")

TICKS: Final = "connector.ticks"
TICK_SECONDS: Final = 5.0
STUCK: Final = 60.0
"""Seconds beyond a turn and a call after which a turn counts as stuck and its process is ended."""

_stopping = threading.Event()
_turns: dict[int, float] = {}
farewell: Final = Farewell(lambda: bool(_turns))


def queues(config: Config | None) -> list[Queue]:
    """Return the queues there are: one for each connector and one for ticks."""
    names = [TICKS, *(queue_name(name) for name in (config.connectors if config else ()))]
    return [queue_for(name) for name in names]


def make_app(broker_url: str, config: Config | None, settings: Settings) -> Celery:
    """Build the application; refuses unsafe settings with all reasons at once."""
    broker.use()
    made = Celery("connector", broker=broker_url, set_as_current=True)
    made.conf.update(SETTINGS)
    made.conf.update(
        task_queues=queues(config),
        beat_schedule={
            "tick": {
                "task": "tick",
                "schedule": TICK_SECONDS,
                "options": {"queue": TICKS, "expires": 3 * TICK_SECONDS},
            },
            "alert": {"task": "alert", "schedule": 15.0, "options": {"queue": TICKS, "expires": 30.0}},
            **drift.schedule(TICKS),
            **tending.schedule(TICKS),
            "trim": {"task": "trim", "schedule": 3600.0, "options": {"queue": TICKS, "expires": 3600}},
        },
        beat_schedule_filename=str(settings.home / ".connector" / "beat-schedule"),
        worker_concurrency=settings.worker_threads,
        worker_pool="threads",
    )
    refuse_unsafe(made.conf, turn=settings.turn.total_seconds(), call=settings.call.total_seconds())
    return made


def _application() -> tuple[Process, Celery]:
    """Make this process's parts from its environment; see `workers.process`."""
    process = this_process()
    made = make_app(process.broker_url, process.source.current, process.settings)
    process.attach(Doorbell(made), stopping=_stopping.is_set, buried=tell_flower, held=tell_flower_of_hold)
    return process, made


# --- what Flower sees ---------------------------------------------------------------------------------
def tell_flower(connector: Connector, delivery: str, fields: Mapping[str, str]) -> None:
    """Show a dead letter as a failed task of its own (id the delivery's, name the connector's), and tell Sentry."""
    group = group_name(connector.uid, fields.get("error", ""), fields.get("cause", ""), wrong_of(fields))
    sentry.report_dead(
        connector=connector.name,
        team=connector.owner.team,
        group=group,
        delivery=delivery,
        key=fields.get("key", ""),
        error=fields.get("error", ""),
        cause=fields.get("cause", ""),
        page=f"{process.settings.flower_url}/dead-letters/{connector.name}/{delivery}"
        if process.settings.flower_url
        else "",
    )
    exception = f"{fields.get('error', '')}({fields.get('message', '')!r})"
    _show_failure(connector, delivery, exception, f"{fields.get('cause', '')}: connector dead show {delivery}")


def tell_flower_of_hold(connector: Connector, gate: str, about: Mapping[str, str]) -> None:
    """Show that a connector is held for a cause as one failed task, however many deliveries wait for it."""
    exception = f"Held({about.get('message', '')!r})"
    hint = (
        f"{about.get('cause', '')}: connector status {connector.name}; connector resume {connector.name} --gate {gate}"
    )
    _show_failure(connector, f"{connector.name}:{gate}", exception, hint)


def _show_failure(connector: Connector, uuid: str, exception: str, traceback: str) -> None:
    try:
        with app.events.default_dispatcher(hostname="connector@dead-letters") as dispatcher:
            common = {"uuid": uuid, "name": connector.name}
            dispatcher.send("task-received", **common, args="()", kwargs="{}", retries=0, eta=None, expires=None)
            dispatcher.send("task-started", **common)
            dispatcher.send(
                "task-failed",
                **common,
                exception=exception[:500],
                traceback=traceback,
            )
    except (OperationalError, OSError) as error:
        log.warning("Flower was not told of %s: %s", uuid, error)


process, app = _application()


# --- tasks --------------------------------------------------------------------------------------------
@app.task(name="deliver")
def deliver(connector: str, token: str) -> None:
    """Look into a connector: run one turn."""
    wiring = process.wiring
    known = wiring.config.called(connector)
    if known is None:
        return
    if not wiring.threads.enter(known, token):
        log.debug("%s: its connections are slow and hold threads enough, the doorbell waits", connector)
        return
    number = threading.get_ident()
    _turns[number] = time.monotonic()
    try:
        with about(connector=known.name, config=process.source.current.hash):
            wiring.look_first()
            done = run_turn(wiring.desk(), connector, token)
            log.debug("turn: %s", done)
    except StoreError as error:
        # The slot expires and the scanner rings again: nothing is lost by giving up here.
        log.warning("the store does not answer, the turn is given up: %s", error)
    finally:
        _turns.pop(number, None)
        wiring.threads.leave(known)


@app.task(name="poll")
def poll_source(connector: str) -> None:
    """Poll a connector's source from its cursor."""
    wiring = process.wiring
    one = wiring.config.called(connector)
    if one is None:
        return
    if not wiring.threads.enter(one):
        log.info("%s: its source is slow and holds threads enough, it is polled another time", connector)
        return
    try:
        got = _polled(one)
    finally:
        wiring.threads.leave(one)
    if got.more:
        _send_poll([one])


def _polled(one: Connector) -> Polled:
    wiring, connector = process.wiring, one.name
    with about(connector=connector):
        got = poll(wiring.desk(), wiring.inbox(), one)
        log.info("polled %s: %d events, %d new", connector, got.events, got.accepted)
    return got


@app.task(name="tick")
def tick() -> None:
    """Send the polls that are due; a lost or doubled tick is harmless."""
    desk = process.wiring.desk()
    try:
        _send_poll([one for one in desk.config().connectors.values() if due(desk, one)])
    except (StoreError, OperationalError) as error:
        log.warning("no poll is sent, the next tick will: %s", error)


@app.task(name="alert")
def alert() -> None:
    """Tell owners what is new; a lost or doubled one is harmless."""
    desk = process.wiring.desk()
    alerter = Alerter(desk, pages=process.settings.flower_url, smtp=process.settings.smtp_url)
    try:
        for connector in desk.config().connectors.values():
            alerter.look(connector)
    except StoreError as error:
        log.warning("no owner is told, the next look will: %s", error)


@app.task(name="trim")
def trim() -> None:
    """Keep the retention."""
    desk = process.wiring.desk()
    try:
        for connector in desk.config().connectors.values():
            gone = desk.deliveries(connector).trim(desk.now_ms())
            forget_old(desk.deliveries(connector), desk.now_ms())
            if gone:
                log.warning("%s: %d dead letters past their retention are discarded", connector.name, gone)
    except StoreError as error:
        log.warning("nothing is trimmed, the next round will: %s", error)


def poll_now(connector: Connector) -> None:
    """Have a worker poll a connector's source as soon as one is free."""
    _send_poll([connector])


def _send_poll(connectors: Iterable[Connector]) -> None:
    for connector in connectors:
        app.send_task(
            "poll",
            args=(connector.name,),
            queue=queue_for(queue_name(connector.name)),  # type: ignore[arg-type]  # the stubs know names only
            expires=max(30.0, connector.poll_every.total_seconds()),
            retry=False,
        )


# --- the worker process -------------------------------------------------------------------------------
class Hands(bootsteps.StartStopStep):
    """Start what a worker runs beside Celery: scanner, quarantine, health answers, the watch over stuck turns."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **_options: Any) -> None:
        self.scanner: Scanner | None = None
        self.quarantine: Children | None = None
        self.health: Health | None = None
        self.follower: Follower | None = None
        super().__init__(parent)

    def start(self, parent: Any) -> None:
        """Begin scanning and answering."""
        wiring, settings = process.wiring, process.settings
        try:
            for weak in weaknesses(wiring.store):
                log.warning("the store is not safe: %s", weak)
        except StoreError as error:
            # It may be restarting just now: a worker that ended over it would only have to be started again.
            log.warning("the store does not answer, it cannot be judged: %s", error)
        process.serve_as("work")
        self.follower = Follower(parent)
        # Its own turn, one call, and what a stuck turn is given beside: a child that lives longer hangs.
        limit = SHIFT + settings.turn.total_seconds() + settings.call.total_seconds() + STUCK
        self.quarantine = wiring.desk().quarantine = Children(wiring.name, limit=limit, environment=os.environ)
        self.scanner = Scanner(
            wiring.desk(),
            wiring.inbox(),
            every=settings.scan.total_seconds(),
            follow=self.follower.round,
            died=end_this_process,
        )
        self.scanner.start()
        if settings.health_port:
            self.health = Health(
                alive={"turns": stuck},
                ready={"store": store_answers, "broker": broker_answers},
                host=settings.health_host,
                port=settings.health_port,
            ).start()

    def stop(self, parent: Any) -> None:
        """End them."""
        _stop_turns()
        farewell.failed(parent.exitcode)
        if self.scanner is not None:
            self.scanner.stop()
        if self.follower is not None:
            self.follower.stop()
        if self.health is not None:
            self.health.stop()
        if self.quarantine is not None:
            self.quarantine.close(patience=process.settings.call.total_seconds())
        process.close()


class Follower:
    """Once a round: take up a changed configuration, count calls, see how far the books are, end a stuck process."""

    def __init__(self, worker: Any) -> None:
        self._queues = Queues(app, lambda: worker.consumer, process.source.current, process.serving)
        self._recovery = Recovery(process.wiring.desk(), process.wiring.inbox())
        self._flushed = 0.0

    def round(self) -> None:
        """Do it."""
        if stuck():
            log.critical("a turn is stuck past every deadline; this process ends so that another takes over")
            os.kill(os.getpid(), signal.SIGKILL)
        self._queues.follow(process.source.follow())
        if time.monotonic() - self._flushed > 1.0:
            self._flushed = time.monotonic()
            process.wiring.epoch.keep()
            try:
                process.wiring.flush_calls()
                self._recovery.look()
            except StoreError:
                process.wiring.store_was_away()
                raise

    def stop(self) -> None:
        """Write down what is known, and begin nothing more."""
        process.wiring.epoch.keep()
        self._recovery.stop()


def end_this_process() -> None:
    """Stop, so that whoever supervises this process starts a healthy one."""
    log.critical("the scanner has died; this worker stops so that it is started again")
    os.kill(os.getpid(), signal.SIGTERM)


def stuck() -> str:
    """Return why this process should be ended, "" while all is well."""
    settings = process.settings
    limit = settings.turn.total_seconds() + settings.call.total_seconds() + STUCK
    oldest = min(_turns.values(), default=None)
    if oldest is not None and time.monotonic() - oldest > limit:
        return f"a turn runs for more than {limit:.0f} s"
    return ""


def store_answers() -> str:
    """Return why the store cannot be used, "" when it can."""
    try:
        process.wiring.store.ping()
    except (StoreError, OSError) as error:
        return f"the store does not answer: {type(error).__name__}"
    return ""


def broker_answers() -> str:
    """Return why the broker cannot be used, "" when it can."""
    try:
        with app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=2)
    except (OperationalError, OSError) as error:
        return f"the broker does not answer: {type(error).__name__}"
    return ""


app.steps["worker"].add(Hands)


@signals.worker_shutting_down.connect
def _stop_turns(**_: Any) -> None:
    """Let running turns end after their current write, those in quarantine too."""
    _stopping.set()
    farewell.begin()
    if process.attached and isinstance(children := process.wiring.desk().quarantine, Children):
        children.close()


def stop_at_signals() -> None:
    """End after the current write at SIGTERM or SIGINT: for a process that is no Celery worker."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stopping.set())


@signals.setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Log in our format, also where plain Celery starts this process; Celery's own set-up is left out."""
    if not logging.getLogger().handlers:
        start_logs(process.settings)


def start_logs(settings: Settings) -> None:
    """Log as the settings say."""
    # Every doorbell is a task: two lines each would bury everything else.
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.beat"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logs.start(settings.log_level.value, form=settings.log_format.value)
