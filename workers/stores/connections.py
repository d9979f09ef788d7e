"""Hold what all connectors of a connection share: its limits, its breaker, its pause."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import Any, Final

from redis import Redis

from workers.stores.keys import connection_tag
from workers.stores.scripts import Command, run

RATE: Final = "rate"
"""The form of a bucket that fills steadily."""
ALIGNED: Final = "aligned"
"""... of one that is full again at whole multiples of its period (of the UTC hour)."""
STARTED: Final = "started"
"""... of one that is full again a period after the first call that it counted, or when the target says."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One limit as the scripts see it.

    ``form`` is `RATE`: one unit every ``gap`` microseconds, ``burst`` units at once; or a window of ``period``
    ms that holds ``burst`` units.  A call takes ``cost`` units.  ``shared`` between the connectors that ask.
    """

    name: str
    gap: int
    burst: int
    cost: int = 1
    form: str = RATE
    period: int = 0
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to a wish for tokens.

    ``calls`` granted, the first of them ``wait`` ms from now.  Where none are, ``wait`` ms until asking again
    makes sense, and ``kind`` why: ``limit`` (``bucket`` is empty), ``class`` (the endpoint class is closed),
    ``breaker`` or ``paused`` (the connection is).  A grant of kind ``probe`` is a counted probe of a breaker
    that is half open: its outcome is owed to `Connections.succeed` or `Connections.fail`.
    """

    calls: int
    wait: int = 0
    closed_until: int = 0
    kind: str = ""
    bucket: str = ""


@dataclass(frozen=True, slots=True)
class Closure:
    """An endpoint class that is closed until (ms), and why."""

    until: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Probes:
    """A half-open breaker: how many calls this round lets through, how many of them are still free, went well."""

    round: int
    left: int
    good: int


