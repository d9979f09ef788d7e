"""Keep the processes of one machine running: start, name their output, restart with back-off, stop together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Final

from workers.embedded import ends_with_parent

GRACE: Final = 45.0
"""Seconds that children get to end by themselves: more than one outbound call may take."""

CALM: Final = 30.0
"""Seconds a child must have run for its failures to be forgotten."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process: its name in the output, the connector command it runs, and variables of its own.

    One that is ``once`` is not started again, however it ended.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    once: bool = False


class Supervisor:
    """Runs children until told to stop; see `run`."""

    def __init__(
        self,
        children: Sequence[Child],
        environment: Mapping[str, str],
        *,
        output: IO[str] | None = None,
        grace: float = GRACE,
        program: Sequence[str] = (sys.executable, "-m", "workers.cli"),
    ) -> None:
        """``grace`` is in seconds; ``program`` is what a child's command is given to, and is for tests."""
        self._children = list(children)
        self._environment = dict(environment)
        self._output = output or sys.stdout
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._grace = grace
        self._program = program
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start every child, each watched by a thread of its own."""
        for child in self._children:
            threading.Thread(target=self._watch, args=(child,), name=child.name, daemon=True).start()

    def run(self) -> int:
        """Start, wait for SIGINT, SIGTERM or SIGHUP, stop; returns the exit code.

        Asked a second time, children are ended at once: what they held is found by the next start.
        """
        asked = threading.Event()

        def ask(*_: object) -> None:
            if asked.is_set():
                self._hurry.set()
            asked.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, ask)
        self.start()
        asked.wait()
        self.stop()
        return 0

    def stop(self) -> None:
        """Ask all children to end, wait, and end those that don't."""
        self._stopping.set()
        limit = time.monotonic() + self._grace
        with self._lock:
            running = list(self._running.items())
        for _, process in running:
            process.terminate()
        for name, process in running:
            while process.poll() is None and time.monotonic() < limit and not self._hurry.is_set():
                self._hurry.wait(0.05)
            if process.poll() is None:
                self._say(name, "does not end and is killed\n")
                process.kill()
                process.wait()

    def pid(self, name: str) -> int | None:
        """Return the process id of a running child."""
        with self._lock:
            process = self._running.get(name)
        return process.pid if process is not None and process.poll() is None else None

    def _watch(self, child: Child) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            process = subprocess.Popen(
                [*self._program, *child.command],
                env={**self._environment, **child.environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                errors="replace",
                bufsize=1,
                # A Ctrl-C in the terminal must reach the children through us, in order.
                start_new_session=True,
                # Should we be killed, they must not go on without the servers that end with us.
                preexec_fn=ends_with_parent(),  # noqa: PLW1509 - it makes two system calls, no Python lock
            )
            with self._lock:
                self._running[child.name] = process
            if self._stopping.is_set():
                process.terminate()
            if process.stdout is not None:
                for line in process.stdout:
                    self._say(child.name, line)
            code = process.wait()
            if self._stopping.is_set():
                return
            if child.once:
                self._say(child.name, "has ended\n" if not code else f"ended with code {code}; all else goes on\n")
                return
            failures = 0 if time.monotonic() - began > CALM else failures + 1
            wait = min(30.0, 0.5 * 2**failures)
            self._say(child.name, f"ended with code {code}; starting again in {wait:.0f} s\n")
            self._stopping.wait(wait)

    def _say(self, name: str, line: str) -> None:
        with self._lock:
            self._output.write(f"{name:>9} | {line if line.endswith(os.linesep) else line + os.linesep}")
            self._output.flush()
