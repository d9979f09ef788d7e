"""Bring the books of one connector on their way again after their store went back in time, or lost everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from workers.stores.records import Bell, bells_of
from workers.stores.views import Halt


class Losses:
    """What `workers.recovery` and `workers.rebuild` do under a connector's tag; see ``lua/epoch.lua``."""

    client: Any
    tag: str

    _run: Any
    """Runs a script on these books: `Deliveries`."""

    def recovered(self, halt: Halt, doubt_until: int, audit: str) -> tuple[bool, tuple[Bell, ...]]:
        """Go on after a halt; False where another one was noticed since, or somebody was faster.

        ``doubt_until``: ms; what is accepted until then may have been worked on before.
        """
        done, *bells = self._run("recovered", halt.at, doubt_until, audit)
        return bool(done), tuple(bells_of(bells))

    def halt_for_rebuild(self, audit: str) -> Halt:
        """Let nothing be written while a person has the books rebuilt."""
        at, since = self._run("halt", audit)
        return Halt("rebuild", int(at), int(since))

    def keep_recalled(self, things: Mapping[str, str], cursor: Mapping[str, Any]) -> None:
        """Keep what was found of ours in the target (effect -> entity JSON), and how far that has come."""
        pipeline = self.client.pipeline(transaction=True)
        if things:
            pipeline.hset(self.tag + "recalled", mapping=dict(things))
        pipeline.hset(self.tag + "cursor", "recall", orjson.dumps(cursor))
        pipeline.execute()

    def recalled(self, effects: Sequence[str]) -> dict[str, str]:
        """Return those of the effects that were found in the target, with their entity as JSON."""
        found = self.client.hmget(self.tag + "recalled", list(effects)) if effects else []
        return {effect: one.decode() for effect, one in zip(effects, found, strict=True) if one is not None}

    def relink(self, links: Sequence[tuple[str, str, str]], cursor: Mapping[str, Any]) -> int:
        """Make links anew (source, target, record), and note how far that has come; returns how many were missing."""
        flat = [part for link in links for part in link]
        return int(self._run("relink", "retrace", orjson.dumps(cursor), *flat))

    def rebuilt(self, halt: Halt, doubt_from: int, doubt_until: int, audit: str) -> tuple[bool, tuple[Bell, ...]]:
        """Use the books again; False where they went back once more since.  Times in ms."""
        done, *bells = self._run("rebuilt", halt.at, doubt_from, doubt_until, audit)
        return bool(done), tuple(bells_of(bells))

    def claim_recovery(self, span: int) -> bool:
        """Win the right to recover; nobody else does for ``span`` ms, or until it is given back."""
        return bool(self.client.set(self.tag + "recovering", "1", px=max(1, span), nx=True))

    def give_recovery_back(self) -> None:
        """Let somebody else try."""
        self.client.delete(self.tag + "recovering")

    def set_cursor(self, field: str, value: Mapping[str, Any]) -> None:
        """Write down where to read from."""
        self.client.hset(self.tag + "cursor", field, orjson.dumps(value))

    def drop_cursor(self, *fields: str) -> None:
        """Forget where a poll was."""
        self.client.hdel(self.tag + "cursor", *fields)
