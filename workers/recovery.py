"""Bring a connector on its way again whose store was put back to an older copy, or lost its last moment.

The script that noticed has stopped all writing (``lua/epoch.lua``).  What it takes to go on: envelopes that were left
over come in, and so does everything that the source has had since a little before the loss; then doorbells ring again.
Nothing is doubled by it: letters accepted meanwhile are in doubt (`workers.doubt`), so what they would add is looked
for by its marker first, and what they would set is read again at its source.

Any worker may do it, as often as it likes; a claim with an expiry keeps them apart.  What cannot come back: an event of
a source that cannot be polled and does not repeat its webhook, and deletions, which polls do not see.
"""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from connector.config import Connector
from workers.desk import Desk
from workers.inbox import Inbox
from workers.poller import catch_up, owe
from workers.stores.deliveries import look_at_all
from workers.stores.views import Halt

log = logging.getLogger("connector.recovery")

CLAIM: Final = timedelta(seconds=10)
"""How long one process may be at it before another one tries: this, or two calls.

One that is killed meanwhile must not keep writing stopped for long; two at once only read twice."""

PATIENCE: Final = timedelta(minutes=10)
"""How long writing waits for a source that does not answer; later polls bring what it holds."""

LATE: Final = timedelta(hours=1)
"""How long after the loss webhooks of the time before may still come, where polls have brought the rest."""

RESTORED: Final = "restored"


def recover(desk: Desk, inbox: Inbox, connector: Connector) -> bool:
    """Do what it takes; returns whether the connector goes on now.  Raises only what the store raises."""
    books = desk.deliveries(connector)
    halt = books.halt()
    if halt is None or halt.why != RESTORED or not books.claim_recovery(_ms(max(CLAIM, 2 * desk.call))):
        return False
    try:
        return _recover(desk, inbox, connector, halt)
    finally:
        books.give_recovery_back()


def _recover(desk: Desk, inbox: Inbox, connector: Connector, halt: Halt) -> bool:
    books, since = desk.deliveries(connector), _time(halt.since)
    # Loudly once, however often it takes until the source can be asked.
    log.log(
        logging.ERROR if _is_news(connector.uid, halt.at) else logging.DEBUG,
        "%s: THE STORE WENT BACK IN TIME: what was written since %s may be forgotten; writing stops until it is known",
        connector.name,
        since.isoformat(),
    )
    repeated = inbox.readmit(connector.source.connection, older=timedelta(0))
    owe(books, since)
    got = catch_up(desk, inbox, connector)
    if got.problem and desk.now() < _time(halt.at) + PATIENCE:
        log.warning("%s: its source cannot be asked yet: %s", connector.name, got.problem)
        return False
    system = desk.system_of(desk.config(), connector.source.connection)
    late = LATE if system.poll is not None and not got.problem else max(LATE, system.redelivers)
    row = {
        "at": desk.now().isoformat(),
        "action": "restored",
        "connector": connector.name,
        "actor": "worker",
        "since": since.isoformat(),
        "noticed": _time(halt.at).isoformat(),
        "envelopes": repeated,
        "events": got.events,
        "accepted": got.accepted,
        "problem": got.problem,
    }
    done, bells = books.recovered(halt, desk.now_ms() + _ms(late), json.dumps(row))
    if not done:
        return False
    desk.record(row)
    desk.ring(connector, bells)
    log.error(
        "%s: writing goes on: %d events of the lost time came in again, %d of them were missing%s",
        connector.name,
        got.events,
        got.accepted,
        f"; its source could not be asked: {got.problem}" if got.problem else "",
    )
    return True


_said: Final[set[tuple[str, int]]] = set()
"""Losses that this process has told of: connector and when it was noticed."""


def _is_news(uid: str, at: int) -> bool:
    if (uid, at) in _said:
        return False
    _said.add((uid, at))
    return True


class Recovery:
    """Watches over the books beside the scanner, which must go on meanwhile; recovers a few connectors at a time."""

    def __init__(self, desk: Desk, inbox: Inbox, *, again: float = 2.0, threads: int = 4) -> None:
        """``again``: seconds until a connector that could not go on is tried again."""
        self._desk, self._inbox, self._again = desk, inbox, again
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="recovery")
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def look(self) -> None:
        """See how far all books have come, and begin with those that are halted; raises what the store raises."""
        connectors = list(self._desk.config().connectors.values())
        books = {one.uid: self._desk.deliveries(one) for one in connectors}
        if not books:
            return
        client = next(iter(books.values())).client
        halted = {one.uid for one in look_at_all(client, list(books.values()))}
        for connector in connectors:
            if connector.uid in halted and self._is_free(connector):
                self._pool.submit(recover, self._desk, self._inbox, connector).add_done_callback(
                    partial(self._ended, connector)
                )

    def stop(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _is_free(self, connector: Connector) -> bool:
        with self._lock:
            if self._next.get(connector.uid, 0.0) > self._desk.ticks():
                return False
            self._next[connector.uid] = float("inf")
            return True

    def _ended(self, connector: Connector, done: Future[bool]) -> None:
        with self._lock:
            self._next[connector.uid] = self._desk.ticks() + self._again
        if not done.cancelled() and (error := done.exception()) is not None:
            # A store that went away, or a bug of ours: either way it is tried again.
            log.error("%s: its recovery ended with %s: %s", connector.name, type(error).__name__, error, exc_info=error)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
