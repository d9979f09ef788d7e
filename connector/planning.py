"""Decide what an event makes a connector write, from values alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import re2

from connector.config import Audience, Connector
from connector.event import Entity, Event, Kind, Text
from connector.link import EffectKey, Link, Marker, effect_key
from connector.mapping import Mapped, Tools, spoken_of
from connector.messages import UPDATES, Digest, digested, expired, messages_for
from connector.rings import echoes
from connector.system import Action, Change, Shaped

UNFINISHED: Final = "unfinished"
"""In a link's ``extra``: the target was created, but what a create cannot carry (a status, the relation to its
source) is still to come.  A crash in between must not leave it so for ever."""

INITIAL: Final = "initial"
"""In the ``extra`` of a pair that a person has made: the `Policy` for fields of which it is not known that both sides
were ever equal, instead of the connector's."""

COMMENT_TEXT: Final = "**{{ comment.author.name }}** commented on {{ key | link(url) }}:\n\n{{ comment.body }}"
"""What a copied comment looks like unless the connector says otherwise."""


@dataclass(frozen=True, slots=True)
class Append:
    """One thing to add, edit or take away: a copied comment or a message.

    ``word`` and ``sub`` name the effect; ``earlier`` is the effect key of the comment that an edit or a
    removal speaks of.
    """

    action: Action
    word: str
    sub: str
    text: Text | None = None
    earlier: EffectKey | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What one event (or several collapsed into it) wants of a connector.

    ``skip`` is the reason why nothing is to be done.  ``wanted`` are the target's field values by the
    names the user wrote, None when the state is not touched.  ``adopt`` means the target already
    holds some of them (our own write coming back): of those, which ``echoed`` names, only the base moves;
    the others may hold what a person changed just before.  ``named`` are keys of target entities that a
    pull request names.
    """

    skip: str = ""
    wanted: Mapping[str, Any] | None = None
    create: bool = False
    adopt: bool = False
    echoed: frozenset[str] = frozenset()
    appends: tuple[Append, ...] = ()
    named: tuple[str, ...] = ()
    relation: Mapping[str, Any] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an entity before planning.

    ``link`` ties it to its target (found in this connector or in its other half); ``kept`` is what a
    write of ours through another connector last left on the *source* entity.  ``ours`` says that the
    other half made the entity and nothing has been told of it over here yet.
    """

    link: Link | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)
    ours: bool = False


def filtered(connector: Connector, event: Event, tools: Tools) -> str:
    """Return why ``when:`` does not hold for the event, "" when it does."""
    when, data = connector.when, event.data
    if when.labels:
        labels = {str(label).casefold() for label in data.get("labels") or ()}
        if not labels & {label.casefold() for label in when.labels}:
            return f"when.labels: none of {', '.join(sorted(when.labels))}"
    if when.changed and event.kind in UPDATES and not when.changed & event.change.keys():
        return f"when.changed: none of {', '.join(sorted(when.changed))}"
    if when.condition and not tools.holds(when.condition, tools.view(event)):
        return f"when.condition: {when.condition}"
    return ""


def collapse(connector: Connector, events: Sequence[Event]) -> int:
    """Return how many of the first events are told by the last of them alone (at least 1).

    Only neighbours of one entity that are states collapse, and only where no message is owed for each.
    """
    count = 1
    for event, after in pairwise(events):
        if (
            not (event.kind.is_state and after.kind.is_state)
            or event.entity.ref != after.entity.ref
            or messages_for(connector, event)
            or messages_for(connector, after)
        ):
            break
        count += 1
    return count


