"""Show what a connector would write for an event, through the same code as a delivery up to the last call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from connector.config import Connector, Mode
from connector.errors import ConnectorError, RateLimited, Rejected, Unauthorized
from connector.event import Entity, Event
from connector.link import Link
from connector.ports import Request
from workers.attempt import Attempt
from workers.behalf import on_behalf_of
from workers.calls import Calls
from workers.desk import Desk
from workers.logs import HIDDEN, is_sensitive, redact
from workers.rehearsal import Would
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
    """One write that would happen.

    ``requests`` would be sent for it, in order, up to the first whose answer the rest depends on; none are known
    where the step is about something that is not there yet.
    """

    action: str
    target: str
    fields: tuple[Difference, ...] = ()
    text: Any = None
    requests: tuple[Request, ...] = ()

    def as_json(self, *, requests: bool = False) -> dict[str, Any]:
        """Return it for scripts; ``requests`` with their bodies, credentials hidden."""
        fields = [{"name": one.name, "field": one.field, "now": one.now, "then": one.then} for one in self.fields]
        return {
            "action": self.action,
            "target": self.target,
            "fields": fields,
            **({"text": self.text} if self.text is not None else {}),
            **({"requests": [request_as_json(one) for one in self.requests]} if requests else {}),
        }


def request_as_json(request: Request) -> dict[str, Any]:
    """Show a request as it would leave, without its credentials: those are added by the transport."""
    body = request.json if request.json is not None or request.body is None else f"{len(request.body)} bytes"
    return {
        "method": request.method,
        "path": request.path,
        **({"query": hidden(dict(request.query))} if request.query else {}),
        **({"body": hidden(body)} if body is not None else {}),
    }


def hidden(value: Any) -> Any:
    """Return a value without what may be a credential, by its name or by its looks."""
    match value:
        case str():
            return redact(value)
        case Mapping():
            return {
                name: HIDDEN if is_sensitive(str(name)) and inner else hidden(inner) for name, inner in value.items()
            }
        case list() | tuple():
            return [hidden(one) for one in value]
        case _:
            return value


@dataclass(frozen=True, slots=True)
class Preview:
    """Everything that would happen for one event, or why nothing would."""

    event: Event
    steps: tuple[Step, ...] = ()
    skipped: str = ""
    absent: Mapping[str, str] | None = None
    losses: tuple[str, ...] = ()

    def as_json(self, *, requests: bool = False) -> dict[str, Any]:
        """Return it for scripts; with the ``requests`` that would be sent where they are wanted."""
        entity = self.event.entity.key
        return {
            "event": {"id": self.event.id, "kind": self.event.kind.value, "entity": entity},
            "steps": [step.as_json(requests=requests) for step in self.steps],
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

    def tombstone(self, _entity: str) -> str:
        return ""


class _Pretending:
    """Stands for books that know one link more."""

    def __init__(self, books: Deliveries, link: Link) -> None:
        self._books, self._link = books, link

    def __getattr__(self, name: str) -> Any:
        return getattr(self._books, name)

    def link(self, entity: str) -> Link | None:
        return self._link if entity == self._link.source else self._books.link(entity)

    def link_back(self, target: str) -> Link | None:
        return self._link if target == self._link.target else self._books.link_back(target)

    def tombstone(self, _entity: str) -> str:
        return ""


def preview(
    desk: Desk, connector: Connector, event: Event, *, books: Deliveries | None, link: Link | None = None
) -> Preview:
    """Plan and shape an event for a connector and compare with the target as it is now; sends no write.

    With ``link`` as if that were in the books.  Raises the `ConnectorError` that a delivery would end in.
    """
    # Of a two-way connector the face that looks at where the event comes from, as in a delivery.
    dry = replace(connector.facing(event.entity.connection), mode=Mode.SHADOW)
    store = books if books is not None else cast("Deliveries", _NoBooks())
    if books is not None and link is not None:
        store = cast("Deliveries", _Pretending(books, link))
        plain = desk.deliveries
        desk = replace(desk, deliveries=lambda one: store if one.uid == connector.uid else plain(one))
    known = store.link(event.entity.ref)
    letter = Letter("preview", event.id, event.entity.ref, event.kind.value, "live", event.entity.key, 0, 0, 0, "")
    if stone := store.tombstone(event.entity.ref):
        letter = replace(letter, fields={"unlinked": stone})
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
        # As in a delivery: what has been read is not read again, and limits are shared with the deliveries.
        post=Calls(desk.site),
    )
    with on_behalf_of(connector.uid, weight=connector.weight):
        result = attempt.deliver()
        steps = tuple(_step(attempt, one) for one in attempt.would)
    losses = list(attempt.plan.losses)
    for would in attempt.would:
        for one in (*(would.shaped.losses if would.shaped else ()), *would.losses):
            losses += [one] if one not in losses else []
    return Preview(
        event=attempt.event,
        steps=steps,
        skipped="" if steps else result.reason,
        absent=attempt.plan.absent,
        losses=tuple(losses),
    )


@dataclass(frozen=True, slots=True)
class Tried:
    """One of several items: what would be written for it, or the error that its delivery would end in."""

    event: Event
    preview: Preview | None = None
    error: ConnectorError | None = None

    def verdict(self) -> tuple[str, str]:
        """Say in a word and a few more what would become of it: ``create``, ``update``, ``skip``, ``fail``..."""
        if self.preview is None:
            return "fail", f"{type(self.error).__name__}: {self.error}"
        if not self.preview.steps:
            return "skip", self.preview.skipped
        first = self.preview.steps[0]
        if first.action in {"create", "update"}:
            # What a create cannot carry is an update of its own; for people it is one item with all of its fields.
            names = dict.fromkeys(one.name for step in self.preview.steps for one in step.fields)
            return first.action, f"{first.target}: {', '.join(names)}" if first.target else ", ".join(names)
        return first.action, ", ".join(f"{step.action} {step.target}".strip() for step in self.preview.steps)

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        word, told = self.verdict()
        if self.preview is not None:
            return {"verdict": word, **self.preview.as_json()}
        event = {"id": self.event.id, "kind": self.event.kind.value, "entity": self.event.entity.key}
        return {"verdict": word, "event": event, "error": told}


def newest(desk: Desk, connector: Connector, most: int) -> Sequence[Event]:
    """Read the items of a connector's source that changed last, the newest first; raises a `ConnectorError`."""
    name = connector.source.connection
    system = desk.system_of(desk.config(), name)
    if system.newest is None:
        raise Rejected(f"{system.title} cannot be asked for its newest items; name one", cause="no_newest")
    return system.newest(desk.site(name, desk.ticks() + desk.call.total_seconds()), connector.source.settings, most)


