"""Know which connectors a person has stopped, without asking the store for every turn.

A switch also closes the books of what it stops (`workers.operating.switches`), so turns that run end at once; what is
known here keeps them closed, and stops what comes under the switch later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from connector.config import Connector
from workers.stores.stops import ALL, Stop, connector_scope, team_scope

FRESH: Final = 1.0
"""Seconds for which one look serves all turns of a process."""


def covering(thrown: Mapping[str, Stop], connector: Connector) -> Stop | None:
    """Return the widest of the switches that stop a connector; None where none does."""
    scopes = (
        ALL,
        *([team_scope(connector.owner.team)] if connector.owner.team else ()),
        connector_scope(connector.uid),
    )
    return next((thrown[one] for one in scopes if one in thrown), None)


@dataclass(slots=True)
class Stops:
    """The switches as one process knows them; ``read`` asks the store, ``ticks`` is monotonic seconds."""

    read: Callable[[], Mapping[str, Stop]]
    ticks: Callable[[], float]
    _known: Mapping[str, Stop] = field(default_factory=dict)
    _read_at: float = float("-inf")

    def forget(self) -> None:
        """Look anew at the next question: this process has just moved a switch."""
        self._read_at = float("-inf")

    def __call__(self, connector: Connector) -> Stop | None:
        """Return the switch that stops a connector; raises what the store raises."""
        now = self.ticks()
        if now - self._read_at >= FRESH:
            self._known = self.read()
            self._read_at = now
        return covering(self._known, connector)
