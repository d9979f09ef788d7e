"""Try a draft before it is written: its connections are asked, nothing is stored, nothing is sent that writes.

What a connection may be asked is what a delivery may ask: the same transport, limits and guards, without a store.
"""

from __future__ import annotations

import itertools
import os
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from connector.config import Config, Connection, Connector
from connector.errors import ConnectorError
from connector.listed import Listed
from connector.registry import SYSTEMS
from workers.addresses import Guard, resolve
from workers.cli.probing import Finding, ends, probe
from workers.configuration import Source
from workers.desk import Desk
from workers.files import Secrets
from workers.logs import revealing
from workers.preview import Tried, each, newest
from workers.process import Process
from workers.setting_up.draft import Draft
from workers.settings import Settings

MOST_ROWS: Final = 1_000
"""Rows of a list that a person may choose from; a site with more is asked for a part of the name."""


LOOKED_AT: Final = 10
"""Items among which one is looked for that a connector wants."""


@dataclass(slots=True)
class Trial:
    """A draft as it would run, from the moment this is made."""

    config: Config
    desk: Desk

    @classmethod
    def of(cls, draft: Draft, settings: Settings) -> Trial:
        """Make the parts of a process that only looks; raises `ConfigError` where the draft does not load."""
        config = draft.config()
        process = Process(
            settings=settings,
            broker_url="",
            store_url="",
            source=Source(lambda: config, lambda: 0),
            reveal=revealing(Secrets(ChainMap(draft.secrets, os.environ))),
        )
        return cls(config, process.attach(None).desk())

    def probe(self, connection: str) -> list[Finding]:
        """Ask a connection who we are, and whether that is enough."""
        return list(probe(self.desk, self.config, self.config.connections[connection]))

    def ends(self, connector: str) -> list[Finding]:
        """Ask whether the source can be read and the mapped fields are there."""
        return list(ends(self.desk, self.config, self.config.connectors[connector]))

    def rows(self, connection: str, kind: str, query: Mapping[str, str]) -> tuple[list[Listed], bool]:
        """Read a list of a site, as far as a person may want to read; True where there is more of it.

        Raises a `ConnectorError`; where the system has no such list or the query lacks what it needs, no rows.
        """
        lister = SYSTEMS[self.config.connections[connection].system].lists.get(kind)
        if lister is None or not all(query.get(name) for name in lister.needs):
            return [], False
        known = {name: text for name, text in query.items() if name in {*lister.needs, *lister.takes}}
        site = self.desk.site(connection, self.desk.ticks() + 60)
        rows = list(itertools.islice(lister(site, known), MOST_ROWS + 1))
        return rows[:MOST_ROWS], len(rows) > MOST_ROWS

    def preview(self, connector: str) -> Tried | None:
        """Preview the newest item of the source that is not skipped, or the newest; None where there is none.

        Raises a `ConnectorError`.
        """
        one: Connector = self.config.connectors[connector]
        first: Tried | None = None
        for tried in each(self.desk, one, newest(self.desk, one, LOOKED_AT), books=None):
            first = first or tried
            if tried.verdict()[0] != "skip":
                return tried
        return first


def inside(connection: Connection) -> list[str]:
    """Return the addresses of a connection's host that lie inside the own network and are not permitted yet."""
    url = urlsplit(SYSTEMS[connection.system].base_url(connection.settings))
    guard = Guard(connection.http.private_addresses)
    try:
        found = resolve(url.hostname or "", url.port or 443, 5.0)
    except ConnectorError:
        return []  # the probe says so
    return [one for one in found if guard.objection(one, own=True) and not _allowing(one).objection(one, own=True)]


def network_of(address: str) -> str:
    """Return the network of one address, as ``http.private_addresses`` takes it."""
    return f"{address}/{128 if ':' in address else 32}"


def _allowing(address: str) -> Guard:
    return Guard((network_of(address),))
