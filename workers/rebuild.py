"""Make the books of a connector anew from what the systems hold, after the store has lost everything.

Everything that we create carries a marker with its effect key, a hash of the connector and the *source* entity.  So
links come back in two readings: the target is read for what carries markers of ours (`Target.recall`), then the source
for its items; the item whose effect key is among the markers is the other end.  Meanwhile the connector writes nothing.

Afterwards what the source has had since the loss is read again, and what comes in is in doubt (`workers.doubt`): what
is not known from the readings is looked for before it is added.  Where a target cannot be read at all, that stays so
for ever: whatever is about an item of the time before becomes a dead letter `ambiguous`, for a person.

Interrupted, it goes on where it was; run again, it finds nothing missing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from connector.config import Connector
from connector.errors import Ambiguous, ConnectorError
from connector.event import Entity, Event
from connector.link import Link, Marker, effect_key
from connector.planning import UNFINISHED, filtered
from connector.ports import Site
from connector.system import Action, Page, RecalledPage
from workers.desk import Desk
from workers.forgotten import FOUND
from workers.inbox import Inbox
from workers.outcome import WAITS, outcome_of
from workers.poller import catch_up, owe
from workers.recovery import LATE
from workers.stores.records import pack_link

log = logging.getLogger("connector.rebuild")

T = TypeVar("T")

EVER: Final = "1970-01-01T00:00:00+00:00"
FOR_EVER: Final = 9_000_000_000_000_000
SPARE: Final = timedelta(minutes=10)
"""How much earlier than the last sign of life the loss is taken to be."""

Told = Callable[[str, int], None]
"""Hears what is being done, and to how many things it has been done."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What rebuilding a connector will find hard, learnt before anything is written.

    ``why`` the target cannot be read for what we made, "" where it can; ``affected`` are the keys of the source items
    whose copies nobody can find then.  ``blind``: the source cannot be read back, so no link can be made.
    """

    connector: str
    why: str = ""
    affected: tuple[str, ...] = ()
    blind: bool = False


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found: things of ours in the target, links made or known, and how many of these were missing.

    ``read_again`` are the events that the source has had since the loss, ``missing`` those that had to come in;
    ``problem`` says why not all of them could be read (polls go on with it).
    """

    connector: str
    recalled: int = 0
    links: int = 0
    fresh: int = 0
    read_again: int = 0
    missing: int = 0
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as a document."""
        return asdict(self)


@dataclass(slots=True)
class Rebuilding:
    """The rebuilding of one connector.

    ``told`` hears of progress; ``paused`` waits so many seconds where a system limits us.  With ``dry`` nothing is
    written anywhere; what is found is kept in memory.
    """

    desk: Desk
    inbox: Inbox
    connector: Connector
    told: Told
    paused: Callable[[float], None]
    dry: bool = False
    _found: dict[str, str] = field(default_factory=dict)

    # --- before anything is written ------------------------------------------------------------------------
    def outlook(self) -> Outlook:
        """Find out what cannot be rebuilt; reads only."""
        blind = self._source.backfill is None
        why = self._unreadable()
        if not why:
            return Outlook(self.connector.name, blind=blind)
        affected: dict[str, str] = {}
        for page in self._history({}):
            for event in page.events:
                if event.kind.is_state and not filtered(self.connector, event, self.desk.tools):
                    affected[event.entity.ref] = event.entity.key
            self.told("items that may have copies", len(affected))
        return Outlook(self.connector.name, why, tuple(affected.values()), blind)

    def _unreadable(self) -> str:
        target = self.desk.system_of(self.desk.config(), self.connector.target.connection)
        if not self.connector.creates or not self.connector.mapping or target.target is None:
            return ""  # it makes nothing that could be doubled
        if target.target.recall is None:
            return f"{target.title} has no way to list what we made"
        try:
            self._patiently(lambda: self._recall_page({}))
        except Ambiguous as error:
            return str(error)
        return ""

    # --- the work --------------------------------------------------------------------------------------------
    def run(self, lost: datetime, *, unreadable: bool, actor: str) -> Rebuilt:
        """Do it all; raises a `ConnectorError` where a system refuses, and may then be run again."""
        books = self.desk.deliveries(self.connector)
        row = {"action": "rebuild", "connector": self.connector.name, "actor": actor, "lost": lost.isoformat()}
        halt = None if self.dry else books.halt_for_rebuild(json.dumps({"at": self.desk.now().isoformat(), **row}))
        got = Rebuilt(self.connector.name)
        if self._makes and not unreadable:
            got = self._relink(replace(got, recalled=self._recall()))
        if halt is None:
            return got
        owe(books, lost)
        read = catch_up(self.desk, self.inbox, self.connector)
        got = replace(got, read_again=read.events, missing=read.accepted, problem=read.problem)
        until = FOR_EVER if unreadable else self.desk.now_ms() + int(LATE.total_seconds() * 1000)
        story = {"at": self.desk.now().isoformat(), **row, "action": "rebuilt", **got.as_json()}
        done, bells = books.rebuilt(halt, int(lost.timestamp() * 1000), until, json.dumps(story))
        if not done:
            return replace(got, problem="the store went back in time once more meanwhile; run it again")
        self.desk.record(story)
        self.desk.ring(self.connector, bells)
        log.warning("%s: rebuilt: %s", self.connector.name, got)
        return got

    @property
    def _makes(self) -> bool:
        target = self.desk.system_of(self.desk.config(), self.connector.target.connection).target
        can = target is not None and target.recall is not None
        return can and self.connector.creates and bool(self.connector.mapping) and self._source.backfill is not None

    @property
    def _source(self) -> Any:
        return self.desk.system_of(self.desk.config(), self.connector.source.connection)

    # --- the target: what carries our marks ----------------------------------------------------------------
    def _recall(self) -> int:
        books, cursor = self.desk.deliveries(self.connector), {} if self.dry else self._kept("recall")
        count = int(cursor.get("count", 0))
        while not cursor.get("done"):
            page = self._patiently(lambda at=cursor: self._recall_page(at.get("at", {})))  # type: ignore[misc]  # mypy: a default in a lambda
            things = dict(self._ours(page))
            count += len(things)
            cursor = {"at": page.cursor, "count": count, "done": not page.more}
            if self.dry:
                self._found |= things
            else:
                books.keep_recalled(things, cursor)
            self.told("things of ours in the target", count)
        return count

    def _recall_page(self, cursor: Mapping[str, Any]) -> RecalledPage:
        target = self.desk.system_of(self.desk.config(), self.connector.target.connection).target
        if target is None or target.recall is None:
            return RecalledPage((), {})
        return target.recall(self._site(self.connector.target.connection), self.connector.target.settings, cursor)

    def _ours(self, page: RecalledPage) -> Iterator[tuple[str, str]]:
        for thing in page.things:
            mark = Marker.find(thing.marker)
            here = self.connector.source.connection
            if mark is not None and (mark.instance, mark.origin) == (self.desk.config().instance, here):
                entity = thing.entity
                parts = (entity.connection, entity.type, entity.id, entity.key, entity.url, entity.scope)
                yield mark.effect, json.dumps(parts)

    # --- the source: whose effect it was ---------------------------------------------------------------------
    def _relink(self, got: Rebuilt) -> Rebuilt:
        books, cursor = self.desk.deliveries(self.connector), {} if self.dry else self._kept("retrace")
        links, fresh = int(cursor.get("links", 0)), int(cursor.get("fresh", 0))
        if cursor.get("done"):
            return replace(got, links=links, fresh=fresh)
        for page in self._history(cursor.get("at", {})):
            made = list(self._pairs(page.events))
            links += len(made)
            cursor = {"at": page.cursor, "links": links, "fresh": fresh, "done": not page.more}
            if self.dry:
                fresh += sum(1 for link in made if books.link(link.source) is None)
            else:
                fresh += books.relink([(one.source, one.target, pack_link(one)) for one in made], cursor)
            self.told("links", links)
        return replace(got, links=links, fresh=fresh)

    def _pairs(self, events: Iterable[Event]) -> Iterator[Link]:
        uid = self.connector.uid
        # A comment speaks of an item that is listed by itself.
        items = {one.entity.ref: one.entity for one in events if not one.kind.value.startswith("comment.")}
        effects = {str(effect_key(uid, ref, Action.CREATE.value)): entity for ref, entity in items.items()}
        known = (
            {effect: self._found[effect] for effect in effects if effect in self._found}
            if self.dry
            else self.desk.deliveries(self.connector).recalled(list(effects))
        )
        for effect, text in known.items():
            # What it holds is not known: its first event makes it complete.
            yield Link.between(effects[effect], Entity(*json.loads(text)), extra={FOUND: True, UNFINISHED: True})

    def _history(self, cursor: Mapping[str, Any]) -> Iterator[Page]:
        read = self._source.backfill
        while read is not None:
            page: Page = self._patiently(
                lambda at=cursor: read(  # type: ignore[misc]  # mypy: a default in a lambda
                    self._site(self.connector.source.connection),
                    self.connector.source.settings,
                    {"since": EVER},
                    at,
                )
            )
            yield page
            cursor = page.cursor
            if not page.more:
                return

    # --- pieces ------------------------------------------------------------------------------------------------
    def _kept(self, what: str) -> dict[str, Any]:
        return self.desk.deliveries(self.connector).cursor(what)

    def _site(self, connection: str) -> Site:
        return self.desk.site(connection, self.desk.ticks() + 2 * self.desk.call.total_seconds())

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask again where a limit wants us to wait: a rebuild of any size ends."""
        while True:
            try:
                return ask()
            except Ambiguous:
                raise
            except ConnectorError as error:
                outcome = outcome_of(error)
                if outcome.step not in WAITS:
                    raise
                self.paused(outcome.wait.total_seconds())


def lost_since(desk: Desk, connector: Connector, last_seen: int) -> datetime:
    """Return from when on things may be missing: the last sign of life that anybody remembers, or a day ago."""
    halt = desk.deliveries(connector).halt()
    known = last_seen or (halt.since if halt is not None else 0)
    at = datetime.fromtimestamp(known / 1000, UTC) if known else desk.now() - timedelta(days=1)
    return at - SPARE
