"""Set a whole office up on one fake server: configuration, desk, inbox, a bell wire and a clock moved by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from redis import Redis

from connector.config import Comments, Config, Connection, Connector, End
from connector.event import Entity, Event, Kind, event_id
from connector.mapping import Rule
from connector.ports import Site
from tests.workers.fake_system import Fake
from tests.workers.stores.books import Ticker
from workers.delivery import Turn, run_turn
from workers.desk import Desk
from workers.inbox import Inbox
from workers.quarantine import work_off
from workers.scanner import scan
from workers.stores.connections import Connections
from workers.stores.deliveries import Deliveries, Pace
from workers.stores.envelopes import Envelopes
from workers.stores.keys import connection_tag
from workers.stores.marks import Marks
from workers.stores.records import Bell
from workers.tools import tools

MAPPING = (Rule("Summary", path="title"), Rule("Status", path="state"))
BACK = (Rule("title", path="title"), Rule("state", path="state"))


def bugs(**more: Any) -> Connector:
    """Declare the connector that most tests use: GitHub-like to Jira-like, state and comments."""
    wanted: dict[str, Any] = {
        "mapping": MAPPING,
        "comments": Comments(copied=True, deletes=True, text="{{ comment.body }}"),
        **more,
    }
    name = wanted.pop("name", "bugs")
    return Connector(name, wanted.pop("uid", name), End("git", _project("")), End("jira", _project("WEB")), **wanted)


def back(**more: Any) -> Connector:
    """Declare the other half of the ring."""
    return Connector("back", "back", End("jira", _project("")), End("git", _project("")), mapping=BACK, **more)


def _project(project: str) -> Any:
    return SimpleNamespace(project=project)


def event(
    number: int,
    kind: Kind = Kind.ISSUE_UPDATED,
    *,
    issue: int | str = 1,
    connection: str = "git",
    sub: str = "",
    at: datetime | None = None,
    what: str = "issue",
    change: Mapping[str, Any] | None = None,
    marker: str = "",
    partial: bool = False,
    **data: Any,
) -> Event:
    """Make an event; ``number`` is its version."""
    entity = Entity(connection, what, str(issue), key=f"acme/web#{issue}", url=f"https://git/{what}/{issue}")
    moved = {name: {"from": None, "to": value} for name, value in (change or {}).items()}
    return Event(
        id=event_id(entity, kind, sub=sub, version=str(number)),
        kind=kind,
        entity=entity,
        at=at or datetime(2027, 1, 15, 8, 0, tzinfo=UTC),
        data={**data, **(change or {})},
        sub=sub,
        change=moved,
        marker=marker,
        partial=partial,
    )


def comment(number: int, body: str, kind: Kind = Kind.COMMENT_CREATED, *, sub: str = "c1", **more: Any) -> Event:
    """Make an event of a comment of the issue."""
    said = {"id": sub, "body": body, "author": {"name": "Ann"}, "visibility": more.pop("visibility", "public")}
    return event(number, kind, sub=sub, comment=said, **{"title": "Broken", **more})


CREATED = event(1, Kind.ISSUE_CREATED, title="Broken", state="open")
NEW = ["add issue WEB-1", "set WEB-1", "set relation WEB-1"]
"""What a new issue makes happen: created, moved to its status, related to its source."""


class Ward:
    """A quarantine that an office works off by itself, in this process."""

    def __init__(self) -> None:
        self.wanted = 0
        self.dead: list[str] = []

    def able(self) -> bool:
        return not self.wanted

    def start(self) -> None:
        self.wanted += 1

    def died(self) -> tuple[str, ...]:
        return tuple(self.dead)

    def reported(self, names: Sequence[str], /) -> None:
        self.dead = [one for one in self.dead if one not in names]


class Office:
    """One process of workers over a store, with everything around it faked."""

    def __init__(self, client: Redis, *connectors: Connector, pace: Pace | None = None) -> None:
        self.client = client
        self.clock = Ticker()
        self.jira = Fake("jira", self.now)
        self.git = Fake("git", self.now, prefix="acme/web#")
        self.git.later = frozenset()
        self.pace = pace or Pace(ring=20_000, slot=15_000, scan=0, crashes=5)
        self.marks = Marks()
        self.bells: list[tuple[str, str]] = []
        self.audit: list[Mapping[str, Any]] = []
        self.alerts: list[tuple[str, Mapping[str, str]]] = []
        self.holds: list[tuple[str, Mapping[str, str]]] = []
        self.declare(*(connectors or (bugs(),)))
        self.systems = {"jira": self.jira.system(), "git": self.git.system()}
        self.desk = Desk(
            config=lambda: self.config,
            systems=self.systems,
            tools=tools(),
            deliveries=self.books,
            connections=Connections(client, clock=self.clock),
            site=self.site,
            ring=self.ring,
            record=self.audit.append,
            now=self.now,
            ticks=lambda: self.clock() / 1000,
            jitter=lambda: 0.5,
            buried=lambda _connector, delivery, fields: self.alerts.append((delivery, fields)),
            held=lambda _connector, gate, about: self.holds.append((gate, about)),
        )
        self.ward = Ward()
        self.desk.quarantine = self.ward
        self.inbox = Inbox(
            config=lambda: self.config,
            systems=self.systems,
            tools=tools(),
            deliveries=self.books,
            envelopes=Envelopes(client),
            ring=self.ring,
        )

    # --- what it is made of --------------------------------------------------------------------------------
    def declare(self, *connectors: Connector) -> None:
        """Put a configuration in force."""
        connections = {name: Connection(name, name, _project("")) for name in ("git", "jira")}
        self.config = Config("test", connections, {one.name: one for one in connectors}, hash="h1")

    def change(self, name: str = "bugs", **more: Any) -> None:
        """Change a connector's declaration."""
        self.declare(*(replace(one, **more) if one.name == name else one for one in self.config.connectors.values()))

    def books(self, connector: Connector) -> Deliveries:
        """Open the books of a connector, as one process does."""
        return Deliveries(
            self.client,
            connector.uid,
            concurrency=connector.concurrency,
            pace=self.pace,
            clock=self.clock,
            blocks=connector.on_dead == "block",
            marks=self.marks,
        )

    def site(self, connection: str, _until: float) -> Site:
        fake = self.jira if connection == "jira" else self.git
        return Site(connection, None, fake.answer, self.now, instance="test")

    def ring(self, connector: Connector, bells: Sequence[Bell]) -> None:
        self.bells += [(connector.name, bell.token) for bell in bells]

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock() / 1000, UTC)

    @property
    def store(self) -> Deliveries:
        """The books of the first connector."""
        return self.books(next(iter(self.config.connectors.values())))

    # --- what happens ----------------------------------------------------------------------------------------
    def accept(self, *events: Event, revive: bool = False) -> list[str]:
        """Let events in; returns what the first connector did with them."""
        got = self.inbox.accept(events, revive=revive)
        first = next(iter(self.config.connectors))
        return list(got[first].outcomes) if first in got else []

    def work(self) -> list[Turn]:
        """Answer bells until none rings, and try suspects where a scan has asked for it."""
        turns: list[Turn] = []
        for _ in range(500):
            if self.ward.wanted:
                self.ward.wanted = 0
                turns.append(work_off(self.desk))
            if not self.bells:
                return turns
            name, token = self.bells.pop(0)
            turns.append(run_turn(self.desk, name, token))
        raise AssertionError("the bells never stop")

    def work_once(self) -> Turn:
        """Answer one bell."""
        name, token = self.bells.pop(0)
        return run_turn(self.desk, name, token)

    def later(self, seconds: float) -> list[Turn]:
        """Let time pass, scan, and work."""
        self.clock.move(int(seconds * 1000))
        for name in self.config.connections:
            # Its life is counted by the server's clock, which nobody can move.
            self.client.delete(f"{connection_tag(name)}probe")
        scan(self.desk)
        return self.work()

    def settle_down(self, *, hours: int = 40) -> None:
        """Let time pass until nothing is in flight."""
        for _ in range(hours * 2):
            if not any(self.books(one).counts()["in_flight"] for one in self.config.connectors.values()):
                return
            self.later(1800)

    # --- what can be seen --------------------------------------------------------------------------------------
    def did(self, fake: Fake | None = None) -> list[str]:
        """What really happened to the target, in order: ``add issue WEB-1``."""
        return [f"{one.action} {one.entity}" for one in (fake or self.jira).ledger.effects]

    def outcome(self, number: int = 0) -> tuple[str, str]:
        """Return the newest (or an earlier) settled delivery's outcome and reason."""
        row = self.store.settled()[number]
        return row["outcome"], row["reason"]

    def keys(self) -> set[str]:
        """Return the names of the kinds of key there are: ``links``, ``mail``."""
        keys: Any = self.client.keys("*")
        return {key.decode().split("}:")[1].split(":")[0] for key in keys}

    def check_accounts(self) -> None:
        """The accounting identity, for every connector."""
        for connector in self.config.connectors.values():
            counts = self.books(connector).counts()
            assert counts["accepted"] == sum(value for name, value in counts.items() if name != "accepted"), counts
            assert min(counts.values()) >= 0, counts
