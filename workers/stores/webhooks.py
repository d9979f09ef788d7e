"""Remember of each connection's webhooks what no system can tell: what arrived here, and where they have pointed.

That is how a webhook of an earlier public URL is known to be ours and not another installation's, how strays are found
in repositories that nobody follows any more, and how `connector webhook test` sees that a round trip ended here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from redis import Redis

from workers.stores.keys import connection_tag

MOST: Final = 20
"""Public URLs that are remembered: a tunnel without a name of its own gets a new one at every start."""
_BUSY: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A webhook that arrived: when (ms), and what became of it."""

    at: int
    what: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a connection's webhooks; ``urls`` the newest last, ``places`` where any were installed."""

    proven: Sighting | None = None
    refused: Sighting | None = None
    urls: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


class Busy(Exception):
    """Somebody else installs this connection's webhooks just now."""


class Webhooks:
    """What is remembered of the webhooks of every connection."""

    def __init__(self, client: Redis) -> None:
        # redis-py types every answer as str | bytes; ours are bytes (decode_responses is off).
        self.client: Any = client

    def arrived(self, connection: str, sighting: Sighting, *, proven: bool) -> None:
        """Note the last webhook that was proven to come from its source, or the last that was not taken."""
        word = "proven" if proven else "refused"
        told = {word: sighting.at, f"{word}_what": sighting.what[:300]}
        self.client.hset(connection_tag(connection) + "hook", mapping=told)

    def known(self, connection: str) -> Known:
        """Return what is known."""
        got: Mapping[bytes, bytes] = self.client.hgetall(connection_tag(connection) + "hook")
        found = {name.decode(): value.decode() for name, value in got.items()}
        return Known(
            _sighting(found, "proven"),
            _sighting(found, "refused"),
            tuple(json.loads(found.get("urls", "[]"))),
            tuple(json.loads(found.get("places", "[]"))),
        )

    def remember(self, connection: str, url: str, places: Sequence[str]) -> None:
        """Remember a public URL, *before* anything is installed for it, and the places that have webhooks."""
        known = self.known(connection)
        urls = [*(one for one in known.urls if one != url), url][-MOST:]
        self.client.hset(
            connection_tag(connection) + "hook",
            mapping={"urls": json.dumps(urls), "places": json.dumps(sorted({*known.places, *places}))},
        )

    def forget_places(self, connection: str, places: Sequence[str]) -> None:
        """Forget places that have no webhook of ours any more."""
        left = sorted(set(self.known(connection).places) - set(places))
        self.client.hset(connection_tag(connection) + "hook", "places", json.dumps(left))

    @contextmanager
    def alone(
        self, connection: str, patience: float = 0.0, rest: Callable[[float], None] = time.sleep
    ) -> Iterator[None]:
        """Be the only one who installs: two who both find none would make two.  Raises `Busy` after ``patience`` s."""
        key = connection_tag(connection) + "hooking"
        until = time.monotonic() + patience
        while not self.client.set(key, "1", nx=True, px=_ms(_BUSY)):
            if time.monotonic() >= until:
                raise Busy(f"somebody else installs the webhooks of {connection} just now; try again in a minute")
            rest(0.2)
        try:
            yield
        finally:
            self.client.delete(key)

    def looked_after(self, connection: str, mark: str, span: timedelta) -> None:
        """Note that all is as ``mark`` says, so that nobody need look for ``span``."""
        self.client.set(connection_tag(connection) + "hooked", mark, px=_ms(span))

    def claim(self, connection: str, mark: str, span: timedelta) -> bool:
        """Win the right to look: nobody has within ``span`` for the same ``mark``."""
        key = connection_tag(connection) + "hooked"
        if self.client.get(key) == mark.encode():
            return False
        return bool(self.client.set(key, mark, px=_ms(span), get=True) != mark.encode())


def _sighting(found: Mapping[str, str], word: str) -> Sighting | None:
    return Sighting(int(found[word]), found.get(f"{word}_what", "")) if word in found else None


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