@dataclass(frozen=True, slots=True)
class State:
    """Whether a connection may be called: closed until (ms, 0 open), why, since when.

    ``classes`` are the endpoint classes that were closed alone; one whose moment has passed is open again.
    """

    closed_until: int = 0
    kind: str = ""
    why: str = ""
    since: int = 0
    failing: int = 0
    classes: Mapping[str, Closure] = field(default_factory=dict)
    probes: Probes | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a target said of one of its limits: ``left`` units, back in ``resets_in`` ms (None: not told)."""

    bucket: Bucket
    left: int
    resets_in: int | None = None


class _Holder(threading.local):
    """What the scripts know this thread by, and how often it has asked."""

    def __init__(self) -> None:
        self.pid = 0
        self.name = ""
        self.asked = 0

    def next(self) -> tuple[str, int]:
        """Return the name and the number of the next asking."""
        if self.pid != os.getpid():  # a fork must not go by its parent's name
            self.pid, self.name = os.getpid(), os.urandom(6).hex()
        self.asked += 1
        return self.name, self.asked


_holder: Final = _Holder()


class Connections:
    """The shared state of every connection."""

    def __init__(self, client: Redis, *, clock: Callable[[], int] | None = None) -> None:
        """``clock`` returns ms and is given by tests only."""
        # redis-py types every answer as str | bytes; ours are bytes (decode_responses is off).
        self.client: Any = client
        self._clock = clock

    def _run(self, name: str, connection: str, *arguments: Any) -> Any:
        return run(self.client, name, connection_tag(connection), self._clock() if self._clock else "", *arguments)

    def take(
        self,
        connection: str,
        buckets: Sequence[Bucket],
        calls: int = 1,
        *,
        patience: int = 0,
        endpoint: str = "",
        connector: str = "",
        weight: int = 1,
        lane: str = "live",
        back: Sequence[tuple[Bucket, int]] = (),
    ) -> Grant:
        """Take tokens for up to ``calls`` calls of class ``endpoint`` from every bucket at once, or for none.

        ``patience``: ms that the caller would wait for a token that is its own meanwhile.  ``back`` are units that
        were taken earlier and not used; with ``calls`` 0 they are only given back.
        """
        rows: list[Any] = [*chain.from_iterable((one.name, one.form, one.gap, units) for one, units in back)]
        for one in buckets if calls else ():
            rows += (one.name, one.form, one.gap, one.burst, one.cost, one.period, int(one.shared))
        name, number = _holder.next()
        head = (name, number, calls, patience, endpoint, connector, weight, lane, len(back))
        granted, wait, until, kind, bucket = self._run("take_tokens", connection, *head, *rows)
        return Grant(int(granted), int(wait), int(until), kind.decode(), bucket.decode())

    def lower(self, connection: str, told: Sequence[Told]) -> bool:
        """Believe a target that less is left than we think; True where it was less."""
        rows: list[Any] = []
        for one in told:
            bucket = one.bucket
            resets = -1 if one.resets_in is None else one.resets_in
            rows += (bucket.name, bucket.form, bucket.gap, bucket.burst, bucket.period, one.left, resets)
        return bool(rows) and bool(self._run("lower_tokens", connection, *rows))

    def left(self, connection: str, buckets: Sequence[Bucket]) -> dict[str, int]:
        """Return how many units each bucket holds, for people: nothing is taken."""
        pipeline = self.client.pipeline(transaction=False)
        tag = connection_tag(connection)
        pipeline.time()
        for one in buckets:
            if one.form == RATE:
                pipeline.get(f"{tag}tat:{one.name}")
            else:
                pipeline.hmget(f"{tag}win:{one.name}", "end", "used")
        (seconds, rest), *got = pipeline.execute()
        now = self._clock() * 1000 if self._clock else seconds * 1_000_000 + rest
        return {one.name: _left(one, value, now) for one, value in zip(buckets, got, strict=True)}

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

    def succeed(self, connection: str, *, probe: bool = False) -> bool:
        """Count a success, of a counted ``probe`` or of any call; True when that changed anything."""
        return bool(self._run("succeed", connection, "probe" if probe else ""))

    def close(self, connection: str, span: timedelta, kind: str, why: str, *, endpoint: str = "") -> int:
        """Close a connection, or only one class of its endpoints, for ``span``; returns until when (ms)."""
        return int(self._run("close_connection", connection, _ms(span), kind, why[:500], endpoint))

    def open(self, connection: str) -> None:
        """Open a connection whatever closed it."""
        self._run("succeed", connection, "any")

    def state(self, connection: str) -> State:
        """Return whether it may be called."""
        return self.states(connection)[connection]

    def states(self, *connections: str) -> dict[str, State]:
        """Return whether each may be called, in one round trip."""
        pipeline = self.client.pipeline(transaction=False)
        for command in self.asking(*connections):
            pipeline.execute_command(*command)
        return self.told(pipeline.execute(), *connections)

    @staticmethod
    def asking(*connections: str) -> list[Command]:
        """Return the commands that ask for the states of connections, for a caller that sends them beside others."""
        tags = [connection_tag(name) for name in dict.fromkeys(connections)]
        return [command for tag in tags for command in (("HGETALL", tag + "state"), ("ZCARD", tag + "failing"))]

    @staticmethod
    def told(answers: Sequence[Any], *connections: str) -> dict[str, State]:
        """Read the answers to `asking`."""
        names = dict.fromkeys(connections)
        return {name: _state(*answers[2 * number : 2 * number + 2]) for number, name in enumerate(names)}

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


def _state(got: Mapping[bytes, bytes] | Sequence[bytes], failing: int) -> State:
    # A list where the answer did not pass through the client's own reading.
    pairs = got if isinstance(got, Mapping) else dict(zip(got[::2], got[1::2], strict=True))
    text = {name.decode(): value.decode() for name, value in pairs.items()}
    return State(
        int(float(text.get("closed_until", 0))),
        text.get("kind", ""),
        text.get("why", ""),
        int(float(text.get("since", 0))),
        failing,
        {
            name.removeprefix("closed:"): Closure(
                int(float(until)), text.get("why:" + name.removeprefix("closed:"), "")
            )
            for name, until in text.items()
            if name.startswith("closed:")
        },
        Probes(int(text["half"]), int(text.get("left", 0)), int(text.get("good", 0))) if "half" in text else None,
    )


def _left(bucket: Bucket, value: Any, now: int) -> int:
    if bucket.form == RATE:
        tat = max(now, int(float(value or 0)))
        return max(0, (now + bucket.burst * bucket.gap - tat) // bucket.gap)
    ends, used = value
    over = ends is None or int(float(ends)) * 1000 <= now
    return bucket.burst if over else max(0, bucket.burst - int(float(used or 0)))


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
