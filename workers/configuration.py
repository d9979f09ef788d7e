"""Follow the configuration files: a good change is taken up within seconds, a bad one is refused aloud."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from connector.config import Config
from connector.errors import ConfigError

log = logging.getLogger("connector.configuration")


class Source:
    """Where the configuration in force comes from.

    ``read`` loads and checks it (raises `ConfigError`); ``stamp`` returns something that differs when
    the files may have changed and is cheap to ask for.  ``every`` is seconds between two looks.
    """

    def __init__(
        self,
        read: Callable[[], Config],
        stamp: Callable[[], object],
        *,
        every: float = 1.0,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._stamp = read, stamp
        self._every, self._ticks = every, ticks
        self._seen = stamp()
        self._looked = ticks()
        self.current: Config = read()

    def follow(self) -> Config:
        """Return the configuration in force, after a look at the files if the last one is long ago."""
        if self._ticks() - self._looked < self._every:
            return self.current
        self._looked = self._ticks()
        seen = self._stamp()
        if seen != self._seen:
            self._seen = seen
            try:
                fresh = self._read()
            except ConfigError as error:
                log.error("the changed configuration is refused, %s stays in force:\n%s", self.current.hash, error)  # noqa: TRY400 - its problems are the message
                return self.current
            if fresh.hash != self.current.hash:
                log.warning("configuration %s is in force (before: %s)", fresh.hash, self.current.hash)
                self.current = fresh
        return self.current
