"""Hold the switches that stop connectors: one, those of a team, all.

They stand beside the books because they also hold for what comes later: a connector that a stopped team adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis import Redis

from workers.stores.keys import STOPS

ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class Stop:
    """One switch: ``scope`` is `ALL`, ``team:<name>`` or ``connector:<uid>``; ``since`` in ms."""

    scope: str
    by: str
    why: str
    since: int

    @property
    def words(self) -> str:
        """Say what is stopped, by whom and why."""
        kind, _, name = self.scope.partition(":")
        whose = {"all": " with all others", "team": f" with team {name}"}.get(kind, "")
        return f"stopped{whose} by {self.by}: {self.why}"

    @property
    def option(self) -> str:
        """Return the option of ``connector start`` that turns it back."""
        kind, _, name = self.scope.partition(":")
        return f"--{kind} {name}".strip()


def team_scope(team: str) -> str:
    """Return the scope of a team's switch."""
    return f"team:{team}"


def connector_scope(uid: str) -> str:
    """Return the scope of one connector's switch."""
    return f"connector:{uid}"


def put(client: Redis, stop: Stop) -> bool:
    """Throw a switch; False where it is thrown already: who did it first, and why, stays."""
    asked: Any = client
    record = orjson.dumps({"v": 1, "by": stop.by, "why": stop.why, "since": stop.since})
    return bool(asked.hsetnx(STOPS, stop.scope, record))


def lift(client: Redis, scope: str) -> bool:
    """Turn a switch back; False where it is not thrown."""
    asked: Any = client
    return bool(asked.hdel(STOPS, scope))


def stops(client: Redis) -> dict[str, Stop]:
    """Return the switches that are thrown, by scope."""
    asked: Any = client
    return dict(_read(scope.decode(), orjson.loads(record)) for scope, record in sorted(asked.hgetall(STOPS).items()))


def _read(scope: str, got: Mapping[str, Any]) -> tuple[str, Stop]:
    return scope, Stop(scope, str(got["by"]), str(got["why"]), int(got["since"]))
