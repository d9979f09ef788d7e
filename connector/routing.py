"""Find the connectors that want an event, and say of the others why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from connector.config import Config, Connector, End, Mode
from connector.event import Event, Kind
from connector.mapping import Tools
from connector.planning import filtered
from connector.system import System


@dataclass(frozen=True, slots=True)
class Route:
    """One connector's answer to an event.

    ``reason`` is "" when it takes the event.  ``follows`` says that only an entity it has linked
    already (or is about to) makes it take the event, because the connector's ``when:`` does not hold
    for it any more: a label taken off must not stop an issue half-way.
    """

    connector: Connector
    reason: str = ""
    follows: bool = False


def routes(config: Config, systems: Mapping[str, System], event: Event, tools: Tools) -> Iterator[Route]:
    """Yield a route for every connector that the event's connection is an end of, as far as it reads there."""
    for connector in config.connectors.values():
        face = connector.facing(event.entity.connection)
        if face.source.connection == event.entity.connection:
            if connector.name in config.draining:
                yield Route(connector, "it is being removed and takes nothing new")
                continue
            found = route_of(face, systems[config.connections[face.source.connection].system], event, tools)
            yield replace(found, connector=connector)


def kept_out(config: Config, connector: Connector, system: System, end: End, place: str) -> str:
    """Say why the connector's team may not touch an item of an end (its `Entity.scope`); "" where it may.

    What a configuration names is checked when it is loaded; an item may be elsewhere (moved, or named by a person).
    """
    connection, team = config.connections[end.connection], connector.owner.team
    if connection.teams and team not in connection.teams:
        return f"connection {connection.name} is not for {f'team {team!r}' if team else 'connectors without a team'}"
    patterns = connection.teams.get(team, ())
    if system.places is None or not all(system.places.told(one) for one in patterns) or connection.lets(team, place):
        return ""
    where = f"{place} is none of them" if place else "of this item it is not known"
    may = ", ".join(patterns)
    return f"team {team!r} may use only these {system.places.word} of connection {connection.name}: {may}; {where}"


def route_of(connector: Connector, system: System, event: Event, tools: Tools) -> Route:
    """Return a connector's answer to an event of its source."""
    if event.kind is Kind.OTHER:
        return Route(connector, "nothing that a connector can use")
    if reason := system.selects(connector.source.settings, event):
        return Route(connector, reason)
    when = connector.when
    if when.events and event.kind not in when.events:
        return Route(connector, f"when.events does not name {event.kind}")
    if event.entity.type == "pull_request" and (connector.references is None or not event.kind.is_state):
        return Route(connector, "of pull requests only the state is followed, and only with references:")
    if event.kind in _COMMENTS and not connector.comments.copied and not _has_message(connector, event):
        return Route(connector, "comments are not copied")
    if event.partial or connector.turned:
        # Its values are not to be believed yet, or whether it is linked is not told by its name: planning decides.
        return Route(connector)
    if reason := filtered(connector, event, tools):
        if connector.mode is Mode.SHADOW:
            return Route(connector)  # planning comes to the same, and it is counted which filter took it
        return Route(connector, reason if not connector.creates else "", follows=connector.creates)
    return Route(connector)


_COMMENTS = frozenset({Kind.COMMENT_CREATED, Kind.COMMENT_UPDATED, Kind.COMMENT_DELETED})


def _has_message(connector: Connector, event: Event) -> bool:
    return any(not message.on or event.kind in message.on for message in connector.messages)
