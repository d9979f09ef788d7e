"""Follow the configuration, in files or published: take up a good change in seconds, refuse a bad one aloud."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from connector.config import Config
from connector.errors import ConfigError
from workers.outage import Outage
from workers.stores.scripts import StoreError

log = logging.getLogger("connector.configuration")


class Source:
    """Where the configuration in force comes from.

    ``read`` loads and checks it (raises `ConfigError`); ``stamp`` returns something that differs when
    it may have changed and is cheap to ask for.  ``every`` is seconds between two looks.  ``remote``: a look asks
    the store, so it may take seconds and is nothing for an event loop; while the store is away what is in force
    stays.  ``told`` is called after each look, with what is in force.
    """

    def __init__(
        self,
        read: Callable[[], Config],
        stamp: Callable[[], object],
        *,
        every: float = 1.0,
        ticks: Callable[[], float] = time.monotonic,
        remote: bool = False,
        told: Callable[[Config], None] = lambda _: None,
    ) -> None:
        self._read, self._stamp, self._told = read, stamp, told
        self._every, self._ticks = every, ticks
        self.remote = remote
        self._outage = Outage(log, "no look at the published configuration", "the published configuration is followed")
        self._seen = stamp()
        self._looked = ticks()
        self.current: Config = read()

    def follow(self) -> Config:
        """Return the configuration in force, after a look if the last one is long ago."""
        if self._ticks() - self._looked < self._every:
            return self.current
        self._looked = self._ticks()
        try:
            self._look()
            self._told(self.current)
        except StoreError as error:
            self._outage.failed(f"{error}; {self.current.hash} stays in force")
        else:
            self._outage.over()
        return self.current

    def _look(self) -> None:
        seen = self._stamp()
        if seen == self._seen:
            return
        try:
            fresh = self._read()
        except ConfigError as error:
            self._seen = seen
            log.error("the changed configuration is refused, %s stays in force:\n%s", self.current.hash, error)  # noqa: TRY400 - its problems are the message
            return
        # Only now: what the store could not give is asked for again.
        self._seen = seen
        if (fresh.hash, fresh.draining) != (self.current.hash, self.current.draining):
            log.warning("configuration %s is in force (before: %s)", fresh.hash, self.current.hash)
            self.current = fresh


class Following(threading.Thread):
    """Follow a source once a second, for a process in which nobody else does so beside an event loop."""

    def __init__(self, source: Source) -> None:
        super().__init__(name="following", daemon=True)
        self.over = threading.Event()
        self._source = source

    def run(self) -> None:
        """Follow until told to stop."""
        while not self.over.wait(1.0):
            self._source.follow()
