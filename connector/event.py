"""Describe something that happened once to one entity, in no system's words.

The hub of the product is this module, not Jira: a ``customfield_`` or a ``node_id`` never appears
outside the folder of its system, except under ``raw``, the escape hatch for vendor fields.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NewType, NotRequired, TypedDict

EventId = NewType("EventId", str)
"""Names an event for ever; built identically by webhook and poll, see `event_id`."""

Data = Mapping[str, Any]
"""The vocabulary snapshot of an entity: JSON values, with `Text` and `Person` as small dicts.

======================  ====================================================================
key                     value
======================  ====================================================================
``title``               str, one line
``body``                `Text`
``state``               str, the native word (``open``, ``In Progress``)
``state_category``      ``new`` | ``active`` | ``done``
``state_reason``        str (``completed``, ``not_planned``, a Jira resolution name)
``labels``              list of str
``assignee``            `Person` or None; ``assignees`` the list where there may be several
``reporter``            `Person`
``priority``, ``type``  str
``milestone``           str
``project``             str: Jira project key, ``owner/repo``, channel id
``key``, ``number``     what people call it (``WEB-12``, ``acme/web#12``), int number
``url``                 the page a person opens
``created, updated``    ISO 8601 with zone
``merged``, ``draft``   bool (pull requests); ``branch`` str, the head branch
``due``                 ISO date
``comment``             {id, body: `Text`, author: `Person`, created, updated, url,
                        visibility: ``public`` | ``restricted`` | ``internal``}
======================  ====================================================================

A key that a payload does not carry is absent, never None: None means *known to be empty*.
"""


class Text(TypedDict):
    """Rich text as its system wrote it; ``format`` is a codec name of `connector.richtext`.

    ``content`` is a str, except for ``adf`` where it is the document as a dict.  ``settled`` says that it is what its
    own system holds but for an edit that was merged into it: written there, it is not written anew.
    """

    format: str
    content: Any
    settled: NotRequired[bool]


class Person(TypedDict, total=False):
    """Somebody in one system: ``id`` is immutable there (accountId, login id, DC user key)."""

    id: str
    name: str
    login: str
    email: str
    bot: bool


class Kind(StrEnum):
    """What happened.  `OTHER` exists so that a new vendor word never crashes a reader."""

    ISSUE_CREATED = "issue.created"
    ISSUE_UPDATED = "issue.updated"
    ISSUE_DELETED = "issue.deleted"
    COMMENT_CREATED = "comment.created"
    COMMENT_UPDATED = "comment.updated"
    COMMENT_DELETED = "comment.deleted"
    PULL_REQUEST_CREATED = "pull_request.created"
    PULL_REQUEST_UPDATED = "pull_request.updated"
    PULL_REQUEST_MERGED = "pull_request.merged"
    PULL_REQUEST_CLOSED = "pull_request.closed"
    MESSAGE_CREATED = "message.created"
    MESSAGE_UPDATED = "message.updated"
    MESSAGE_DELETED = "message.deleted"
    OTHER = "other"

    @property
    def is_state(self) -> bool:
        """True when the newest event alone tells the whole state, so that neighbours may collapse."""
        return self in _STATE

    @property
    def is_append(self) -> bool:
        """True for things that add something of their own and therefore never collapse."""
        return self.value.partition(".")[0] in {"comment", "message"}


_STATE: Final = frozenset(
    {
        Kind.ISSUE_CREATED,
        Kind.ISSUE_UPDATED,
        Kind.PULL_REQUEST_CREATED,
        Kind.PULL_REQUEST_UPDATED,
        Kind.PULL_REQUEST_MERGED,
        Kind.PULL_REQUEST_CLOSED,
    },
)


@dataclass(frozen=True, slots=True)
class Entity:
    """The thing it happened to.  ``id`` is immutable; ``key`` and ``url`` are for people and may change.

    ``type`` is ``issue``, ``pull_request`` or ``thread``.  ``scope`` is what a `from:` block selects
    by: the project key, ``owner/repo`` or channel id.
    """

    connection: str
    type: str
    id: str
    key: str = ""
    url: str = ""
    scope: str = ""

    @property
    def ref(self) -> str:
        """The name used in links, mailboxes and keys: ``jira:issue:10234``."""
        return f"{self.connection}:{self.type}:{self.id}"


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened once to one entity.

    ``change`` maps a vocabulary key to ``{"from": ..., "to": ...}`` where the source told it.
    ``partial`` means *a hint*: unsigned, or lacking what a mapping may need; planning calls the
    system's ``complete`` before it believes any value.  ``marker`` is our own mark found on the
    item (see `connector.link.Marker`): a write of ours coming back.  ``origin`` is ``webhook``,
    ``poll``, ``backfill`` or ``read``.
    """

    id: EventId
    kind: Kind
    entity: Entity
    at: datetime
    data: Data
    sub: str = ""
    actor: Person | None = None
    change: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)
    partial: bool = False
    marker: str = ""
    origin: str = "webhook"

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            message = f"event {self.id}: 'at' has no time zone"
            raise ValueError(message)

    def with_data(self, **more: Any) -> Event:
        """Return a copy with vocabulary keys added or replaced."""
        return replace(self, data={**self.data, **more})


def event_id(entity: Entity, kind: Kind, *, sub: str = "", version: str = "") -> EventId:
    """Build the id of an event: connection, immutable entity id, kind, sub-id and version.

    ``sub`` is a comment id or the like.  ``version`` tells one update from the next; receive and
    poll must build it from the same facts (see `state_version`), and leave it empty for things that
    happen once (created, a comment's creation, a deletion).
    """
    return EventId(f"{entity.ref}/{kind}/{sub}/{version}")


def state_version(updated: str, data: Data) -> str:
    """Name one state of an entity: the source's own time of update plus a digest of what we know.

    Two updates within one tick of the source's clock differ by the digest, and a webhook and a poll
    that saw the same state agree, as long as both pass the same vocabulary keys.
    """
    canonical = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return f"{updated}-{hashlib.sha256(canonical.encode()).hexdigest()[:12]}"
