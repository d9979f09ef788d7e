"""Hold what all connectors of a connection share: its limits, its breaker, its pause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from redis import Redis

from workers.stores.keys import connection_tag
from workers.stores.scripts import run


@dataclass(frozen=True, slots=True)
class Bucket:
    """One limit as GCRA sees it: ``gap`` microseconds a unit, ``burst`` units at once, ``cost`` units a call."""

    name: str
    gap: int
    burst: int
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to a wish for tokens.

    ``calls`` granted; where that is 0, ``wait`` ms until asking again makes sense, and ``kind`` why:
    ``limit``, ``breaker``, ``paused`` (the connection is closed) or a limit of our own.
    """

    calls: int
    wait: int = 0
    closed_until: int = 0
    kind: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """Whether a connection may be called: closed until (ms, 0 open), why, since when."""

    closed_until: int = 0
    kind: str = ""
    why: str = ""
    since: int = 0
    failing: int = 0


class Connections:
    """The shared state of every connection."""

    def __init__(self, client: Redis, *, clock: Callable[[], int] | None = None) -> None:
        """``clock`` returns ms and is given by tests only."""
        # redis-py types every answer as str | bytes; ours are bytes (decode_responses is off).
        self.client: Any = client
        self._clock = clock

    def _run(self, name: str, connection: str, *arguments: Any) -> Any:
        return run(self.client, name, connection_tag(connection), self._clock() if self._clock else "", *arguments)

    def take(self, connection: str, buckets: Sequence[Bucket], calls: int = 1) -> Grant:
        """Take tokens for up to ``calls`` calls from every bucket at once, or for none."""
        flat: list[Any] = []
        for bucket in buckets:
            flat += (bucket.name, bucket.gap, bucket.burst, bucket.cost)
        granted, wait, until, kind = self._run("take_tokens", connection, calls, *flat)
        return Grant(granted, wait, until, kind.decode())

    def fail(
        self,
        connection: str,
        entity: str,
        why: str,
        *,
        entities: int = 3,
        first: timedelta = timedelta(seconds=5),
        longest: timedelta = timedelta(minutes=2),
    ) -> int:
        """Count a passing failure; returns until when (ms) the breaker closed the connection, 0 if not."""
        return int(self._run("fail", connection, entity, entities, _ms(first), _ms(longest), why[:500]))

    def succeed(self, connection: str) -> bool:
        """Count a success; True when that shut an open breaker or forgot failures."""
        return bool(self._run("succeed", connection, ""))

    def close(self, connection: str, span: timedelta, kind: str, why: str) -> int:
        """Close a connection for ``span``; returns until when (ms)."""
        return int(self._run("close_connection", connection, _ms(span), kind, why[:500]))

    def open(self, connection: str) -> None:
        """Open a connection whatever closed it."""
        self._run("succeed", connection, "any")

    def state(self, connection: str) -> State:
        """Return whether it may be called."""
        return self.states(connection)[connection]

    def states(self, *connections: str) -> dict[str, State]:
        """Return whether each may be called, in one round trip."""
        names = tuple(dict.fromkeys(connections))
        pipeline = self.client.pipeline(transaction=False)
        for name in names:
            pipeline.hgetall(connection_tag(name) + "state")
            pipeline.zcard(connection_tag(name) + "failing")
        got = pipeline.execute()
        return {name: _state(*got[2 * number : 2 * number + 2]) for number, name in enumerate(names)}

    def claim_probe(self, connection: str, span: timedelta) -> bool:
        """Win the right to probe a paused connection; nobody else does for ``span``."""
        return bool(self.client.set(connection_tag(connection) + "probe", "1", px=_ms(span), nx=True))

    def count_calls(self, connection: str, calls: dict[str, int]) -> None:
        """Add to the number of API calls by endpoint class."""
        pipeline = self.client.pipeline(transaction=False)
        for endpoint, number in calls.items():
            pipeline.hincrby(connection_tag(connection) + "calls", endpoint, number)
        pipeline.execute()

    def calls(self, connection: str) -> dict[str, int]:
        """Return the number of API calls by endpoint class."""
        got = self.client.hgetall(connection_tag(connection) + "calls")
        return {name.decode(): int(value) for name, value in got.items()}


def _state(pairs: Mapping[bytes, bytes], failing: int) -> State:
    text = {name.decode(): value.decode() for name, value in pairs.items()}
    return State(
        int(float(text.get("closed_until", 0))),
        text.get("kind", ""),
        text.get("why", ""),
        int(float(text.get("since", 0))),
        failing,
    )


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
