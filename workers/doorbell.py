"""Ring: publish the Celery messages that say *look into connector X*, in batches, from one thread.

A doorbell carries no data.  Losing, doubling or delaying one changes nothing but time: the slot that was
reserved for it expires, and a scanner rings again.  So nothing here is retried, and nobody waits for it.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kombu import Exchange, Queue
from kombu.exceptions import OperationalError

from connector.config import Connector
from workers.stores.records import Bell

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger("connector.doorbell")

MOST: Final = 100
LONGEST: Final = 10_000
"""Bells waiting to be published; beyond that they are dropped, which is safe."""


def queue_name(connector: str) -> str:
    """Return the Celery queue of a connector."""
    return f"connector.{connector}"


def queue_for(name: str) -> Queue:
    """Return a queue that is published to directly: no binding that could be missing loses a message.

    Messages are sent to this rather than to its name, which Celery knows only of the connectors that there
    were when the process started.
    """
    return Queue(name, exchange=Exchange(""), routing_key=name)


class Doorbell:
    """The thread that publishes; one a process."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._waiting: queue.SimpleQueue[tuple[str, Bell] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def ring(self, connector: Connector, bells: Sequence[Bell]) -> None:
        """Publish bells soon; never blocks, never raises."""
        if not bells:
            return
        if self._thread is None or not self._thread.is_alive():
            self._start()
        if self._waiting.qsize() < LONGEST:
            for bell in bells:
                self._waiting.put((connector.name, bell))

    def close(self) -> None:
        """Publish what waits and end."""
        if self._thread is not None and self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join(timeout=5)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        over = False
        while not over:
            batch = [self._waiting.get()]
            while len(batch) < MOST:
                try:
                    batch.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            over = None in batch
            try:
                self._publish([one for one in batch if one is not None])
            except (OperationalError, OSError) as error:
                log.warning("%d doorbells were not rung (they will be again): %s", len(batch), error)

    def _publish(self, batch: list[tuple[str, Bell]]) -> None:
        with self._app.producer_or_acquire() as producer:
            for name, bell in batch:
                self._app.send_task(
                    "deliver",
                    args=(name, bell.token),
                    queue=queue_for(queue_name(name)),  # type: ignore[arg-type]  # the stubs know names only
                    expires=max(1.0, bell.life / 1000),
                    producer=producer,
                    retry=False,
                    declare=[],  # on Redis a queue is its list: there is nothing to declare, and it costs 7 %
                    argsrepr=f"({name!r}, {bell.token!r})",
                    kwargsrepr="{}",
                )