def each(desk: Desk, connector: Connector, events: Sequence[Event], *, books: Deliveries | None) -> Iterator[Tried]:
    """Preview several events, each by itself: one that would fail does not keep the others from being shown.

    Raises `Unauthorized` and `RateLimited`, which would be the answer to all of them.
    """
    for event in events:
        try:
            yield Tried(event, preview(desk, connector, event, books=books))
        except (Unauthorized, RateLimited):
            raise
        except ConnectorError as error:
            yield Tried(event, error=error)


def find(desk: Desk, connector: Connector, text: str) -> Event:
    """Return the newest state event of an item that a person named; of a two-way connector on either side.

    Raises the `ConnectorError` of the source where it is found nowhere.
    """
    config, wrong = desk.config(), list[ConnectorError]()
    for face in [connector, connector.back] if connector.back is not None else [connector]:
        name = face.source.connection
        site = desk.site(name, desk.ticks() + desk.call.total_seconds())
        try:
            return desk.system_of(config, name).find(site, face.source.settings, text)
        except ConnectorError as error:
            wrong.append(error)
    raise wrong[0]


def _read(attempt: Attempt, entity: Entity) -> Mapping[str, Any] | None:
    """Read what would be written to, which for a two-way connector may be either side."""
    back = attempt.whole.back
    if back is None or entity.connection == attempt.connector.target.connection:
        return attempt.target.read(attempt.there, attempt.settings, entity)
    end = back.target if entity.connection == back.target.connection else attempt.whole.target
    target = attempt.desk.system_of(attempt.config, end.connection).target
    return target.read(attempt.post(end.connection, attempt.until), end.settings, entity) if target else None


def _step(attempt: Attempt, would: Would) -> Step:
    change, shaped = would.change, would.shaped
    now: Mapping[str, Any] = {}
    if change.entity is not None and change.fields:
        try:
            read = _read(attempt, change.entity)
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
        requests=would.requests,
    )
