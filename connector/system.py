"""State what a system must offer: a frozen table of functions and facts, no subclassing.

``receive``, ``poll`` and ``deliver`` of a system mirror ``receiver``, ``poller`` and ``delivery`` in
``workers``: the same verb on both sides of the seam.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from marshmallow import Schema

from connector.errors import ConnectorError
from connector.event import Entity, Event, Kind
from connector.examining import Finding, Needs
from connector.link import EffectKey, Marker
from connector.listed import Lister
from connector.ports import Request, Response, Reveal, Site
from connector.webhooks import Webhooks


# --- inbound -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Inbound:
    """A webhook request as it came in; ``headers`` have lower-case names, ``body`` is unparsed.

    ``document`` is what ``body`` says as JSON, where whoever took it in has parsed it already.
    """

    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)
    peer: str = ""
    document: Any = None

    def json(self) -> Any:
        """Return what the body says as JSON, parsed once; raises ValueError or RecursionError where it is none."""
        return json.loads(self.body) if self.document is None else self.document


class Trust(StrEnum):
    """What a verified request may be used for: `HINT` payloads are read again before use."""

    SIGNED = "signed"
    HINT = "hint"


@dataclass(frozen=True, slots=True)
class Received:
    """What a payload holds: events, or the reason why it is ignored, or a reply that the source wants.

    ``reply`` is (content type, body) for handshakes such as Slack's URL verification.
    """

    events: tuple[Event, ...] = ()
    ignored: str = ""
    reply: tuple[str, bytes] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a poll.  ``cursor`` (JSON) is stored in the same commit as ``events``.

    ``more`` asks for the next page at once.  An empty page keeps the cursor it was given.
    """

    events: tuple[Event, ...]
    cursor: Mapping[str, Any]
    more: bool = False


# --- outbound ----------------------------------------------------------------------------------
class Action(StrEnum):
    """What a change does to the target."""

    CREATE = "create"
    UPDATE = "update"
    COMMENT = "comment"
    EDIT_COMMENT = "edit_comment"
    DELETE_COMMENT = "delete_comment"
    RELATE = "relate"


@dataclass(frozen=True, slots=True)
class Change:
    """What planning decided to write.

    ``fields`` are *native* values as `Target.shape` made them.  ``entity`` is the target (None for
    `CREATE`).  ``remote`` is the native id of the comment to edit or delete.  ``marker`` goes onto
    everything that is added, so that it can be found again.  ``base`` is what we last knew the target
    to hold.  ``relation`` (for `RELATE`) is {url, title, key, state: str, done: bool} of the source.
    """

    action: Action
    effect: EffectKey
    marker: Marker
    fields: Mapping[str, Any] = field(default_factory=dict)
    entity: Entity | None = None
    body: Any = None
    remote: str = ""
    relation: Mapping[str, Any] = field(default_factory=dict)
    base: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shaped:
    """Wanted values in the target's own form.

    ``fields`` maps a native field id to the JSON that a write takes (comparable by ``==`` with an
    earlier one); ``names`` maps it to the name the user wrote.  ``later`` are fields that a create
    cannot carry (a Jira status, a GitHub state): they become an update of their own.  ``losses`` say
    in words what the target cannot hold.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    later: frozenset[str] = frozenset()
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left behind.

    ``entity`` is the target as it is now called; ``remote`` the native id of an added comment or
    message.  ``kept`` holds, per vocabulary key, the value now in the target (for echoes).
    ``fresh`` is False when nothing was sent: a look-up found an earlier write of ours, or the target
    already held everything.  ``losses`` say in words what the target would not take.  ``holds`` are
    native values, as `Target.shape` makes them, that a create left in fields it cannot carry: a status
    that is the wanted one already needs no update.
    """

    entity: Entity
    remote: str = ""
    kept: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = True
    losses: tuple[str, ...] = ()
    holds: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Absent:
    """Say that a look-up found nothing.

    ``settled_in`` is zero for a strong look-up; for one on a lagging index it is how long after the
    send an absence starts to mean *not written*.
    """

    settled_in: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Recalled:
    """Something that a create of ours left in a target: the marker it carries, and what it is."""

    marker: str
    entity: Entity


