"""Give every system's sandbox the same bones: a ledger of effects, fault switches, webhooks as values.

A sandbox is a stateful fake of a vendor's API: ``Call -> Answer``, no sockets, no clock.  Contract
tests call it directly; ``workers/sandbox.py`` serves it over HTTP for demo, chaos and bench.  The
judge of *once and in order* is the ledger, never our own logs.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request as the sandbox sees it; ``headers`` have lower-case names."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """Parse the body; an empty one is an empty object."""
        return json.loads(self.body) if self.body else {}

    def first(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        return next(iter(self.query.get(name, ())), default)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back.  ``drop`` cuts the connection instead; ``drip`` waits so many seconds a byte."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    drip: float = 0.0

    @classmethod
    def of(cls, status: int, document: Any = None, **headers: str) -> Answer:
        """Make a JSON answer; header names are given with ``_`` for ``-``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if document is None:
            return cls(status, b"", named)
        return cls(status, json.dumps(document).encode(), {"content-type": "application/json", **named})


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that really changed: who (``actor`` = account id) did what to which entity, in order.

    ``entity`` is the key people use; ``marker`` our marker where the request carried one; ``detail``
    what was written (JSON).
    """

    seq: int
    at: datetime
    actor: str
    action: str
    entity: str
    marker: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


class Ledger:
    """The append-only list of every effect."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []

    def add(self, at: datetime, actor: str, action: str, entity: str, marker: str = "", **detail: Any) -> Effect:
        """Write down that something changed."""
        effect = Effect(len(self.effects) + 1, at, actor, action, entity, marker, detail)
        self.effects.append(effect)
        return effect

    def duplicates(self) -> list[str]:
        """Return the markers that were *added* more than once: each is one effect too many."""
        count = Counter((e.marker, e.action) for e in self.effects if e.marker and e.action.startswith("add"))
        return sorted(marker for (marker, _), times in count.items() for _ in range(times - 1))

    def rows(self) -> list[dict[str, Any]]:
        """Return the effects as JSON."""
        return [{**asdict(e), "at": e.at.isoformat()} for e in self.effects]


@dataclass(slots=True)
class Fault:
    """A switch that spoils matching calls.

    ``kind``: ``status`` (answer ``status`` instead, nothing applied) · ``apply_then_status`` · ``drop``
    (cut the connection, nothing applied) · ``apply_then_drop`` · ``drip`` (apply, then answer slowly) ·
    ``rate_limit`` (the vendor's own 429 shape) · ``expired_token`` (the vendor's own 401 shape).
    ``method`` and ``path`` are regular expressions; ``times`` counts down, -1 is for ever.
    ``header`` are extra answer headers; ``retry_after`` in seconds.
    """

    kind: str
    path: str = ".*"
    method: str = ".*"
    times: int = -1
    status: int = 500
    retry_after: int | None = None
    header: Mapping[str, str] = field(default_factory=dict)
    seconds_per_byte: float = 0.0

    def matches(self, call: Call) -> bool:
        """Tell whether this fault spoils the call; does not count."""
        return (
            self.times != 0
            and re.fullmatch(self.method, call.method) is not None
            and re.fullmatch(self.path, call.path) is not None
        )


class Faults:
    """The switches that are on, and how each is applied around a handler."""

    def __init__(self) -> None:
        self.on: list[Fault] = []

    def run(
        self,
        call: Call,
        handle: Callable[[Call], Answer],
        refuse: Callable[[str, Fault], Answer],
    ) -> Answer:
        """Handle the call, spoilt by the first fault that matches it.

        ``refuse(kind, fault)`` gives the vendor's own shape for ``rate_limit`` and ``expired_token``.
        """
        fault = next((f for f in self.on if f.matches(call)), None)
        if fault is None:
            return handle(call)
        if fault.times > 0:
            fault.times -= 1
        match fault.kind:
            case "status":
                return Answer(
                    fault.status, b"<html>upstream error</html>", {"content-type": "text/html", **fault.header}
                )
            case "drop":
                return Answer(0, drop=True)
            case "apply_then_drop":
                handle(call)
                return Answer(0, drop=True)
            case "apply_then_status":
                handle(call)
                return Answer(
                    fault.status, b"<html>upstream error</html>", {"content-type": "text/html", **fault.header}
                )
            case "drip":
                good = handle(call)
                return Answer(good.status, good.body, good.headers, drip=fault.seconds_per_byte)
            case "rate_limit" | "expired_token":
                return refuse(fault.kind, fault)
            case _:
                message = f"no fault of kind {fault.kind!r}"
                raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook to deliver: POST ``body`` with ``headers`` to whoever subscribed.

    The server posts it and repeats it after each of ``retries`` while the answer is one of
    ``retry_on`` (or there is none); ``headers_on_retry`` are added then.  A vendor that signs each
    attempt anew or counts them gives ``again``: (time, number of the repeat from 1, why: ``timeout``,
    ``connection`` or ``status``) -> the headers of that repeat, laid over the first ones.  One that was installed
    through the vendor's API names its own ``url`` and goes nowhere else; ``told`` hears of each attempt when it was
    made and its status, 0 where no answer came.
    """

    name: str
    headers: Mapping[str, str]
    body: bytes
    retries: tuple[timedelta, ...] = ()
    retry_on: frozenset[int] = frozenset()
    headers_on_retry: Mapping[str, str] = field(default_factory=dict)
    again: Callable[[datetime, int, str], Mapping[str, str]] | None = None
    url: str = ""
    told: Callable[[datetime, int], None] | None = None


class Sandbox(Protocol):
    """What every system's sandbox offers.

    Calling it performs one request at time ``now``; ``hooks`` hands out (once) the webhooks that have
    become due; ``state`` is the whole content as JSON, for people and for the demo's last table.
    """

    ledger: Ledger
    faults: Faults

    def __call__(self, call: Call, now: datetime, /) -> Answer: ...

    def hooks(self, now: datetime, /) -> list[Hook]: ...

    def state(self) -> Mapping[str, Any]: ...
