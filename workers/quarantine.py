"""Try what may have killed its worker in a process of its own, one letter at a time, so that only it can suffer.

A worker that dies takes along everything that was in flight beside the culprit.  Its death therefore accuses nobody:
the letters become *suspects*, which ordinary turns do not touch.  A worker whose scanner sees suspects starts a
child (``connector quarantine``), which delivers them by the ordinary way, in turns of one letter at a time, and
ends when none are left.  A child that dies as well has shown which letter it was; its parent sees that at
once, the store at the latest when the turn's slot expires.

Weakness: what only kills a process together with its neighbours (all of them in memory at once) survives alone,
and is free again; so it may take several workers along before it is seen to be no single letter's fault.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from workers.delivery import Turn, run_alone
from workers.desk import Desk
from workers.embedded import ends_with_parent

log = logging.getLogger("connector.quarantine")

SHIFT: Final = 30.0
"""Seconds after which a child begins no further turn: a process that never ends could hang unnoticed."""

CALM: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds to wait before the next child after the first, second... that could not work."""


def work_off(desk: Desk, *, shift: float = SHIFT) -> Turn:
    """Try the suspects of every connector until there are none, ``shift`` seconds are over or we are told to stop."""
    until = desk.ticks() + shift
    done = Turn()
    while not desk.stopping() and desk.ticks() < until:
        turns = [run_alone(desk, name) for name in desk.config().connectors]
        for turn in turns:
            done.join(turn)
        if not any(turn.worked for turn in turns):
            break
    return done


class Children:
    """The quarantine processes of one worker: one at a time, gone with their parent, none that hangs."""

    def __init__(
        self,
        name: str,
        *,
        limit: float,
        environment: Mapping[str, str],
        program: Sequence[str] = (sys.executable, "-m", "workers.cli", "quarantine"),
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """``name`` is unique to this process; ``limit``: seconds after which a child is killed."""
        self._name, self._limit, self._environment, self._program = name, limit, dict(environment), tuple(program)
        self._ticks = ticks
        self._wanted = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._busy = self._closed = False
        self._number = self._failures = 0
        self._not_before = 0.0
        self._died: list[str] = []
        self._thread: threading.Thread | None = None

    def able(self) -> bool:
        """Tell whether a child could be started now."""
        with self._lock:
            return not (self._busy or self._closed) and self._ticks() >= self._not_before

    def start(self) -> None:
        """Start a child soon; the thread that starts it stays with it to its end."""
        with self._lock:
            if self._busy or self._closed:
                return
            self._busy = True
            if self._thread is None:
                # The kernel ends a child with the thread that started it, so this one must live as long as we do.
                self._thread = threading.Thread(target=self._run, name="quarantine", daemon=True)
                self._thread.start()
        self._wanted.release()

    def died(self) -> tuple[str, ...]:
        """Return the names of those that have died and not been `reported` yet."""
        with self._lock:
            return tuple(self._died)

    def reported(self, names: Sequence[str], /) -> None:
        """Note that the store knows of these deaths."""
        with self._lock:
            self._died = [one for one in self._died if one not in names]

    def close(self, *, patience: float = 0.0) -> None:
        """Ask the child to end, as we do: after the call it is in; wait ``patience`` seconds for it."""
        with self._lock:
            self._closed = True
            if self._child is not None and self._child.returncode is None:
                self._child.terminate()
        self._wanted.release()
        if patience and self._thread is not None:
            self._thread.join(patience)

    def _run(self) -> None:
        while True:
            self._wanted.acquire()
            with self._lock:
                if self._closed:
                    return
                self._number += 1
                name = f"{self._name}{self._number:x}"
            try:
                code = self._one(name)
            except OSError as error:
                log.error("no quarantine could be started: %s", error)  # noqa: TRY400 - the traceback says nothing more
                code = 1
            with self._lock:
                self._busy = False
                # One that was ended by a signal died of a letter, and there are only so many deaths to a letter;
                # one that ended by itself could not work, and the next will hardly fare better.
                self._failures = self._failures + 1 if code > 0 else 0
                if code < 0:
                    self._died.append(name)
                if code > 0:
                    self._not_before = self._ticks() + CALM[min(self._failures, len(CALM)) - 1]

    def _one(self, name: str) -> int:
        child = subprocess.Popen(
            [*self._program, "--as", name],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            preexec_fn=ends_with_parent(),  # noqa: PLW1509 - two system calls, no Python lock
        )
        with self._lock:
            self._child = child
            if self._closed:
                child.terminate()
        log.info("suspects are tried alone, in process %d", child.pid)
        try:
            code = child.wait(self._limit)
        except subprocess.TimeoutExpired:
            log.error("the quarantine (process %d) hangs and is killed", child.pid)  # noqa: TRY400 - no traceback is of use
            child.kill()
            code = child.wait()
        if code:
            log.warning("the quarantine (process %d) ended with code %d", child.pid, code)
        return code


def own_name() -> str:
    """Return a name for this process that no other has."""
    return f"{os.getpid():x}{os.urandom(3).hex()}"


__all__ = ["Children", "own_name", "work_off"]
