"""Say why a connector rests although nothing is wrong: a switch, its configuration, quiet hours, maintenance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connector.config import Config, Connector, Mode
from connector.schedule import rests_until
from workers.desk import Desk

AT_ONCE_MS: Final = 60_000
"""For how long the books are closed at a time: a switch that is lifted, or a changed configuration, holds no longer."""


@dataclass(frozen=True, slots=True)
class Rest:
    """``state`` is ``stopped``, ``paused``, ``quiet`` or ``maintenance``; ``since`` and ``until`` in ms, 0: not known.

    ``calls``: its source may still be polled.
    """

    state: str
    why: str
    since: int = 0
    until: int = 0
    calls: bool = True

    def closed_until(self, now: int) -> int:
        """Return until when (ms) the books are to be closed now."""
        return min(self.until or now + AT_ONCE_MS, now + AT_ONCE_MS)


def rest_of(desk: Desk, config: Config, connector: Connector) -> Rest | None:
    """Return why a connector rests now, what a person did first; None where it may work."""
    if (stop := desk.stops(connector)) is not None:
        return Rest("stopped", stop.words, since=stop.since, calls=False)
    if connector.mode is Mode.PAUSED:
        return Rest("paused", "mode: paused in its file")
    source, target = connector.source.connection, connector.target.connection
    closed = {name: until for name in (source, target) if (until := in_maintenance(desk, config, name)) is not None}
    if closed:
        why = " and ".join(f"{name} is in maintenance" for name in closed)
        return Rest("maintenance", why, until=_ms(max(closed.values())), calls=source not in closed)
    if connector.quiet and (until := rests_until(connector.quiet, desk.now())) is not None:
        return Rest("quiet", "quiet hours", until=_ms(until))
    return None


def in_maintenance(desk: Desk, config: Config, connection: str) -> datetime | None:
    """Return until when a connection is in maintenance; None where it is not."""
    windows = config.connections[connection].maintenance
    return rests_until(windows, desk.now()) if windows else None


def may_poll(desk: Desk, config: Config, connector: Connector) -> bool:
    """Tell whether a connector's source may be asked now."""
    rest = rest_of(desk, config, connector)
    return rest is None or rest.calls


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
