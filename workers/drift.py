"""Examine every connector once a day, so that a field that was renamed is known before deliveries fail of it.

A Celery task beside the poller: ``watch`` looks every minute which connectors are due, ``examine`` holds one
against its target.  What is found is kept in the books, from where `workers.operating.causes` tells the owner, once
when a problem appears and once when it is over.  A lost or doubled task is harmless.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from celery import current_app, shared_task
from kombu.exceptions import OperationalError

from workers.doorbell import queue_for, queue_name
from workers.examination import SOON, due, look
from workers.logs import about
from workers.process import this_process
from workers.stores.examinations import put_off_examination
from workers.stores.scripts import StoreError

log = logging.getLogger("connector.drift")

MOST: Final = 20
"""Examinations begun in one round, so that a thousand connectors do not all ask at once after a start."""

ROUND: Final = 60.0
"""Seconds between two looks at what is due."""


def schedule(queue: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the entry of Celery's schedule."""
    return {"watch": {"task": "watch", "schedule": ROUND, "options": {"queue": queue, "expires": 3 * ROUND}}}


# --- tasks ---------------------------------------------------------------------------------------------------
@shared_task(name="watch")
def watch() -> None:
    """Send the examinations that are due; a lost or doubled one is harmless."""
    process = this_process()
    desk, sent = process.wiring.desk(), 0
    try:
        for connector in desk.config().connectors.values():
            if sent < MOST and due(desk, connector, process.settings.examine):
                sent += 1
                current_app.send_task(
                    "examine",
                    args=(connector.name,),
                    queue=queue_for(queue_name(connector.name)),  # type: ignore[arg-type]  # the stubs know names only
                    expires=3600.0,
                    retry=False,
                )
    except (StoreError, OperationalError) as error:
        log.warning("nothing is examined, the next round will: %s", error)


@shared_task(name="examine")
def examine_target(connector: str) -> None:
    """Hold one connector against its target."""
    wiring = this_process().wiring
    one = wiring.config.connectors.get(connector)
    if one is None:
        return
    if not wiring.threads.enter(one):
        put_off_examination(wiring.books(one), SOON)
        return
    try:
        with about(connector=connector):
            look(wiring.desk(), one)
    except StoreError as error:
        log.warning("the store does not answer, %s is examined another time: %s", connector, error)
    finally:
        wiring.threads.leave(one)