@dataclass(frozen=True, slots=True)
class RecalledPage:
    """One page of what we once made; ``more`` says that ``cursor`` (JSON) brings the next one."""

    things: tuple[Recalled, ...]
    cursor: Mapping[str, Any]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """How to write into a system.  All take (site, target settings, ...); raise `connector.errors`.

    ``shape(site, target, wanted, entity)``
        Turn wanted values (name the user wrote -> JSON, `Text` for rich text) into native ones.
        Reads field metadata through ``site.memory``.  Raises `Rejected` with ``fields`` naming each
        value that cannot be.
    ``text(site, target, text)``
        Convert a `Text` into the native form of a comment body; returns (native, losses).
    ``read(site, target, entity)``
        The entity as it is now: {"fields": native values comparable with shape's, "data":
        vocabulary, "raw": as in its events}; None where the target says it does not exist.
    ``write(site, target, change)``
        Perform the change; one added thing at most, so that an unknown outcome has one look-up.
        Sets are idempotent: an `UPDATE` reads what it must (a status) and does only what is missing.
    ``create_many(site, target, changes)``
        Perform up to ``most`` `CREATE` changes with few calls: per change what was written, or the error that
        it alone would have met.  Raises where the call as a whole was refused, or its outcome is unknown.
        None where the system has no such call.
    ``look_up(site, target, change, since)``
        After an unknown outcome, find what carries the change's marker.  ``since`` is when the send
        may first have happened.
    ``recall(site, target, cursor)``
        List everything in the target that carries a marker of ours on itself (not its comments), a page a
        call, from {}; for `connector rebuild`.  Raises `Ambiguous` where that may not be read; None where the
        system has no way.
    ``examine(site, target, needs)``
        Hold what a connector needs against what this account may do and the target offers: fields, screens,
        choices, permissions.  Only reads, through ``site.memory`` where that saves calls.  Raises where the
        target cannot be asked.  None: fields are tried by ``shape`` alone.
    """

    shape: Callable[[Site, Any, Mapping[str, Any], Entity | None], Shaped]
    text: Callable[[Site, Any, Any], tuple[Any, tuple[str, ...]]]
    read: Callable[[Site, Any, Entity], Mapping[str, Any] | None]
    write: Callable[[Site, Any, Change], Written]
    look_up: Callable[[Site, Any, Change, datetime], Written | Absent]
    recall: Callable[[Site, Any, Mapping[str, Any]], RecalledPage] | None = None
    create_many: Callable[[Site, Any, Sequence[Change]], Sequence[Written | ConnectorError]] | None = None
    most: int = 1
    examine: Callable[[Site, Any, Needs], Sequence[Finding]] | None = None
    speaks: Mapping[str, str] = field(default_factory=dict)


