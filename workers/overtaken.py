"""See to what a turn sent although it had lost its lease: have it looked at again, count it, tell it.

A worker that stood still between announcing a request and sending it cannot know, when it goes on, that another has
taken over, waited for the request to arrive, found nothing and sent its own.  The fence refuses everything that it
writes down afterwards; the one request may have landed all the same.  A value that it set may stand over a newer one:
the source is read and the target set once more.  A thing that it added may stand twice: nothing can be undone safely
from here, so a person is told which.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from connector.config import Connector
from connector.event import Event
from connector.system import Action, Change
from workers.desk import Desk
from workers.inbox import delivery_id
from workers.stores.deliveries import Deliveries, Fresh
from workers.stores.records import pack_event
from workers.writing import ADDS

log = logging.getLogger("connector.delivery")


def look_again(
    desk: Desk, connector: Connector, store: Deliveries, *, turn: str, event: Event, sent: Sequence[Change]
) -> None:
    """See to the changes that ``turn`` sent on behalf of ``event`` and could not settle.

    What nobody has announced since is left to whoever comes next: that finds the intent and looks.
    """
    others = [change for change in sent if store.effect(change.effect).get("turn") != turn]
    set_ = sorted({name for change in others if change.action is Action.UPDATE for name in change.fields})
    added = [change for change in others if change.action in ADDS]
    if not others:
        return
    for change in added:
        target = change.entity.key if change.entity else connector.target.connection
        row = {"action": "late", "what": change.action.value, "entity": event.entity.key, "target": target}
        desk.record({**row, "connector": connector.name, "effect": change.effect, "actor": "worker"})
        log.error(
            "%s: a %s for %s may stand twice at %s (mark %s): the worker that sent it had stood still for longer than "
            "its lease, and another had sent it meanwhile",
            connector.name,
            change.action.value,
            event.entity.key,
            target,
            change.marker,
        )
    store.doubt(event.entity.ref, set_, late=len(added))
    if set_ and event.kind.is_state:
        again = Fresh(
            # The event keeps its id: what it has already said as a message is not said again.
            id=delivery_id(connector.uid, f"{event.id}/{turn}"),
            event=event.id,
            entity=event.entity.ref,
            kind=event.kind.value,
            key=event.entity.key,
            body=pack_event(replace(event, partial=True)),
        )
        desk.ring(connector, store.accept([again]).bells)
