"""Follow the published configuration, say what this process follows, and refuse what it cannot read.

A process that cannot load a version (it is an older version of the product, or somebody published past it) keeps the
one it has, says so in its log, and tells the store, where `connector status` and `connector plan` find it.  One that
starts takes the newest version that it can load.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version as version_of
from socket import gethostname
from typing import Any, Final

from connector.config import Config
from connector.errors import ConfigError, Problem
from connector.loading import resolved
from workers.bundle import Bundle
from workers.configuration import Source
from workers.quarantine import own_name
from workers.stores.client import open_store, time_of
from workers.stores.published import Follower, Published, Version
from workers.stores.records import UnknownFormat
from workers.stores.scripts import StoreError

log = logging.getLogger("connector.configuration")

NOTHING: Final = Config("default", {}, {}, hash="nothing")
"""What is in force before anything was published: no connection, no connector."""

AGAIN: Final = 3.0
"""Seconds between two signs of life of a follower."""

WHY: Final = 500
"""Characters of a refusal that are kept for people."""

PRODUCT: Final = version_of("jira-connector-workers")


def load(published: Published, version: Version) -> Config:
    """Load a version as it was published; raises `ConfigError`, also where its documents are not to be read."""
    where = f"version {version.number} ({version.hash})"
    packed = published.documents(version.hash)
    if packed is None:
        raise ConfigError((Problem(where, 0, "", "its documents are not in the store any more"),))
    try:
        config = Bundle.unpack(packed).load()
    except UnknownFormat as error:
        raise ConfigError((Problem(where, 0, "", str(error)),)) from error
    return _drained(config, version)


def _drained(config: Config, version: Version) -> Config:
    # The hash stays: what the files say is the same.
    return Config(
        config.instance,
        config.connections,
        config.connectors,
        version.hash,
        config.warnings,
        frozenset(version.draining),
    )


class Followed:
    """What is published, as this process follows it; `source` makes the `Source` of it.

    ``role`` says what the process is (``work``, ``receive``...); without one it only looks, and says nothing.
    """

    def __init__(self, published: Published, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self.published = published
        self.role = ""
        self.version: Version | None = None
        """The version in force in this process."""
        self.refused: tuple[Version | None, str] | None = None
        """The newest version, where it is not the one in force, and why."""
        self._ticks = ticks
        # With the host, because somebody may have to find it.
        self._name = f"{gethostname()}-{own_name()}"
        self._said: tuple[object, float] = (None, 0.0)

    def source(self) -> Source:
        """Return the source; raises `ConfigError` where nothing that is published can be loaded."""
        return Source(self.read, self.published.stamp, ticks=self._ticks, remote=True, told=self.tell)

    def read(self) -> Config:
        """Load the version in force; at first the newest that can be loaded."""
        try:
            newest = self.published.held()
        except UnknownFormat as error:
            return self._refuse(None, ConfigError((Problem("published configuration", 0, "", str(error)),)))
        if newest is None:
            if self.version is None:
                log.warning("nothing is published yet: no connector runs until `connector apply`")
                return NOTHING
            return self._refuse(None, _gone("the store has forgotten what was published: connector apply"))
        if self.version is not None and newest.number < self.version.number and newest.at <= self.version.at:
            told = f"the store went back to version {newest.number}, this process has {self.version.number}"
            return self._refuse(newest, _gone(f"{told}: connector apply"))
        try:
            config = load(self.published, newest)
        except ConfigError as error:
            return self._refuse(newest, error)
        self.version, self.refused = newest, None
        return config

    def _refuse(self, newest: Version | None, error: ConfigError) -> Config:
        self.refused = newest, str(error)[:WHY]
        if self.version is not None:
            raise error
        for earlier in self.published.versions():
            if newest is not None and earlier.number >= newest.number:
                continue
            try:
                config = load(self.published, earlier)
            except ConfigError:
                continue
            log.error("what is published cannot be loaded here, version %d is in force:\n%s", earlier.number, error)
            self.version = earlier
            return config
        raise error

    def resolved(self, connector: str) -> dict[str, Any]:
        """Return what a connector says with its template merged in; raises `ConfigError` where there is none."""
        packed = self.published.documents(self.version.hash) if self.version is not None else None
        bundle = Bundle.unpack(packed) if packed is not None else Bundle({})
        return resolved(bundle.files, connector, bundle.templates, variables=bundle.variables)

    def serve_as(self, role: str, current: Config) -> None:
        """Say from now on what this process is and what it follows."""
        self.role = role
        # Where the store is away just now, the next look says it.
        with suppress(StoreError):
            self.tell(current)

    def leave(self) -> None:
        """Say that this process ends."""
        role, self.role = self.role, ""
        if role:
            # Where the store is away, silence says it too.
            with suppress(StoreError):
                self.published.leave(self._name)

    def tell(self, current: Config) -> None:
        """Say what this process follows, where that has changed or was said long ago."""
        if not self.role:
            return
        newest, why = self.refused or (self.version, "")
        said = (self.version, newest, why)
        if said == self._said[0] and self._ticks() - self._said[1] < AGAIN:
            return
        self.published.announce(
            Follower(
                name=self._name,
                role=self.role,
                at=time_of(self.published.client),
                number=self.version.number if self.version else 0,
                hash=current.hash,
                newest=newest.number if newest else 0,
                refused=why,
                product=PRODUCT,
            )
        )
        self._said = said, self._ticks()


def _gone(told: str) -> ConfigError:
    return ConfigError((Problem("published configuration", 0, "", told),))


def followed(store_url: str) -> Followed:
    """Open what is published in a store."""
    return Followed(Published(open_store(store_url, connections=2)))
