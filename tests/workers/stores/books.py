"""Build the books of a connector for a test, with a hand-moved clock and, where asked, a spoilt script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis import Redis

from workers.stores.deliveries import Accepted, Deliveries, Fresh, Pace
from workers.stores.scripts import names, text_of

T0 = 1_800_000_000_000
"""Where a test's clock starts, in ms."""


class Ticker:
    """A clock in ms that a test moves by hand."""

    def __init__(self, at: int = T0) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at

    def move(self, by: int) -> None:
        self.at += by


def letter(number: int | str, entity: str = "git:issue:1", **more: Any) -> Fresh:
    """Make a delivery to accept; its event is named after its number."""
    wanted: dict[str, Any] = {"kind": "issue.updated", "key": "acme/web#1", "body": f"body {number}".encode(), **more}
    return Fresh(id=f"d{number}", event=f"{entity}/{number}", entity=entity, **wanted)


class Spoilt(Deliveries):
    """Books whose scripts are changed by hand: what a protection is worth shows when it is gone."""

    def __init__(self, client: Redis, uid: str, spoils: Mapping[str, str], **more: Any) -> None:
        """``spoils`` maps a piece of script to what stands in its place; each must be found somewhere."""
        super().__init__(client, uid, **more)
        self._spoils = spoils
        self._texts: dict[str, str] = {}
        self.found: set[str] = set()
        for name in names():
            self._text(name)

    def _text(self, name: str) -> str:
        if name not in self._texts:
            text = text_of(name)
            for piece, other in self._spoils.items():
                if piece in text:
                    self.found.add(piece)
                    text = text.replace(piece, other)
            self._texts[name] = text
        return self._texts[name]

    def _run(self, name: str, *arguments: Any) -> Any:
        return self.client.eval(self._text(name), 1, self.tag, *self.head(), *arguments)

    def accept(
        self,
        fresh: Sequence[Fresh],
        *,
        revive: bool = False,
        cursor: tuple[str, Mapping[str, Any]] | None = None,
    ) -> Accepted:
        arguments = self.accept_arguments(fresh, revive=revive, cursor=cursor)
        return self.accepted(self.client.eval(self._text("accept"), 1, self.tag, *arguments))


def books(
    client: Redis,
    clock: Callable[[], int],
    *,
    concurrency: int = 3,
    pace: Pace | None = None,
    spoils: Mapping[str, str] | None = None,
    uid: str = "bugs",
) -> Deliveries:
    """Make the books of connector ``uid``: a doorbell lives 60 ms, a turn 30."""
    pace = pace or Pace(ring=60, slot=30, scan=0, crashes=6)
    if spoils:
        return Spoilt(client, uid, spoils, concurrency=concurrency, pace=pace, clock=clock)
    return Deliveries(client, uid, concurrency=concurrency, pace=pace, clock=clock)