def plan(
    connector: Connector,
    event: Event,
    known: Known,
    tools: Tools,
    *,
    instance: str,
    now: datetime,
    digest: Digest | None = None,
) -> Plan:
    """Decide what the event wants; raises `errors.Rejected` where the mapping cannot be applied.

    With a ``digest`` its messages stand in the place of the event's own.
    """
    mark = Marker.find(event.marker) if event.marker else None
    came_back = mark is not None and mark.instance == instance and mark.origin == connector.target.connection
    if event.kind.is_append and came_back:
        return Plan(skip="echo: our own comment coming back")
    if event.kind is Kind.ISSUE_DELETED and not messages_for(connector, event):
        return Plan(skip="deleted at its source; what was written stays")
    if event.entity.type == "pull_request":
        return _for_pull_request(connector, event)
    reason = "" if known.link else filtered(connector, event, tools)
    if reason:
        return Plan(skip=f"filtered: {reason}")
    if not known.link and (not connector.creates or event.kind is Kind.ISSUE_DELETED):
        return Plan(skip="not linked: this connector creates nothing")
    if not known.link and came_back:
        return Plan(skip=f"it came from {connector.target.connection}; it is not created there again")
    view = tools.view(event)
    echo = event.kind is Kind.ISSUE_UPDATED and echoes(event, known.kept)
    # That an entity of ours was made is no news to where it came from: things may have moved on there.
    made = event.kind is Kind.ISSUE_CREATED and known.ours
    mapped = None if made else _state(connector, event, known, view, tools)
    if digest is not None:
        appends = _digest(connector, digest, known, tools, now)
    else:
        appends = () if echo else _appends(connector, event, view, tools, now)
    found = Plan(
        wanted=mapped.values if mapped is not None else None,
        create=known.link is None,
        adopt=echo,
        echoed=spoken_of(connector.mapping, event.change) if echo else frozenset(),
        appends=appends,
        relation=relation_of(event) if connector.relates and _unfinished(known.link) else {},
        absent=mapped.absent if mapped is not None else {},
        losses=mapped.losses if mapped is not None else (),
    )
    if made and not found.appends:
        return Plan(skip="echo: our own issue coming back")
    if found.wanted is None and not found.appends and not (known.link and found.relation):
        return Plan(skip=_why_nothing(connector, event, now))
    return found


def _unfinished(link: Link | None) -> bool:
    return link is None or bool(link.extra.get(UNFINISHED))


def _state(connector: Connector, event: Event, known: Known, view: Mapping[str, Any], tools: Tools) -> Mapped | None:
    # A comment carries its issue: where that is not linked yet, it is created first.
    if not connector.mapping or not (event.kind.is_state or (event.kind.is_append and _unfinished(known.link))):
        return None
    return tools.apply(connector.mapping, view)


def _appends(
    connector: Connector, event: Event, view: Mapping[str, Any], tools: Tools, now: datetime
) -> tuple[Append, ...]:
    if expired(connector, event, now):
        return ()
    found = []
    for number, message in enumerate(messages_for(connector, event)):
        if message.when and not tools.holds(message.when, view):
            continue
        text = tools.render(message.text, view)
        found.append(Append(Action.COMMENT, "message", f"{event.id}#{number}" if number else event.id, text))
    if connector.comments.copied and (copied := _copied(connector, event, view, tools)):
        found.append(copied)
    return tuple(found)


def _digest(connector: Connector, digest: Digest, known: Known, tools: Tools, now: datetime) -> tuple[Append, ...]:
    own = [one for one in digest.events if one.kind is Kind.ISSUE_UPDATED and echoes(one, known.kept)]
    text = digested(connector, [one for one in digest.events if one not in own], tools, now)
    return (Append(Action.COMMENT, "message", digest.name, text),) if text is not None else ()


