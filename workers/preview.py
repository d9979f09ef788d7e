"""Show what a connector would write for an event, through the same code as a delivery up to the last call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from connector.config import Connector, Mode
from connector.errors import ConnectorError
from connector.event import Event
from connector.link import Link
from connector.system import Change, Shaped
from workers.attempt import Attempt
from workers.desk import Desk
from workers.stores.deliveries import Deliveries
from workers.stores.records import Box, Letter, Settlement


@dataclass(frozen=True, slots=True)
class Difference:
    """One field: the name the user wrote, what the target holds now (None: nothing, or unknown), what it would hold."""

    name: str
    field: str
    now: Any
    then: Any


@dataclass(frozen=True, slots=True)
class Step:
    """One write that would happen."""

    action: str
    target: str
    fields: tuple[Difference, ...] = ()
    text: Any = None


@dataclass(frozen=True, slots=True)
class Preview:
    """Everything that would happen for one event, or why nothing would."""

    event: Event
    steps: tuple[Step, ...] = ()
    skipped: str = ""
    absent: Mapping[str, str] | None = None
    losses: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "event": {"id": self.event.id, "kind": self.event.kind.value, "entity": self.event.entity.key},
            "steps": [
                {
                    "action": step.action,
                    "target": step.target,
                    "fields": [
                        {"name": one.name, "field": one.field, "now": one.now, "then": one.then} for one in step.fields
                    ],
                    **({"text": step.text} if step.text is not None else {}),
                }
                for step in self.steps
            ],
            "skipped": self.skipped,
            "absent": dict(self.absent or {}),
            "losses": list(self.losses),
        }


class _NoBooks:
    """Stands for the store where none runs: nothing is linked, nothing was ever written."""

    def link(self, _entity: str) -> Link | None:
        return None

    def link_back(self, _target: str) -> Link | None:
        return None

    def effect(self, _key: str) -> dict[str, str]:
        return {}


def preview(desk: Desk, connector: Connector, event: Event, *, books: Deliveries | None) -> Preview:
    """Plan and shape an event for a connector and compare with the target as it is now; sends no write.

    Raises the `ConnectorError` that a delivery would end in.
    """
    dry = replace(connector, mode=Mode.SHADOW)
    store = books if books is not None else cast("Deliveries", _NoBooks())
    known = store.link(event.entity.ref)
    letter = Letter("preview", event.id, event.entity.ref, event.kind.value, "live", event.entity.key, 0, 0, 0, "")
    attempt = Attempt(
        desk=desk if books is not None else replace(desk, deliveries=lambda _connector: store),
        config=desk.config(),
        connector=dry,
        store=store,
        turn="",
        box=Box(event.entity.ref, "live", {event.entity.ref: known} if known else {}, (letter,)),
        letter=letter,
        event=event,
        book=Settlement(),
    )
    result = attempt.deliver()
    steps = tuple(_step(attempt, change, shaped) for change, shaped in attempt.would)
    losses = list(attempt.plan.losses)
    for _, shaped in attempt.would:
        losses += [one for one in (shaped.losses if shaped else ()) if one not in losses]
    return Preview(
        event=attempt.event,
        steps=steps,
        skipped="" if steps else result.reason,
        absent=attempt.plan.absent,
        losses=tuple(losses),
    )


def _step(attempt: Attempt, change: Change, shaped: Shaped | None) -> Step:
    now: Mapping[str, Any] = {}
    if change.entity is not None and change.fields:
        try:
            read = attempt.target.read(attempt.there, attempt.settings, change.entity)
        except ConnectorError:
            read = None
        now = (read or {}).get("fields", {})
    names = shaped.names if shaped else {}
    return Step(
        action=change.action.value,
        target=change.entity.key if change.entity else "",
        fields=tuple(
            Difference(names.get(name, name), name, now.get(name), value) for name, value in change.fields.items()
        ),
        text=change.body if change.body is not None else (dict(change.relation) if change.action == "relate" else None),
    )
