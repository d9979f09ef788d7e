"""Hand HTTP, secrets and time to the systems as values, so that they run on a script of answers."""

from __future__ import annotations

import json as _json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Secret:
    """A credential in memory that cannot be printed, logged, compared by accident or serialised."""

    _value: str

    def reveal(self) -> str:
        """Return the credential; the only way to it, so that uses can be found by name."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> tuple[Any, ...]:
        message = "a secret cannot be pickled"
        raise TypeError(message)


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a credential is kept: ``env:NAME`` or ``file:/path``.  Configuration holds only these."""

    scheme: str
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}"


Reveal = Callable[[SecretRef], Secret]
"""Turns a reference into the credential; raises `errors.Unauthorized` where there is none."""


@dataclass(frozen=True, slots=True)
class Request:
    """One outbound HTTP call.

    ``path`` is relative to the connection's base URL (``/rest/api/3/issue``) or an absolute URL on a
    host that the system allows.  Give ``json`` or ``body``, not both.  ``endpoint`` is the class a
    rate limit speaks of, ``cost`` its price in points, ``entity`` names what per-entity write limits
    count by.  ``writes`` is False only for calls that change nothing; redirects are followed only
    for those.
    """

    method: str
    path: str
    query: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    body: bytes | None = None
    endpoint: str = "rest"
    cost: int = 1
    entity: str = ""

    @property
    def writes(self) -> bool:
        """True unless the call cannot change anything; a search by POST sets ``endpoint='search'``."""
        return self.method not in {"GET", "HEAD", "OPTIONS"} and self.endpoint != "search"

    def content(self) -> bytes | None:
        """Return the bytes to send, None for no body."""
        if self.json is None:
            return self.body
        return _json.dumps(self.json, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer; ``headers`` have lower-case names."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """Parse the body; raises ValueError where it is not JSON."""
        return _json.loads(self.body)


class Transport(Protocol):
    """Sends a request and returns a *good* answer.

    It adds credentials, takes rate-limit tokens, holds the deadlines, follows redirects of reads,
    and raises the error that the system's ``refusal`` names for a bad one: `errors.Retryable`,
    `RateLimited`, `Stale`, `Unauthorized`, `Forbidden` or `Rejected`.
    """

    def __call__(self, request: Request, /) -> Response:
        """Send it."""
        ...


class Memory(Protocol):
    """Keeps what was learnt about a site (its field list, its users) for a while, per connection."""

    def __call__(self, key: str, life: timedelta, load: Callable[[], Any], /) -> Any:
        """Return what is kept under ``key``, or load it and keep it for ``life``."""
        ...


def forgetful(_key: str, _life: timedelta, load: Callable[[], Any], /) -> Any:
    """Be a `Memory` that keeps nothing."""
    return load()


@dataclass(frozen=True, slots=True)
class Site:
    """A connection as its system sees it: settings, a way to call it, the time, a memory.

    ``settings`` is the object that the system's connection schema loads; ``instance`` goes into
    markers; ``now`` is an aware time in UTC.
    """

    connection: str
    settings: Any
    send: Transport
    now: Callable[[], datetime]
    instance: str = "default"
    memory: Memory = forgetful
