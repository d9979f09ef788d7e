"""Get a command the parts of this process, with or without servers."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from workers.cli.output import USAGE, fail

if TYPE_CHECKING:
    from connector.config import Config, Connector
    from workers.process import Process
    from workers.wiring import Wiring


def parts(*, need_servers: bool = False) -> tuple[Process, bool]:
    """Return the process and whether broker and store are there; raises `NoServers` where they must be."""
    from workers.process import NoServers, offline_process, this_process

    try:
        return this_process(), True
    except NoServers:
        if need_servers:
            raise
        return offline_process(), False


def wired(process: Process, *, offline: bool = False) -> Wiring:
    """Return the parts of the process, with a way to ring that works from the command line."""
    if process.attached:
        return process.wiring
    if offline:
        return process.attach(None)
    # The Celery application is made of this very process and gives it its doorbell.
    from workers.app import process as same

    return same.wiring


def connector_named(process: Process, name: str) -> Connector:
    """Return a connector by its name; ends with a suggestion where there is none."""
    return named_in(process.source.current, name)


def named_in(config: Config, name: str) -> Connector:
    """Return a connector of a configuration by its name; ends with a suggestion where there is none."""
    found = config.connectors.get(name)
    if found is None:
        known = sorted(config.connectors)
        near = difflib.get_close_matches(name, known, 1)
        fail(
            f"there is no connector {name!r}"
            + (f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known) or 'none'}"),
            USAGE,
        )
    return found
