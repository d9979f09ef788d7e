"""Say what of a connection is not for a team, when a configuration is loaded; `connector.routing` asks of each item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector.config import Connection, End
from connector.declare import near
from connector.documents import Path


def unknown_places(
    teams: Mapping[str, Mapping[str, tuple[str, ...]]], title: str, places: Any
) -> Iterator[tuple[Path, str]]:
    """Yield (path, problem) for what teams are kept to and the system does not have.

    ``places`` is the system's `connector.system.Places`, None where it has none; ``title`` its name for people.
    """
    for team, kept in teams.items():
        for word in kept:
            if places is None:
                yield ("teams", team, word), f"within {title} no team can be kept to a part"
            elif word != places.word:
                yield ("teams", team, word), f"unknown key{near(word, [places.word])}"


def not_for(connection: Connection, team: Any, key: str, end: End | None, places: Any) -> tuple[Path, str] | None:
    """Return (path, problem) where an end (``key``: from, to) of a connector of ``team`` is not for it."""
    if not connection.teams:
        return None
    if not isinstance(team, str) or team not in connection.teams:
        teams = ", ".join(connection.teams)
        who = f"team {team!r} may not use it" if team else "say owner: {team: ...}"
        return (key, "connection"), f"connection {connection.name} is for {teams}; {who}"
    patterns = connection.teams[team]
    if end is None or places is None or not patterns:
        return None
    named = places.source(end.settings) if key == "from" else places.target(end.settings)
    out = [name for name in named if not connection.lets(team, name)]
    if named and not out:
        return None
    what = f"of {places.word} not {', '.join(out)}" if out else f"only with {places.word} named"
    return (key,), f"team {team!r} may use connection {connection.name}, but {what}; it may: {', '.join(patterns)}"
