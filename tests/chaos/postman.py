"""Carry webhooks as they come in life: some twice, some late and so out of order; note what was acknowledged."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from datetime import datetime, timedelta
from random import Random
from typing import Final, TypeAlias

from connector.sandbox import Hook
from workers.sandbox import Served
from workers.sandbox_hooks import Subscriber

WORD: Final = re.compile(rb"note\d{5}")
"""What the crowd puts into each comment, once in the world."""

Acknowledged: TypeAlias = MutableMapping[tuple[str, str], datetime]
"""(system, word of a comment) -> when its webhook was first answered with 2xx."""


class Postman(Subscriber):
    """A subscriber that doubles and delays by chance, until it is told to be ``calm``."""

    def __init__(self, url: str, served: Served, system: str, acknowledged: Acknowledged, chance: Random) -> None:
        self.calm = False
        self.doubled = self.delayed = 0
        self._system, self._acknowledged, self._chance = system, acknowledged, chance
        super().__init__(url, served.now, hurry=0.02)

    def take(self, hook: Hook) -> None:
        """Queue a webhook, perhaps for later, perhaps twice."""
        late = not self.calm and self._chance.random() < 0.12
        self.delayed += late
        self._put(self._chance.uniform(0.1, 3.0) if late else 0.0, hook, 0, "")
        if not self.calm and self._chance.random() < 0.12:
            self.doubled += 1
            # The vendor's own repeats are not asked for twice.
            again = Hook(hook.name, hook.headers, hook.body)
            self._put(self._chance.choice((0.0, 0.5, 8.0)), again, 0, "")

    def _post(self, hook: Hook, attempt: int, why: str) -> tuple[int, str]:
        status, problem = super()._post(hook, attempt, why)
        if 200 <= status < 300 and "comment" in hook.name:
            for word in set(WORD.findall(hook.body)):
                self._acknowledged.setdefault((self._system, word.decode()), self._now())
        return status, problem


def surely_before(first: tuple[datetime | None, datetime], second: tuple[datetime | None, datetime]) -> bool:
    """Tell whether one comment was certainly taken in before another; each is (acknowledged, made).

    A webhook or a poll may bring a comment as soon as it is made.  So only one that was acknowledged
    before the other was made is known to have been accepted first.
    """
    acknowledged, made = first[0], second[1]
    return acknowledged is not None and acknowledged + timedelta(milliseconds=1) < made
