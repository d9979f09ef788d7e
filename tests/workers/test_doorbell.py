"""Doorbells reach the connector's own queue, whenever the connector was declared, and ringing never fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from celery import Celery

from tests.workers.office import bugs
from workers.celery_settings import SETTINGS
from workers.doorbell import LONGEST, Doorbell, queue_for, queue_name
from workers.stores.records import Bell


def until(what: Callable[[], object], seconds: float = 10) -> None:
    limit = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < limit
        threading.Event().wait(0.01)


def application(broker: str = "memory://") -> Celery:
    app = Celery("test", broker=broker, set_as_current=False)
    app.conf.update(SETTINGS)
    if broker == "memory://":
        app.conf.broker_transport_options = {}
    app.conf.task_queues = [queue_for(queue_name("there-from-the-start"))]
    return app


def rung(app: Celery, name: str) -> list[Any]:
    """Take what lies in a connector's queue."""
    found = []
    with app.connection_for_read() as connection:
        simple = connection.SimpleQueue(queue_for(queue_name(name)))  # type: ignore[arg-type]  # the stubs know names only
        while len(simple):
            message = simple.get(block=False)
            message.ack()
            found.append(message)
        simple.close()
    return found


def test_a_bell_names_its_connector_and_its_token_and_nothing_else() -> None:
    app = application()
    bell = Doorbell(app)
    bell.ring(bugs(name="there-from-the-start"), [Bell("token-1", 5000)])
    bell.close()
    (message,) = rung(app, "there-from-the-start")
    args, kwargs, _ = message.payload
    assert (args, kwargs) == (["there-from-the-start", "token-1"], {})
    assert message.headers["task"] == "deliver"
    assert message.headers["expires"]


def test_a_connector_that_was_declared_later_is_rung_for_too() -> None:
    app = application()
    bell = Doorbell(app)
    bell.ring(bugs(name="came-later"), [Bell("a", 5000), Bell("b", 5000)])
    bell.ring(bugs(name="there-from-the-start"), [Bell("c", 5000)])
    bell.close()
    assert [message.payload[0][1] for message in rung(app, "came-later")] == ["a", "b"]
    assert [message.payload[0][1] for message in rung(app, "there-from-the-start")] == ["c"]


def test_ringing_neither_waits_nor_fails_where_the_broker_is_gone() -> None:
    bell = Doorbell(application("redis://127.0.0.1:1/0"))
    began = time.monotonic()
    for number in range(LONGEST + 500):
        bell.ring(bugs(), [Bell(str(number), 5000)])
    assert time.monotonic() - began < 5
    assert bell._waiting.qsize() <= LONGEST


def test_no_bells_start_no_thread() -> None:
    bell = Doorbell(application())
    bell.ring(bugs(), [])
    assert bell._thread is None
    bell.close()


def test_bells_after_a_close_are_rung_as_well() -> None:
    app = application()
    bell = Doorbell(app)
    bell.ring(bugs(name="again"), [Bell("a", 5000)])
    bell.close()
    bell.ring(bugs(name="again"), [Bell("b", 5000)])
    bell.close()
    assert [message.payload[0][1] for message in rung(app, "again")] == ["a", "b"]
