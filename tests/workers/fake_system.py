"""Be a target in memory with a ledger of effects, markers, and faults that strike before or after applying.

It stands for any external system where what is tested is the engine: a test says what goes wrong, the
ledger says what really happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from marshmallow import Schema

from connector.errors import Ambiguous, ConnectorError, Rejected
from connector.event import Entity, Event, Kind
from connector.ports import Request, Response, Site
from connector.sandbox import Ledger
from connector.system import (
    Absent,
    Action,
    Change,
    Inbound,
    Received,
    Shaped,
    System,
    Target,
    Trust,
    Who,
    Written,
)

Failure = Callable[[], BaseException]


@dataclass
class Fault:
    """What goes wrong with a call: ``on`` is an action, or ``look_up``, ``shape``, ``complete``, ``find``.

    ``after`` lets the call take effect first.  ``times`` counts down; -1 is for ever.  ``only`` is a
    source entity or target key that it strikes, "" all.
    """

    on: str
    error: Failure
    after: bool = False
    times: int = 1
    only: str = ""


@dataclass
class Item:
    """One issue of the fake: fields, comments by native id, relations by URL."""

    entity: Entity
    fields: dict[str, Any] = field(default_factory=dict)
    comments: dict[str, Any] = field(default_factory=dict)
    relations: dict[str, Any] = field(default_factory=dict)


class Fake:
    """A system; ``later`` are fields that a create cannot carry.

    ``lag`` makes its look-up eventual: what was written becomes findable so much later.
    """

    def __init__(self, name: str, now: Callable[[], datetime], *, prefix: str = "WEB") -> None:
        self.name, self.now, self.prefix = name, now, prefix
        self.items: dict[str, Item] = {}
        self.ledger = Ledger()
        self.faults: list[Fault] = []
        self.later: frozenset[str] = frozenset({"Status"})
        self.starts: dict[str, Any] = {}
        """What a create leaves in fields that it cannot carry, by the way it says so."""
        self.lag = timedelta(0)
        self.has_look_up = True
        self.many = 1
        """How many it creates with one call; `sizes` are those of the calls that were made."""
        self.sizes: list[int] = []
        self.refuses: ConnectorError | None = None
        """What a probe of the credential raises."""
        self.probes = 0
        self.sources: dict[str, Event | None] = {}
        """What `complete` reads, by entity ref; a ref that is not here is read as it came."""
        self.before_call: Callable[[str], None] = lambda _what: None
        """Called before and after whatever the engine asks of the target."""
        self._marks: dict[str, tuple[datetime, Written]] = {}
        self.number = 0

    # --- what happens when -------------------------------------------------------------------------------
    def breaks(self, on: str, error: Failure, **more: Any) -> None:
        """Switch a fault on."""
        self.faults.append(Fault(on, error, **more))

    def _strike(self, on: str, about: str, *, after: bool) -> None:
        for fault in self.faults:
            hits = fault.on == on and fault.after == after and fault.times != 0
            if hits and fault.only in {"", about}:
                fault.times -= 1
                raise fault.error()

    def _call(self, on: str, about: str, run: Callable[[], Any]) -> Any:
        self.before_call(on)
        self._strike(on, about, after=False)
        got = run()
        self._strike(on, about, after=True)
        self.before_call(on)
        return got

    # --- a target -----------------------------------------------------------------------------------------
    def shape(self, _site: Site, _target: Any, wanted: Mapping[str, Any], entity: Entity | None) -> Shaped:
        def run() -> Shaped:
            if wrong := [name for name, value in wanted.items() if value == "impossible"]:
                raise Rejected("cannot be", fields=dict.fromkeys(wrong, "no such value"), status=400)
            return Shaped(dict(wanted), names={name: name for name in wanted}, later=self.later & wanted.keys())

        shaped: Shaped = self._call("shape", entity.key if entity else "", run)
        return shaped

    def text(self, _site: Site, _target: Any, text: Any) -> tuple[Any, tuple[str, ...]]:
        return text["content"], ()

    def read(self, _site: Site, _target: Any, entity: Entity) -> Mapping[str, Any] | None:
        item = self.items.get(entity.id)
        return None if item is None else {"fields": dict(item.fields), "data": {}}

    def write(self, site: Site, _target: Any, change: Change) -> Written:
        # By a request, as every system does: what is kept back there (in shadow mode) must not happen.
        written: list[Written] = []
        site.send(Request("POST", f"/{change.action}", json=(change, written)))
        return written[0]

    def answer(self, request: Request) -> Response:
        """Do what `write` asks for, and fail as it is told to."""
        change, written = request.json
        about = change.entity.key if change.entity else str(change.fields.get("Summary", ""))
        written.append(self._call(change.action.value, about, lambda: self._apply(change)))
        return Response(201)

    def create_many(self, site: Site, target: Any, changes: Sequence[Change]) -> list[Written | ConnectorError]:
        def one(change: Change) -> Written | ConnectorError:
            try:
                return self.write(site, target, change)
            except ConnectorError as error:
                return error

        self.sizes.append(len(changes))
        many: list[Written | ConnectorError] = self._call("create_many", "", lambda: [one(each) for each in changes])
        return many

    def look_up(self, _site: Site, _target: Any, change: Change, _since: datetime) -> Written | Absent:
        def run() -> Written | Absent:
            if not self.has_look_up:
                raise Ambiguous("nobody can tell whether it landed", cause="ambiguous")
            at, written = self._marks.get(str(change.marker), (None, None))
            if at is None or written is None or self.now() < at + self.lag:
                return Absent(settled_in=self.lag)
            return written

        found: Written | Absent = self._call("look_up", "", run)
        return found

    def _apply(self, change: Change) -> Written:
        match change.action:
            case Action.CREATE:
                self.number += 1
                entity = Entity(self.name, "issue", str(self.number), key=f"{self.prefix}-{self.number}")
                self.items[entity.id] = Item(entity, dict(change.fields))
                written = Written(entity, kept=_kept(change.fields), holds=self.starts)
                return self._note(change, written, "add issue")
            case Action.UPDATE:
                item = self._item(change)
                missing = {name: value for name, value in change.fields.items() if item.fields.get(name) != value}
                item.fields.update(missing)
                if missing:
                    self._note(change, None, "set", **missing)
                return Written(item.entity, kept=_kept(change.fields), fresh=bool(missing))
            case Action.COMMENT:
                item = self._item(change)
                self.number += 1
                item.comments[str(self.number)] = change.body
                return self._note(change, Written(item.entity, str(self.number)), "add comment", body=change.body)
            case Action.EDIT_COMMENT:
                item = self._item(change)
                if item.comments.get(change.remote) == change.body:
                    return Written(item.entity, change.remote, fresh=False)
                item.comments[change.remote] = change.body
                return self._note(change, Written(item.entity, change.remote), "set comment", body=change.body)
            case Action.DELETE_COMMENT:
                item = self._item(change)
                if item.comments.pop(change.remote, None) is None:
                    return Written(item.entity, change.remote, fresh=False)
                return self._note(change, Written(item.entity, change.remote), "delete comment")
            case Action.RELATE:
                item = self._item(change)
                url = str(change.relation["url"])
                if item.relations.get(url) == change.relation:
                    return Written(item.entity, fresh=False)
                item.relations[url] = dict(change.relation)
                return self._note(change, Written(item.entity), "set relation")

    def _item(self, change: Change) -> Item:
        if change.entity is None or change.entity.id not in self.items:
            raise Rejected("no such issue", status=404)
        return self.items[change.entity.id]

    def _note(self, change: Change, written: Written | None, action: str, **detail: Any) -> Written:
        written = written or Written(self._item(change).entity)
        self.ledger.add(self.now(), "bot", action, written.entity.key, str(change.marker), **detail)
        self._marks[str(change.marker)] = (self.now(), replace(written, fresh=False))
        return written

    # --- a source ------------------------------------------------------------------------------------------
    def complete(self, _site: Site, event: Event) -> Event | None:
        read: Event | None = self._call("complete", event.entity.ref, lambda: self.sources.get(event.entity.ref, event))
        return None if read is None else replace(read, id=event.id, kind=event.kind, partial=False)

    def find(self, _site: Site, _source: Any, text: str) -> Event:
        def run() -> Event:
            for item in self.items.values():
                if item.entity.key == text:
                    now = self.now()
                    return Event(id=text, kind=Kind.ISSUE_UPDATED, entity=item.entity, at=now, data={})  # type: ignore[arg-type]
            raise Rejected(f"there is no {text}", status=404, cause="404")

        found: Event = self._call("find", text, run)
        return found

    def probe(self, _site: Site) -> Who:
        self.probes += 1
        if self.refuses is not None:
            raise self.refuses
        return Who("1", "bot")

    def system(self, **more: Any) -> System:
        """Return the manifest."""
        return System(
            name=self.name,
            title=self.name.title(),
            kinds=frozenset(Kind),
            connection=Schema,
            source=Schema,
            target_schema=Schema,
            base_url=lambda _settings: "http://fake",
            authorize=lambda _settings, _reveal: {},
            refusal=_refusal,
            limits=lambda _settings: (),
            probe=self.probe,
            verify=lambda *_: Trust.SIGNED,
            receive=_receive,
            selects=lambda _source, _event: "",
            complete=self.complete,
            find=self.find,
            target=Target(
                self.shape,
                self.text,
                self.read,
                self.write,
                self.look_up,
                create_many=self.create_many if self.many > 1 else None,
                most=self.many,
            ),
            **more,
        )


def _kept(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a write leaves there, in vocabulary."""
    words = {"Summary": "title", "Status": "state", "title": "title", "state": "state"}
    return {words[name]: value for name, value in fields.items() if name in words}


def _refusal(_request: Request, _response: Response) -> ConnectorError | None:
    return None


def _receive(_connection: str, _settings: Any, _inbound: Inbound, _trust: Trust) -> Received:
    return Received()
