"""Hold a connector against what its target really offers, so that what will fail is known before it does.

Nothing is written outside.  Reads are counted against the connection's limits like everybody's, in the lane of a
backfill: an examination never keeps a delivery waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from connector.compiling import by_shape, needs_of
from connector.config import Config, Connector
from connector.examining import Finding, Level
from workers.behalf import on_behalf_of
from workers.desk import Desk

CALLS: Final = 4
"""An examination may take as long as so many calls at their slowest."""


def examine(desk: Desk, config: Config, connector: Connector) -> Sequence[Finding]:
    """Examine a connector's target; raises `connector.errors` where it cannot be asked."""
    target = desk.system_of(config, connector.target.connection).target
    if target is None:
        text = "this system cannot be written to"
        return [Finding(Level.PROBLEM, ("to", "connection"), text, "name another connection", "no_target")]
    site = desk.site(connector.target.connection, desk.ticks() + CALLS * desk.call.total_seconds())
    needs, settings = needs_of(connector), connector.target.settings
    with on_behalf_of(connector.uid, weight=connector.weight, lane="backfill"):
        if target.examine is None:
            return by_shape(site, target, settings, needs)
        return target.examine(site, settings, needs)
