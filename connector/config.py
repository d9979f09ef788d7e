"""Hold what users declare: connections, connectors, mappings, from one declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from connector.event import Kind
from connector.mapping import Policy, Rule
from connector.schedule import Cron, Span, Window


class Mode(StrEnum):
    """What a connector does with its events; shadow is everything but the last call."""

    PAUSED = "paused"
    SHADOW = "shadow"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Http:
    """How a connection is called over the network (``http:`` in YAML)."""

    proxy: str = ""
    ca_file: str = ""
    connect: timedelta = timedelta(seconds=5)
    read: timedelta = timedelta(seconds=20)
    total: timedelta = timedelta(seconds=30)
    private_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Connection:
    """One configured site or account; ``settings`` is what the system's own schema loaded.

    In ``maintenance`` it is not called: what needs it waits.

    ``teams``: who may use it (anybody where it is empty), and which projects, repositories or channels of it: patterns
    (``acme/pay-*``), all where there are none.
    """

    name: str
    system: str
    settings: Any
    http: Http = field(default_factory=Http)
    teams: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    maintenance: tuple[Window | Span, ...] = ()

    def lets(self, team: str, place: str) -> bool:
        """Tell whether a team may touch a project, repository or channel here; case does not matter."""
        if team not in self.teams:
            return not self.teams
        patterns = self.teams[team]
        return not patterns or any(fnmatchcase(place.casefold(), one.casefold()) for one in patterns)


@dataclass(frozen=True, slots=True)
class End:
    """One end of a connector: a connection and the system's own ``from:`` or ``to:`` settings."""

    connection: str
    settings: Any


@dataclass(frozen=True, slots=True)
class When:
    """Which events a connector wants.

    ``events`` empty means all that its system emits; ``labels`` any of them; ``changed`` at least one
    of these vocabulary keys (asked of updates only); ``condition`` JMESPath over the event's view;
    ``jql`` is asked of Jira at planning.
    """

    events: frozenset[Kind] = frozenset()
    labels: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    condition: str = ""
    jql: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message appended to the target for each matching event (a Slack reply, a Jira comment)."""

    on: frozenset[Kind]
    text: str
    changed: frozenset[str] = frozenset()
    when: str = ""
    digest: timedelta | None = None
    """For how long it waits for more of the same entity, to go with them as one message."""


class Audience(StrEnum):
    """Who may read a comment; a copy never goes to a wider audience than its source."""

    PUBLIC = "public"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Comments:
    """Whether and how comments are copied.  ``text`` is a Jinja template of Markdown."""

    copied: bool = False
    audience: Audience = Audience.PUBLIC
    edits: bool = True
    deletes: bool = False
    text: str = ""
    both: bool = False
    """Whether those of the target are copied to the source too."""


@dataclass(frozen=True, slots=True)
class References:
    """What a pull request does to the issues whose keys it names in ``fields``.

    ``status`` maps ``created``, ``merged``, ``closed`` to the status wanted.
    """

    fields: tuple[str, ...] = ("title", "branch", "body")
    pattern: str = r"[A-Z][A-Z0-9_]{1,20}-[0-9]{1,9}"
    status: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who answers for a connector."""

    team: str = ""
    alert: str = ""


@dataclass(frozen=True, slots=True)
class Brake:
    """How many creations may be made ``within`` a time of the first one, until a person confirms."""

    creations: int = 50
    within: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Connector:
    """A declared link from one connection to another.

    ``uid`` is stable: the first name it ever had.  ``formerly`` are all names it had (``renamed_from``).
    ``weight`` is its share of a connection's limits, against those of the other connectors that need them.
    It polls every ``poll_every`` (0: never), or at the moments of ``poll_at``; in ``quiet`` windows its events wait.
    ``brake`` is None where there is none; a connector that is declared has one unless it says ``off``.

    A two-way connector has a ``back``: itself as it is seen from the target, with source and target changed over and
    its rules turned round (see `connector.facing`).  ``returns`` are the rules of fields that only flow back, as
    they read forward.  ``policy`` decides conflicts, ``initial`` what holds where it is not known that both sides were
    ever equal.  ``turned`` tells such a back from a connector of its own.
    """

    name: str
    uid: str
    source: End
    target: End
    mapping: tuple[Rule, ...] = ()
    when: When = field(default_factory=When)
    mode: Mode = Mode.LIVE
    owner: Owner = field(default_factory=Owner)
    creates: bool = True
    brake: Brake | None = None
    relates: bool = True
    messages: tuple[Message, ...] = ()
    comments: Comments = field(default_factory=Comments)
    references: References | None = None
    expire: Mapping[str, timedelta] = field(default_factory=dict)
    poll_every: timedelta = timedelta(minutes=5)
    poll_at: Cron | None = None
    quiet: tuple[Window, ...] = ()
    concurrency: int = 4
    weight: int = 1
    attempts: int = 8
    on_dead: str = "continue"
    template: str = ""
    file: str = ""
    formerly: tuple[str, ...] = ()
    made_by: str = ""
    """The version of what decides on its writes; see `connector.versions`."""
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What its file says, its template merged in."""
    back: Connector | None = None
    returns: tuple[Rule, ...] = ()
    policy: Policy = Policy.ASK
    initial: Policy = Policy.ASK
    turned: bool = False

    def facing(self, connection: str) -> Connector:
        """Return the connector as it is seen from one of its ends: what happens at the target comes back."""
        return self.back if self.back is not None and connection == self.back.source.connection else self

    @property
    def faces(self) -> tuple[Connector, ...]:
        """Itself, and as it is seen from the target where it is two-way: each writes to its own target."""
        return (self,) if self.back is None else (self, self.back)


@dataclass(frozen=True, slots=True)
class Config:
    """A loaded configuration: immutable, and named by the hash of what it says."""

    instance: str
    connections: Mapping[str, Connection]
    connectors: Mapping[str, Connector]
    hash: str
    warnings: tuple[str, ...] = ()
    draining: frozenset[str] = frozenset()
    """Names of connectors that are about to be removed: they finish what they have and take nothing new."""

    def called(self, name: str) -> Connector | None:
        """Return the connector of this name, or the one that had it once; a doorbell may know it by that."""
        found = self.connectors.get(name)
        return found or next((one for one in self.connectors.values() if name in one.formerly), None)
