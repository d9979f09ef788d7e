"""See to what landed after everybody had looked for it: have it looked at again, count it, tell it.

A worker that stood still between announcing a request and sending it cannot know, when it goes on, that another has
taken over, waited for the request to arrive, found nothing and sent its own.  The fence refuses everything that it
writes down afterwards; the one request may have landed all the same.  A network that holds a request for longer than
every deadline does the same to a worker that never stood still.  A value that was set so may stand over a newer one:
the source is read and the target set once more.  A thing that was added may stand twice: nothing can be undone safely
from here, so a person is told which.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson

from connector.config import Connector
from connector.event import Event, Kind
from connector.link import Marker
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
    """See to the changes that ``turn``, which had lost its lease, sent on behalf of ``event``.

    What nobody has announced since is left to whoever comes next: that finds the intent and looks.
    """
    others = [change for change in sent if store.effect(change.effect).get("turn") != turn]
    set_ = sorted({name for change in others if change.action is Action.UPDATE for name in change.fields})
    if set_:
        store.landed_late(event.entity.ref, set_)
    for change in others:
        if change.action in ADDS:
            target = change.entity.key if change.entity else connector.target.connection
            _tell(
                desk, connector, store, change.marker, f"the {change.action.value} for {event.entity.key} at {target}"
            )
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


def notice_twin(desk: Desk, connector: Connector, store: Deliveries, event: Event) -> None:
    """Notice that what came back is not what the books of ``connector`` say it made: it stands twice.

    ``connector`` is the half of a ring whose target is the source of ``event``.
    """
    mark = Marker.find(event.marker) if event.marker else None
    if mark is None or event.kind not in {Kind.ISSUE_CREATED, Kind.COMMENT_CREATED}:
        return
    made = store.effect(mark.effect)
    if made.get("state") != "done":
        return
    if event.kind is Kind.COMMENT_CREATED:
        mine, known, what = event.sub, made.get("remote", ""), f"the comment {event.sub} on {event.entity.key}"
    else:
        mine, known, what = event.entity.id, _made_as(made), f"the issue {event.entity.key}"
    if known not in {"", mine}:
        _tell(desk, connector, store, mark, what)


def _made_as(record: Mapping[str, str]) -> str:
    """Return the native id of the entity that an effect left."""
    return str(orjson.loads(record["entity"])[2]) if record.get("entity") else ""


def _tell(desk: Desk, connector: Connector, store: Deliveries, mark: Marker, what: str) -> None:
    if not store.landed_late("", (), effects=(mark.effect,)):
        return  # told already
    row = {"action": "late", "what": what, "connector": connector.name, "effect": mark.effect, "actor": "worker"}
    desk.record(row)
    message = "%s: %s may stand twice: it landed after it had been looked for and sent again; both carry the mark %s"
    log.error(message, connector.name, what, mark)
