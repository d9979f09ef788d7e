"""Serve the queues of the connectors that a changed configuration brings, and leave those of the ones that went.

Celery's own remote control would send a message through the broker for it, which may be away just then; here
the consumer's thread is asked directly, and what it cannot do now the next connection to the broker does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from kombu.exceptions import OperationalError

from connector.config import Config
from workers.doorbell import queue_for, queue_name

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger("connector.following")


class Queues:
    """The queues that a worker consumes; `follow` may be called from any thread.

    ``consumer`` returns Celery's consumer of the worker.  A worker that was started for some connectors
    only (``--connectors``, ``-Q``) stays with those.
    """

    def __init__(self, app: Celery, consumer: Callable[[], Any], known: Config) -> None:
        self._app, self._consumer, self._known = app, consumer, known
        served = app.amqp.queues.consume_from
        self._all = all(queue_name(name) in served for name in known.connectors)

    def follow(self, current: Config) -> None:
        """Take up a configuration if it is another than before."""
        if current is self._known:
            return
        before, now = self._known.connectors.keys(), current.connectors.keys()
        self._known = current
        # A doorbell may just be in the queue of a former name, and those that ring may still know only that.
        former = {name for one in current.connectors.values() for name in one.formerly}
        added, gone = sorted(now - before), sorted(before - now - former)
        if self._all and (added or gone):
            consumer = self._consumer()
            consumer.call_soon(self._take_up, consumer, added, gone)

    def _take_up(self, consumer: Any, added: Iterable[str], gone: Iterable[str]) -> None:
        # What the next connection to the broker consumes, whatever becomes of this one.
        for name in added:
            self._app.amqp.queues.select_add(queue_for(queue_name(name)))
        self._app.amqp.queues.deselect([queue_name(name) for name in gone])
        if consumer.task_consumer is None:
            return
        try:
            for name in added:
                consumer.add_task_queue(queue_name(name))
            for name in gone:
                consumer.cancel_task_queue(queue_name(name))
        except (*consumer.connection_errors, OperationalError, OSError) as error:
            log.warning("the broker is away, its next connection serves what is new: %s", error)
