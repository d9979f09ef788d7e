"""Name what the hand-written programs and those who send to them must agree on."""

from __future__ import annotations

from typing import Final

from celery import Celery
from kombu import Exchange, Queue

from workers.celery_settings import SETTINGS

TASK: Final = "post"
QUEUE: Final = "by-hand"
PLAIN: Final = "by-hand.plain"
"""The queue of the worker whose task calls plain ``requests.post``."""
UNREAD: Final = "by-hand.unread"
"""Where the hand-written receiver puts its tasks; nobody works on them."""


def application(name: str, broker_url: str, queue: str) -> Celery:
    """Return a Celery application with the product's own settings and one queue."""
    app = Celery(name, broker=broker_url)
    app.conf.update(SETTINGS)
    app.conf.update(task_queues=[Queue(queue, exchange=Exchange(""), routing_key=queue)], task_default_queue=queue)
    return app
