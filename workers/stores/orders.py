"""Hold the orders to replay dead letters of one connector: kept in the store, carried out by the workers.

An order lives where the letters live, so that neither a closed browser nor a killed Flower stops half-way, and
two people who order the same do it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis import Redis

from workers.stores.deliveries import Deliveries
from workers.stores.records import Bell
from workers.stores.scripts import NoScriptError, run, run_all

AT_ONCE: Final = 200
"""Letters that one step brings back at most: a script must not run for long."""

LARGEST: Final = 20_000
"""Letters that one order holds."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it stands: ``state`` open, done or cancelled; times in ms, ``rate`` letters per second.

    ``replayed`` letters were brought back, ``passed`` were dead no longer when their turn came, or are ambiguous.
    """

    id: str
    connector: str
    state: str
    rate: float
    total: int
    replayed: int
    passed: int
    begun: int
    ended: int
    actor: str
    reason: str
    what: str

    @property
    def left(self) -> int:
        """Letters that are still to come."""
        return self.total - self.replayed - self.passed if self.state == "open" else 0


def give(
    books: Deliveries,
    order: str,
    ids: Sequence[str],
    *,
    rate: float,
    actor: str,
    reason: str,
    what: str,
    audit: str,
    absent: bool = False,
) -> int:
    """Order a replay; returns how many letters it holds.  The same order id given twice is one order.

    ``absent``: somebody has looked, and what an `Ambiguous` letter may have written is not there; without it
    such letters are passed by.
    """
    if len(ids) > LARGEST:
        message = f"an order holds {LARGEST} letters at most"
        raise ValueError(message)
    story = orjson.dumps({"actor": actor, "reason": reason, "what": what}).decode()
    return int(run(books.client, "order", books.tag, *books.head(), order, rate, story, audit, int(absent), *ids))


def cancel(books: Deliveries, order: str, audit: str) -> bool:
    """Cancel an order; False where it was over already."""
    return bool(run(books.client, "order_cancel", books.tag, *books.head(), order, audit))


def step(client: Redis, books: Sequence[Deliveries]) -> list[tuple[int, tuple[Bell, ...]]]:
    """Carry on with the open orders of many connectors: (letters brought back, bells to ring) each."""
    if not books:
        return []
    calls = [("order_step", one.tag, (*one.head(), AT_ONCE)) for one in books]
    try:
        answers = run_all(client, calls)
    except NoScriptError:
        answers = [run(client, name, tag, *arguments) for name, tag, arguments in calls]
    return [(int(got[0]), tuple(Bell(row[0].decode(), int(row[1])) for row in got[1:] if row)) for got in answers]


def orders(books: Deliveries, *, most: int = 20) -> list[Order]:
    """Return the last orders, newest first."""
    ids = [one.decode() for one in books.client.zrevrange(books.tag + "orders", 0, most - 1)]
    found = [order_of(books, one) for one in ids]
    return [one for one in found if one is not None]


def order_of(books: Deliveries, order: str) -> Order | None:
    """Return an order; None where there is none of that id."""
    got: dict[bytes, bytes] = books.client.hgetall(f"{books.tag}order:{order}")
    if not got:
        return None
    text: dict[str, Any] = {name.decode(): value.decode() for name, value in got.items()}
    story = orjson.loads(text["story"])
    return Order(
        id=order,
        connector=books.uid,
        state=text["state"],
        rate=float(text["rate"]),
        total=int(text["total"]),
        replayed=int(text["replayed"]),
        passed=int(text["passed"]),
        begun=int(float(text["begun"])),
        ended=int(float(text["ended"])),
        actor=story["actor"],
        reason=story["reason"],
        what=story["what"],
    )
