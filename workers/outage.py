"""Tell of an outage once, again every half minute, and when it is over; not at every try.

A scanner asks four times a second and a receiver at every webhook: a line each would bury everything else, and the
disk with it, exactly when somebody reads the log.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

AGAIN: Final = 30.0
"""Seconds between two lines of an outage that goes on."""


class Outage:
    """Whether something that is asked again and again is away; threads may share it.

    ``what`` says what is wrong, ``again`` that it no longer is; ``ticks`` is monotonic seconds.
    """

    def __init__(
        self, log: logging.Logger, what: str, again: str, *, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._what, self._again, self._ticks = log, what, again, ticks
        self._lock = threading.Lock()
        self._since = 0.0
        self._said = 0.0
        self._count = 0

    def failed(self, why: object) -> None:
        """Note that it failed again."""
        with self._lock:
            now = self._ticks()
            self._count += 1
            if self._count == 1:
                self._since = now
            elif now - self._said < AGAIN:
                return
            self._said = now
            count, lasted = self._count, now - self._since
        if count == 1:
            self._log.warning("%s: %s", self._what, why)
        else:
            self._log.warning("%s: %s (for %.0f s now, %d times)", self._what, why, lasted, count)

    def over(self) -> None:
        """Note that it works."""
        if not self._count:
            return  # the usual way costs no lock
        with self._lock:
            count, lasted, self._count = self._count, self._ticks() - self._since, 0
        if count:
            self._log.warning("%s after %.0f s (%d failures)", self._again, lasted, count)
