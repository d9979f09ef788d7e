"""Look after webhooks by the clock: what somebody changed is repaired, what expires is renewed, at most daily.

A Celery task that every worker has; see `workers.operating.webhooks.look_after`.  Nothing is done where no public URL
is set.  A lost or doubled task is harmless.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from celery import shared_task

from workers.operating.webhooks import look_after
from workers.process import this_process
from workers.stores.scripts import StoreError

log = logging.getLogger("connector.webhooks")

ROUND: Final = 300.0
"""Seconds between two looks at whether anybody has looked within a day: a changed configuration waits no longer."""


def schedule(queue: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the entry of Celery's schedule."""
    return {"webhooks": {"task": "webhooks", "schedule": ROUND, "options": {"queue": queue, "expires": ROUND}}}


@shared_task(name="webhooks")
def webhooks() -> None:
    """Bring the webhooks to what they should be; a lost or doubled one is harmless."""
    process = this_process()
    try:
        look_after(process.wiring.desk(), process.reveal, process.settings.public_url)
    except StoreError as error:
        log.warning("no webhook is looked after, the next look will: %s", error)
