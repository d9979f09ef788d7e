"""Read a list of a connection to its end, however many pages it has and however slowly they may be asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from connector.errors import RateLimited
from connector.listed import Listed, Lister
from connector.ports import Request, Response, Site
from workers.behalf import on_behalf_of
from workers.cli.output import errors, progressing
from workers.cli.parts import parts, wired

PATIENCE: Final = 600
"""Seconds that one list may take; Slack tells ten thousand people in fifty pages, of which it gives twenty a minute."""

_UNTOLD: Final = timedelta(seconds=5)
"""How long to wait for a limit that does not say when it opens."""


def read(connection: str, lister: Lister, kind: str, query: Mapping[str, str], *, quiet: bool) -> list[Listed]:
    """Return all rows; ``quiet`` shows no progress.  Raises `connector.errors` as the connection answers.

    It is asked for in the lane of a backfill, so that it keeps no delivery waiting.
    """
    process, running = parts()
    until = time.monotonic() + PATIENCE
    site = wired(process, offline=not running).desk().site(connection, until)
    found: list[Listed] = []
    with (
        progressing(quiet=quiet or not errors.is_terminal, where=errors) as progress,
        on_behalf_of("", lane="backfill"),
    ):
        told = f"reading {kind} of {connection}"
        bar = progress.add_task(f"{told}:", total=None)

        def waiting(seconds: float) -> None:
            progress.update(bar, description=f"{told}, waiting {seconds:.0f} s for the limit of calls:")
            time.sleep(seconds)
            progress.update(bar, description=f"{told}:")

        for row in lister(patient(site, until, waiting), query):
            found.append(row)
            progress.update(bar, completed=len(found))
    return found


def patient(
    site: Site, until: float, wait: Callable[[float], None], ticks: Callable[[], float] = time.monotonic
) -> Site:
    """Return a site whose reads wait for a limit, as long as it opens before ``until`` (of ``ticks``, in seconds).

    A turn of a worker never waits for a limit, because it has others to work on; a person who asks has not.  For
    reads only: what was refused is sent again.
    """

    def send(request: Request) -> Response:
        while True:
            try:
                return site.send(request)
            except RateLimited as error:
                seconds = max((error.retry_after or _UNTOLD).total_seconds(), 0.1)
                if request.writes or ticks() + seconds >= until:
                    raise
                wait(seconds)

    return replace(site, send=send)
