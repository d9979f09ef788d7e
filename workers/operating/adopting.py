"""Tie two items that were there before: both are read, compared and checked, and then they are a pair."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

import orjson

from connector.config import Config, Connector, End
from connector.errors import Rejected
from connector.event import Event, event_id
from connector.link import Link, Marker, effect_key
from connector.mapping import Policy
from connector.planning import INITIAL, UNFINISHED
from connector.routing import kept_out
from connector.system import Action
from workers.desk import Desk
from workers.inbox import Inbox
from workers.operating.acting import Actor, row_of
from workers.operating.pairs import PATIENCE, also_tied, patiently
from workers.preview import Difference, preview
from workers.sides import asked_of


@dataclass(frozen=True, slots=True)
class Adoption:
    """Two items that may become a pair.

    ``differs`` are the fields in which they differ, as the source's values would stand in the target (``then``) and as
    they stand there (``now``); of a field that only flows back the other way round.  ``initial`` says what a two-way
    connector does about them; None for any other.  ``notes`` are for the person who asked.
    """

    connector: Connector
    here: Event
    there: Event
    differs: tuple[Difference, ...] = ()
    initial: Policy | None = None
    notes: tuple[str, ...] = ()

    @property
    def link(self) -> Link:
        """The pair it becomes: what both sides held when they agreed is not known."""
        more = {INITIAL: self.initial.value} if self.initial is not None else {}
        return Link.between(self.here.entity, self.there.entity, extra={UNFINISHED: True, **more})

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "connector": self.connector.name,
            "source": {"item": self.here.entity.key, "url": self.here.entity.url, "ref": self.here.entity.ref},
            "target": {"item": self.there.entity.key, "url": self.there.entity.url, "ref": self.there.entity.ref},
            "differs": [
                {"name": one.name, "field": one.field, "now": one.now, "then": one.then} for one in self.differs
            ],
            "initial": self.initial.value if self.initial is not None else None,
            "notes": list(self.notes),
        }


def look(desk: Desk, connector: Connector, here: str, there: str, *, initial: Policy | None = None) -> Adoption:
    """Read both items, by key or URL, and compare them; nothing is written.

    Raises `Rejected` where they cannot be a pair of this connector, or a `ConnectorError` of either system.
    """
    if initial is not None and connector.back is None:
        raise Rejected(
            f"{connector.name} flows one way: its source's values hold, there is no initial", cause="one_way"
        )
    config = desk.config()
    source, target = connector.source, connector.target
    one = _read(desk, source.connection, source.settings, here)
    other = _read(desk, target.connection, connector.back.source.settings if connector.back else None, there)
    _check(desk, connector, one, other)
    policy = (initial or connector.initial) if connector.back is not None else None
    found = Adoption(connector, one, other, initial=policy, notes=tuple(_notes(config, connector, one, other)))
    # As if the source's values held: so everything that differs would be written.
    pretended = replace(found, initial=Policy.FROM if policy is not None else None).link
    shown = preview(desk, connector, one, books=desk.deliveries(connector), link=pretended)
    differs = tuple(
        field
        for step in shown.steps
        if step.action == Action.UPDATE
        for field in step.fields
        if field.now != field.then
    )
    return replace(found, differs=differs)


def adopt(desk: Desk, inbox: Inbox, adoption: Adoption, by: Actor, *, patience: float = PATIENCE) -> None:
    """Make the pair; of a two-way connector a worker brings both sides to agree next.

    Raises `Rejected` where either was linked meanwhile, `Retryable` where a worker holds one for too long.
    """
    connector, link = adoption.connector, adoption.link
    books = desk.deliveries(connector)
    row = row_of(
        desk,
        "link",
        connector,
        by,
        entity=link.source_key or link.source,
        target=link.key or link.target,
        fields=sorted({one.name for one in adoption.differs}),
        **({"initial": adoption.initial.value} if adoption.initial is not None else {}),
    )
    packed = orjson.dumps(row).decode()
    if patiently(lambda: books.adopt(link, packed), patience=patience) == "linked":
        raise Rejected(f"{link.source_key} or {link.key} was linked meanwhile", cause="linked")
    desk.record(row)
    if connector.back is not None:
        asked = asked_of(adoption.here.entity, desk.now())
        again = replace(asked, id=event_id(asked.entity, asked.kind, version=f"linked-{secrets.token_hex(8)}"))
        inbox.accept_for(connector, [again], lane="backfill")


def _read(desk: Desk, connection: str, settings: Any, name: str) -> Event:
    site = desk.site(connection, desk.ticks() + desk.call.total_seconds())
    return desk.system_of(desk.config(), connection).find(site, settings, name)


def _check(desk: Desk, connector: Connector, here: Event, there: Event) -> None:
    config, books = desk.config(), desk.deliveries(connector)
    ends = [(connector.source, here), (connector.target, there)]
    for end, event in ends:
        if event.entity.type == "pull_request":
            raise Rejected(f"{event.entity.key} is a pull request, which is in no pair", cause="pull_request")
        _check_end(desk, config, connector, end, event)
    selecting = [(connector.source, here), *([(connector.back.source, there)] if connector.back else [])]
    for end, event in selecting:
        if why := desk.system_of(config, end.connection).selects(end.settings, event):
            raise Rejected(f"{event.entity.key} is not selected by {connector.name}: {why}", cause="not_selected")
    if connector.back is None:
        _check_place(desk, config, connector, there)
    for link in (books.link(here.entity.ref), books.link_back(there.entity.ref)):
        if link is not None:
            names = f"{link.source_key or link.source} and {link.key or link.target}"
            raise Rejected(f"{names} are a pair of {connector.name} already", cause="linked")
    if others := also_tied(desk, connector, Link.between(here.entity, there.entity)):
        raise Rejected(f"one of them is linked already, by {', '.join(others)}", cause="linked")


def _check_end(desk: Desk, config: Config, connector: Connector, end: End, event: Event) -> None:
    if why := kept_out(config, connector, desk.system_of(config, end.connection), end, event.entity.scope):
        raise Rejected(f"{event.entity.key}: {why}", cause="team")
    mark = Marker.find(event.marker) if event.marker else None
    if mark is not None and mark.instance != config.instance:
        text = f"{event.entity.key} was made by the instance {mark.instance!r}; this one is {config.instance!r}"
        raise Rejected(text, cause="foreign_marker")


def _check_place(desk: Desk, config: Config, connector: Connector, there: Event) -> None:
    """Refuse a target elsewhere than ``to:`` says, as far as its system tells where an item is."""
    end = connector.target
    places, scope = desk.system_of(config, end.connection).places, there.entity.scope
    wanted = places.target(end.settings) if places is not None else ()
    if places is None or not scope or not wanted or not all(places.told(one) for one in wanted):
        return
    if scope not in wanted:
        text = f"{there.entity.key} is in {scope}; {connector.name} writes to {', '.join(wanted)}"
        raise Rejected(text, cause="not_selected")


def _notes(config: Config, connector: Connector, here: Event, there: Event) -> list[str]:
    found = []
    mark = Marker.find(there.marker) if there.marker else None
    own = effect_key(connector.uid, here.entity.ref, Action.CREATE.value)
    if mark is not None and mark.instance == config.instance and mark.effect != own:
        found.append(f"{there.entity.key} carries our mark as the copy of another item")
    return found
