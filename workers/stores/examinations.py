"""Keep what the last examination of a connector's target found, and who may make the next."""

from __future__ import annotations

from typing import Final

from workers.stores.deliveries import Deliveries
from workers.stores.keys import DAY_MS

KEPT_MS: Final = 30 * DAY_MS
"""How long a finding is remembered that nobody looks after any more."""


def claim_examination(books: Deliveries, of: str, span: int) -> bool:
    """Win the right to examine: nobody else does for ``span`` ms, unless ``of``, the connector as it is, differs."""
    key = books.tag + "examining"
    if books.client.set(key, of, px=max(1, span), nx=True):
        return True
    if books.client.get(key) == of.encode():
        return False
    # Of two who see a change at once only the first finds the old one in its place.
    return bool(books.client.set(key, of, px=max(1, span), get=True) != of.encode())


def put_off_examination(books: Deliveries, span: int) -> None:
    """Let the next examination come in ``span`` ms already: this one could not be made."""
    books.client.pexpire(books.tag + "examining", max(1, span))


def remember_examination(books: Deliveries, record: bytes) -> None:
    """Keep what was found."""
    books.client.set(books.tag + "examined", record, px=KEPT_MS)


def last_examination(books: Deliveries) -> bytes | None:
    """Return what was found last; None where nobody has looked, or only long ago."""
    found: bytes | None = books.client.get(books.tag + "examined")
    return found