class Period(StrEnum):
    """How a limit comes back.

    ``rolling``: steadily, so that it holds in any window.  ``aligned``: all at once, at whole multiples of its
    period (the top of the UTC hour).  ``started``: all at once, a period after the first call it counted, or
    when the target says.
    """

    ROLLING = "rolling"
    ALIGNED = "aligned"
    STARTED = "started"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that the system publishes: ``amount`` units per ``per``, for one endpoint class.

    ``endpoint`` ``*`` means the connection as a whole, ``entity`` each entity's writes, ``write``
    all calls that write.  ``unit`` is ``calls`` or ``points`` (`Request.cost`).  ``burst`` is given
    where the vendor's limit is a token bucket of that size or larger; 0 means a window.  ``entity`` counts the
    class separately for each `Request.entity` (a Slack channel).  ``spares_unchanged``: an answer of 304 is
    not counted by it.
    """

    endpoint: str
    amount: int
    per: timedelta
    unit: str = "calls"
    burst: int = 0
    entity: bool = False
    period: Period = Period.ROLLING
    spares_unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """What an answer says is left of one of the `Limit`s (named by endpoint, unit and per).

    ``resets_in`` is when all of it is back; None where that is not told.
    """

    endpoint: str
    per: timedelta
    left: int
    unit: str = "calls"
    resets_in: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """What a connection's ``teams:`` may keep a team to: projects, repositories, channels.

    ``word`` is what they are called there.  ``source(settings)`` and ``target(settings)`` are the names of those that a
    ``from:`` or ``to:`` block speaks of.  ``told(name)`` says whether `Entity.scope` is told in such a name, so that
    every item can be held against it, and not only the configuration.
    """

    word: str
    source: Callable[[Any], tuple[str, ...]]
    target: Callable[[Any], tuple[str, ...]]
    told: Callable[[str], bool] = lambda _name: True


@dataclass(frozen=True, slots=True)
class Who:
    """The answer to *who am I here*: shown by doctor, used to tell Forbidden from Unauthorized."""

    id: str
    name: str
    scopes: tuple[str, ...] = ()
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class System:
    """Everything the product knows about an external product.

    ``connection``, ``source`` and ``target`` are marshmallow schemas (see `connector.declare`) of a
    connection's own members and of the ``from:`` and ``to:`` blocks; None where it can't be that.

    ``base_url(settings)`` -> the URL that request paths are relative to.
    ``authorize(settings, reveal)`` -> headers that carry the credential.
    ``refusal(request, response)`` -> the error for a bad answer, None for a good one.  Pure.
    ``limits(settings)`` -> the limits to keep.
    ``headroom(request, response)`` -> what a good answer says is left of them; it may lower what we think is
    left, and never raises it.  None where answers say nothing.
    ``probe(site)`` -> who the credential belongs to; raises `Unauthorized`.
    ``verify(settings, inbound, reveal, now)`` -> `Trust`; raises `Untrusted`.  Checks raw bytes.
    ``receive(connection, settings, inbound, trust)`` -> `Received`; raises `Unreadable`.  Pure; never
    crashes on unknown members or events.
    ``selects(source, event)`` -> "" when a ``from:`` block covers the event, else the reason why not.
    ``poll(site, source, cursor, now)`` -> `Page`; an empty cursor starts at ``now``.
    ``backfill(site, source, query, cursor)`` -> `Page` of the past: ``query`` is {"since": ISO} or
    {"jql": str}.
    ``complete(site, event)`` -> the event with what it lacked (rich body, marker, full entity) as the
    system holds it now; None where the item is gone.
    ``find(site, source, text)`` -> the newest state event of the item a person named by key or URL;
    ``source`` is None where the system is looked into as a target.
    ``newest(site, source, most)`` -> the items that changed last as they are now, an event each, the newest first,
    with as few calls as can be; for previews.  None where the system cannot be asked for that.
    ``matches(site, query, event)`` -> whether the item satisfies a query in the system's own language
    (``when.jql``); None where the system has none.
    ``blind_spots`` what polling alone cannot see, one sentence each (shown by ``connector check``).
    ``polled_only`` kinds of which a poll tells more than webhooks do (an issue that was only commented on
    polls as updated): what of these no webhook brought says nothing about webhooks.
    ``redelivers`` for how long the source may send the same webhook again: dedupe marks live as long.
    ``example`` {"connection", "source", "target"}: members as YAML gives them, for ``connector init``,
    the docs, and for reading a payload without a configuration.
    ``ways`` title -> members of a connection, where there are several ways to make one (another product, another
    kind of credential): ``connector init`` asks which, and then for exactly these members.  What a way says of a
    closed vocabulary (``flavour: data-center``) is not asked for.
    ``needs`` {"read" or "write": scopes}, shown missing by ``check --live`` where the probe tells scopes;
    ``a|b`` is satisfied by either.  What stands under "may" is of use and not needed; any other scope that a
    credential has is told as more than it should have.
    ``implied(body)`` -> the headers that a recorded body (parsed JSON) must have come with, so that a
    file can be read that was saved without them; empty where the body does not tell.
    ``places`` what teams may be kept to within a connection; None where there is nothing of the kind.
    ``conditional`` True where a read with ``If-None-Match`` may be answered 304 and then costs no quota.
    ``tell(site, place, text)`` posts a short Markdown text where a person named the place (a channel), for
    alerts; None where the system is no place to tell people things.
    ``lists`` kind of list (`connector.listed.KINDS`) -> how it is asked for: what setting up chooses from, and
    what mappings are checked against.
    ``webhooks`` how webhooks are installed, tried and removed; None where the system sends none.
    ``tells_mark(event)`` whether an event shows our marker where its item has one (GitHub's body, Slack's
    metadata): then an empty `Event.marker` means that there is none; otherwise the item is read for it.
    """

    name: str
    title: str
    kinds: frozenset[Kind]
    connection: type[Schema]
    source: type[Schema] | None
    target_schema: type[Schema] | None
    base_url: Callable[[Any], str]
    authorize: Callable[[Any, Reveal], Mapping[str, str]]
    refusal: Callable[[Request, Response], ConnectorError | None]
    limits: Callable[[Any], Sequence[Limit]]
    probe: Callable[[Site], Who]
    verify: Callable[[Any, Inbound, Reveal, datetime], Trust]
    receive: Callable[[str, Any, Inbound, Trust], Received]
    selects: Callable[[Any, Event], str]
    complete: Callable[[Site, Event], Event | None]
    find: Callable[[Site, Any, str], Event]
    newest: Callable[[Site, Any, int], Sequence[Event]] | None = None
    matches: Callable[[Site, str, Event], bool] | None = None
    poll: Callable[[Site, Any, Mapping[str, Any], datetime], Page] | None = None
    backfill: Callable[[Site, Any, Mapping[str, Any], Mapping[str, Any]], Page] | None = None
    target: Target | None = None
    headroom: Callable[[Request, Response], Sequence[Left]] | None = None
    tell: Callable[[Site, str, str], None] | None = None
    lists: Mapping[str, Lister] = field(default_factory=dict)
    blind_spots: tuple[str, ...] = ()
    polled_only: frozenset[Kind] = frozenset()
    redelivers: timedelta = timedelta(days=7)
    places: Places | None = None
    conditional: bool = False
    webhooks: Webhooks | None = None
    tells_mark: Callable[[Event], bool] = lambda _event: True
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    implied: Callable[[Any], Mapping[str, str]] | None = None
    features: Mapping[str, str] = field(default_factory=dict)
    example: Mapping[str, Any] = field(default_factory=dict)
    ways: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
