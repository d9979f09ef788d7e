"""Remember on whose behalf a thread calls out, so that a connection's limits are shared by connector and lane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Asker:
    """Who calls: a connector (its uid; "" for what belongs to none, such as a probe), its weight, and the lane."""

    connector: str = ""
    weight: int = 1
    lane: str = "live"


_asker: Final[ContextVar[Asker]] = ContextVar("asker", default=Asker())  # noqa: B039 - it is frozen


def asker() -> Asker:
    """Return on whose behalf this thread calls."""
    return _asker.get()


@contextmanager
def on_behalf_of(connector: str, *, weight: int = 1, lane: str = "live") -> Iterator[None]:
    """Call on behalf of a connector until the block ends."""
    before = _asker.set(Asker(connector, weight, lane))
    try:
        yield
    finally:
        _asker.reset(before)
