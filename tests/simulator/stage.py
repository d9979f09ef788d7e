"""Run many simulated threads one at a time: each stops at every outside step, and whoever drives picks who goes on.

A thread is a greenlet.  What it does is the product's own code; only the doors to the outside (store, network,
doorbell) call `pause`.  A killed thread is thrown away as by SIGKILL: its clean-up code does run, since Python
unwinds it, but every door is shut by then (`Killed` again), so nothing of it can be seen outside.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """The process of this thread is no more; derived from BaseException so that no handler of the product catches it."""


class Broken(AssertionError):
    """A promise of the engine does not hold."""


class Own:
    """What each thread has of its own: `threading.local` for greenlets, which share one thread of the system."""

    def __init__(self, **first: Any) -> None:
        vars(self).update(_first=first, _of=WeakKeyDictionary())

    def __getattr__(self, name: str) -> Any:
        mine: dict[str, Any] = self._of.setdefault(getcurrent(), dict(self._first))
        return mine[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self._of.setdefault(getcurrent(), dict(self._first))[name] = value


@dataclass(eq=False)
class Thread:
    """One thread of a simulated process, stopped at ``where``."""

    name: str
    body: greenlet
    where: str = "start"
    wakes_at: float = 0.0
    """When a sleep is over, in the ms of whoever drives."""

    @property
    def over(self) -> bool:
        return bool(self.body.dead)


@dataclass(eq=False)
class Stage:
    """The threads of one simulated process."""

    threads: list[Thread] = field(default_factory=list)
    dead: bool = False
    steps: int = 0

    def spawn(self, name: str, run: Callable[[], object]) -> Thread:
        """Begin a thread; it does nothing before its first step."""

        def body() -> None:
            try:
                run()
            except Killed:
                return
            except Exception as error:
                raise Broken(f"{name} broke: {''.join(traceback.format_exception(error))}") from error

        thread = Thread(name, greenlet(body))
        self.threads.append(thread)
        return thread

    def step(self, thread: Thread) -> None:
        """Let a thread go on until it stops again or ends."""
        self.steps += 1
        thread.body.parent = getcurrent()
        thread.body.switch()
        self._sweep()

    def kill(self) -> None:
        """End the process: nothing of it can be seen outside from now on."""
        self.dead = True
        for thread in self.threads:
            if thread.body:  # it had begun
                thread.body.parent = getcurrent()
                thread.body.throw(Killed)
        self.threads.clear()

    def pause(self, where: str, *, until: float = 0.0) -> None:
        """Stop here until the thread is let go on; called by the doors, from inside a thread or (no stop) outside."""
        if self.dead:
            raise Killed
        here = getcurrent()
        thread = next((one for one in self.threads if one.body is here), None)
        if thread is None:
            return
        thread.where, thread.wakes_at = where, until
        parent = here.parent
        assert parent is not None
        parent.switch()
        if self.dead:
            raise Killed

    def _sweep(self) -> None:
        self.threads = [one for one in self.threads if not one.over]
