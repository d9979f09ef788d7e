"""Keep what connectors in shadow mode saw: counts by the hour, the last examples, what items would hold.

Bounded by the hour, by number and by life, so that a connector may stay in shadow for as long as it likes.  A
connector that is live never comes here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import orjson

from workers.stores.keys import DAY_MS

HOUR_MS: Final = 3_600_000
HOURS: Final = 14 * 24
"""How far back a report can look."""

NAMES: Final = 200
"""Different things that are counted in one hour; beyond that the rest of a group is counted together."""

EXAMPLES: Final = 100
ENTITIES: Final = 5_000
"""Items of which it is known what they would hold; of an older one the next event looks like its first."""


class Shadows:
    """What shadow mode leaves under a connector's tag; see ``lua/shadow.lua``."""

    client: Any
    tag: str

    _run: Any
    """Runs a script on these books: `Deliveries`."""

    def shadow(
        self,
        counts: Mapping[str, int],
        *,
        example: Mapping[str, Any] | None = None,
        entity: str = "",
        held: Mapping[str, str] | None = None,
    ) -> None:
        """Count; ``held`` (field -> digest) is what the target of a source entity would hold from now on."""
        self._run(
            "shadow",
            orjson.dumps(counts),
            orjson.dumps(example) if example is not None else "",
            entity,
            orjson.dumps(held) if held is not None else "",
            NAMES,
            EXAMPLES,
            ENTITIES,
            HOURS * HOUR_MS + DAY_MS,
        )

    def shadowed(self, entity: str) -> dict[str, str] | None:
        """Return what the target of a source entity would hold (field -> digest); None where it was not seen yet."""
        found = self.client.hget(self.tag + "shadowed", entity)
        return orjson.loads(found) if found is not None else None

    def forget_shadowed(self) -> None:
        """Forget what shadow mode would have left in the target: from here on it was not left, or really is there."""
        self.client.delete(self.tag + "shadowed", self.tag + "shadowedat")

    def shadow_counts(self, since: int, until: int) -> tuple[Counter[str], int, int]:
        """Return the counts of the hours between two times (ms), the first and the last hour with any (ms; 0: none)."""
        hours = range(max(since // HOUR_MS, until // HOUR_MS - HOURS), until // HOUR_MS + 1)
        pipeline = self.client.pipeline(transaction=False)
        for hour in hours:
            pipeline.hgetall(f"{self.tag}shadow:{hour}")
        total: Counter[str] = Counter()
        seen = []
        for hour, got in zip(hours, pipeline.execute(), strict=True):
            if got:
                seen.append(hour * HOUR_MS)
                total.update({name.decode(): int(number) for name, number in got.items()})
        return total, seen[0] if seen else 0, seen[-1] if seen else 0

    def shadow_examples(self, *, most: int = EXAMPLES) -> list[dict[str, Any]]:
        """Return the last things seen, newest first."""
        return [orjson.loads(one) for one in self.client.lrange(self.tag + "shadows", 0, most - 1)]
