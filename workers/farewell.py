"""End a worker in time though its broker is silent, and say by the exit code whether it was asked to end.

Celery's own farewell (cancel the consumers, send the last events, close) talks to the broker in several steps, each
with the patience of a socket: a broker that hangs would keep a process for a minute that has nothing left to do.  What
may be left undone then is harmless: unacknowledged doorbells come back or expire.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Final

log = logging.getLogger("connector.app")

PATIENCE: Final = 5.0
"""Seconds that Celery gets for its farewell once the last turn is over."""

_ROUND: Final = 0.05


class Farewell:
    """Watches over one process's end.

    ``busy`` tells whether a turn runs; turns end by themselves within one call.  ``leave`` ends the process at once
    and is given the exit code; tests hand in something milder.
    """

    def __init__(
        self, busy: Callable[[], bool], *, leave: Callable[[int], object] = os._exit, patience: float = PATIENCE
    ) -> None:
        self.exit_code = 0
        self._busy, self._leave, self._patience = busy, leave, patience
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """The process was asked to end, and must be gone soon after its last turn; twice is once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="farewell", daemon=True)
            self._thread.start()

    def failed(self, code: int | None) -> None:
        """Note the exit code that Celery ends with; it returns it to nobody."""
        self.exit_code = code or 0

    def over(self) -> None:
        """The process ends by itself."""
        self._over.set()

    def _watch(self) -> None:
        while self._busy():
            if self._over.wait(_ROUND):
                return
        if not self._over.wait(self._patience):
            log.warning("the broker keeps this worker from ending; no turn runs, so it ends without a farewell")
            self._leave(0)
