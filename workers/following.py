"""Serve the queues of the connectors that a changed configuration brings, and leave those of the ones that went.

Celery's own remote control would send a message through the broker for it, which may be away just then; here
the consumer's thread is asked directly, and what it cannot do now the next connection to the broker does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kombu.exceptions import OperationalError

from connector.config import Config
from workers.doorbell import queue_for, queue_name

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger("connector.following")


@dataclass(frozen=True, slots=True)
class Serving:
    """Which connectors a worker serves: those of these names and those of these teams; all where neither is given.

    A name goes on to mean a connector that is renamed; a team means whoever belongs to it at the time.
    """

    names: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()

    @property
    def some(self) -> bool:
        """Whether it is not all of them."""
        return bool(self.names or self.teams)

    def of(self, config: Config) -> set[str]:
        """Return the names of the connectors that are served."""
        return {
            name
            for name, one in config.connectors.items()
            if not self.some or self.names & {name, *one.formerly} or one.owner.team in self.teams
        }


class Queues:
    """The queues that a worker consumes; `follow` may be called from any thread.

    ``consumer`` returns Celery's consumer of the worker.  One that plain Celery started for some queues only (``-Q``)
    stays with those.
    """

    def __init__(self, app: Celery, consumer: Callable[[], Any], known: Config, serving: Serving | None = None) -> None:
        self._app, self._consumer, self._known = app, consumer, known
        self._serving = serving or Serving()
        served = app.amqp.queues.consume_from
        self._fixed = not all(queue_name(name) in served for name in self._serving.of(known))

    def follow(self, current: Config) -> None:
        """Take up a configuration if it is another than before."""
        if current is self._known:
            return
        before, now = self._serving.of(self._known), self._serving.of(current)
        self._known = current
        # A doorbell may just be in the queue of a former name, and those that ring may still know only that.
        former = {name for one in now for name in current.connectors[one].formerly}
        added, gone = sorted(now - before), sorted(before - now - former)
        if not self._fixed and (added or gone):
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
