"""Do with the dead letters and gates of one connector what people have decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from workers.stores.keys import DAY_MS, DEAD_DAYS
from workers.stores.records import Bell, bells_of


class Mending:
    """What `workers.operating` does under a connector's tag."""

    client: Any
    tag: str

    _run: Any
    """Runs a script on these books: `Deliveries`."""

    def open_gate(self, gate: str, audit: str = "") -> tuple[int, tuple[Bell, ...]]:
        """Let what is parked behind a gate go on; returns how many subjects that are, some with the next scans."""
        count, *bells = self._run("gate", gate, audit)
        return count, tuple(bells_of(bells))

    def bury_held(self, gate: str, audit: str, *, most: int = 200) -> tuple[list[str], tuple[Bell, ...]]:
        """Make dead letters of the first letters behind a gate, oldest first, at most so many; returns their ids."""
        buried, *bells = self._run("bury_held", gate, most, audit)
        return [one.decode() for one in buried], tuple(bells_of(bells))

    def replay(self, ids: Sequence[str], audit: str, *, lane: str = "replay") -> tuple[list[str], tuple[Bell, ...]]:
        """Bring dead letters back to their places; returns those that were dead until now."""
        done, *bells = self._run("replay", lane, audit, *ids)
        return [one.decode() for one in done], tuple(bells_of(bells))

    def discard(self, ids: Sequence[str], reason: str, audit: str) -> tuple[list[str], tuple[Bell, ...]]:
        """Give dead letters up; returns those that were dead until now."""
        done, *bells = self._run("discard", reason, audit, *ids)
        return [one.decode() for one in done], tuple(bells_of(bells))

    def dead_rows(self, fields: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield every dead letter's id and the named fields, newest first; those without a value are left out."""
        start, page = 0, 1000
        while rows := self._run("dead_rows", start, start + page - 1, *fields):
            start += page
            for name, *values in rows:
                # A record may have expired a moment ago.
                if any(value is not None for value in values):
                    yield (
                        name.decode(),
                        {n: v.decode("utf-8", "replace") for n, v in zip(fields, values, strict=True) if v},
                    )

    def note(self, audit: str) -> None:
        """Add a row to the audit."""
        self._run("note", audit)

    def care(self, group: str, record: str, audit: str) -> None:
        """Write down who takes care of a group of dead letters."""
        self._run("care", group, record, audit)

    def careless(self, groups: Sequence[str]) -> None:
        """Forget who took care of groups."""
        if groups:
            self.client.hdel(self.tag + "care", *groups)

    def trim(self, now: int) -> int:
        """Count dead letters older than their retention as discarded."""
        return int(self._run("trim", now - DEAD_DAYS * DAY_MS))
