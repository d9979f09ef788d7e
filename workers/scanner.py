"""Put right, a few times a second and from every worker, what time and crashes leave behind."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from connector.config import Connector
from workers.desk import Desk
from workers.inbox import Inbox
from workers.outage import Outage
from workers.stores.deliveries import Deliveries, Signs, scan_all
from workers.stores.keys import DAY_MS
from workers.stores.orders import step
from workers.stores.scripts import StoreError
from workers.stores.usage import begin_day

log = logging.getLogger("connector.scanner")


class Scanner:
    """A thread that frees subjects of dead turns, wakes those whose wait is over, and rings.

    It is idempotent and several may run: the script itself keeps them apart.  It has a thread of its
    own rather than a timer of the Celery consumer, because it must go on while the broker is away.
    """

    def __init__(
        self,
        desk: Desk,
        inbox: Inbox,
        *,
        every: float,
        follow: Callable[[], None],
        died: Callable[[], None] = lambda: None,
    ) -> None:
        """``every`` is in seconds; ``follow`` is called each round to take up a changed configuration.

        ``died`` is called when a bug ends the thread: a worker without a scanner must not go on unnoticed.
        """
        self._desk, self._inbox = desk, inbox
        self._every, self._follow, self._died = every, follow, died
        self._outage = Outage(log, "the store does not answer", "the store answers again")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scanner", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End within one round."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            self._scan_for_ever()
        finally:
            if not self._stop.is_set():
                self._died()

    def _scan_for_ever(self) -> None:
        rounds = 0
        while not self._stop.wait(self._every * (0.8 + 0.4 * self._desk.jitter())):
            rounds += 1
            try:
                self._follow()
                scan(self._desk)
                carry_on(self._desk)
                note_days(self._desk)
                if rounds % 40 == 0:
                    for connection in self._desk.config().connections:
                        self._inbox.readmit(connection)
            except StoreError as error:
                self._outage.failed(error)
            else:
                self._outage.over()


def scan(desk: Desk) -> int:
    """Scan every connector once; returns how many subjects were freed or woken."""
    connectors = list(desk.config().connectors.values())
    books = [desk.deliveries(connector) for connector in connectors]
    if not books:
        return 0
    died = desk.quarantine.died() if desk.quarantine is not None else ()
    able = desk.quarantine is not None and desk.quarantine.able()
    signs = [Signs(desk.turns.running(one.uid), died, able) for one in books]
    moved, isolate = 0, False
    for connector, store, got in zip(connectors, books, scan_all(books[0].client, books, signs), strict=True):
        moved += got.freed + got.due
        isolate |= got.isolate
        if got.freed:
            log.warning(
                "%s: %d subjects of a dead turn are free again; what it worked on is tried alone next",
                connector.name,
                got.freed,
            )
        if got.bells:
            desk.ring(connector, got.bells)
        _end_lost_turns(desk, connector, store)
        _tell_of_the_dead(desk, connector, store, got.buried)
    if desk.quarantine is not None:
        desk.quarantine.reported(died)
        if isolate:
            desk.quarantine.start()
    return moved


def carry_on(desk: Desk) -> int:
    """Carry on with every open order to replay; returns how many letters came back."""
    connectors = list(desk.config().connectors.values())
    books = [desk.deliveries(connector) for connector in connectors]
    moved = 0
    for connector, (back, bells) in zip(connectors, step(books[0].client, books) if books else (), strict=True):
        moved += back
        if bells:
            desk.ring(connector, bells)
    return moved


def note_days(desk: Desk) -> None:
    """Have every connector's books know when a day (UTC) begins; asks the store once a day for each."""
    today = desk.now_ms() // DAY_MS
    for connector in desk.config().connectors.values():
        if desk.days.get(connector.uid, -1) < today:
            desk.days[connector.uid] = begin_day(desk.deliveries(connector))


def _end_lost_turns(desk: Desk, connector: Connector, store: Deliveries) -> None:
    """End the turns of this process that lost the store on their way: it answers again."""
    for turn in desk.turns.unended(store.uid):
        bell = store.end(turn)
        desk.turns.end(store.uid, turn)
        if bell:
            desk.ring(connector, [bell])


def _tell_of_the_dead(desk: Desk, connector: Connector, store: Deliveries, ids: Sequence[str]) -> None:
    for delivery in ids:
        letter = store.letter(delivery)
        fields = letter.fields if letter is not None else {}
        log.error("%s: delivery %s is dead: %s", connector.name, delivery, fields.get("message", ""))
        desk.buried(connector, delivery, fields)