def _copied(connector: Connector, event: Event, view: Mapping[str, Any], tools: Tools) -> Append | None:
    options = connector.comments
    if event.kind is Kind.COMMENT_DELETED:
        if not options.deletes:
            return None
        earlier = effect_key(connector.uid, event.entity.ref, "comment", event.sub)
        return Append(Action.DELETE_COMMENT, "uncomment", event.sub, earlier=earlier)
    if event.kind not in {Kind.COMMENT_CREATED, Kind.COMMENT_UPDATED}:
        return None
    if not may_see(options.audience, event):
        if event.kind is Kind.COMMENT_CREATED:
            return None
        # It may have been for everybody before: then a copy stands where it may not be read any more.
        earlier = effect_key(connector.uid, event.entity.ref, "comment", event.sub)
        return Append(Action.DELETE_COMMENT, "narrow", event.id, earlier=earlier)
    text = tools.render(options.text or COMMENT_TEXT, view)
    if event.kind is Kind.COMMENT_CREATED:
        return Append(Action.COMMENT, "comment", event.sub, text)
    if not options.edits:
        return None
    earlier = effect_key(connector.uid, event.entity.ref, "comment", event.sub)
    return Append(Action.EDIT_COMMENT, "recomment", event.id, text, earlier=earlier)


def may_see(audience: Audience, event: Event) -> bool:
    """Tell whether those who read the target may read the comment that an event speaks of."""
    comment = event.data.get("comment") or {}
    return audience is Audience.ALL or comment.get("visibility", "public") == "public"


def _why_nothing(connector: Connector, event: Event, now: datetime) -> str:
    if expired(connector, event, now):
        return "expired: too old to be worth a message"
    if event.kind.is_append and not may_see(connector.comments.audience, event):
        return "the comment is not public"
    if event.kind is Kind.COMMENT_DELETED:
        return "deletions of comments are not copied"
    return "nothing to change"


def _for_pull_request(connector: Connector, event: Event) -> Plan:
    options = connector.references
    if options is None or not event.kind.is_state:
        return Plan(skip="of pull requests only the state is followed, and only with references:")
    text = "\n".join(_words(event.data.get(name)) for name in options.fields)
    project = getattr(connector.target.settings, "project", "")
    named = sorted(key for key in _keys_in(text, options.pattern) if not project or key.rpartition("-")[0] == project)
    if not named:
        return Plan(skip="it names no issue of the target's project")
    word = "merged" if event.data.get("merged") else "closed" if event.data.get("state") == "closed" else "created"
    status = options.status.get(word)
    return Plan(
        wanted={"Status": status} if status else None,
        named=tuple(named),
        relation=relation_of(event),
    )


def _keys_in(text: str, pattern: str) -> set[str]:
    # RE2 knows no look-behind, so the neighbours of a match are looked at here.
    found = set()
    for match in re2.finditer(pattern, text):
        before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
        if not before.isalnum() and not after.isalnum():
            found.add(match.group(0))
    return found


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("content", ""))
    return str(value or "")


def relation_of(event: Event) -> dict[str, Any]:
    """Return what the target shows of its source: a title, a URL and whether it is done."""
    data = event.data
    return {
        "url": event.entity.url or data.get("url", ""),
        "title": f"{event.entity.key}: {data.get('title', '')}".strip(": "),
        "key": event.entity.key,
        "state": str(data.get("state", "")),
        "done": data.get("state_category") == "done" or bool(data.get("merged")),
    }


# --- from a plan to changes ------------------------------------------------------------------------


def target_entity(link: Link) -> Entity:
    """Return the target of a link as an entity."""
    connection, kind, native = link.target.split(":", 2)
    return Entity(connection, kind, native, key=link.key, url=link.url, scope=link.scope)


def creation(event: Event, shaped: Shaped, marker: Marker) -> Change:
    """Return the change that creates the target; what a create cannot carry comes as an update after."""
    fields = {name: value for name, value in shaped.fields.items() if name not in shaped.later}
    return Change(Action.CREATE, marker.effect, marker, fields=fields, relation=relation_of(event))


def difference(shaped: Shaped, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shaped values that the base does not already hold."""
    return {name: value for name, value in shaped.fields.items() if name not in base or base[name] != value}


def marker_for(connector: Connector, event: Event, instance: str, word: str, sub: str = "") -> Marker:
    """Name the effect ``word``/``sub`` of this event and wrap it into the mark that goes along."""
    return Marker(instance, event.entity.connection, effect_key(connector.uid, event.entity.ref, word, sub))
