"""Remember who sends bad signatures, so that their large bodies are not even read.

Verifying a small body costs microseconds, so it is always done: the honest sender behind the same proxy as an
attacker is never locked out by him.  What is worth refusing unseen is the large body (a hash over megabytes) of a
peer that has failed often on that connection.  One token bucket per peer and connection, in memory: each process
learns by itself, and forgets on restart.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Suspects:
    """Token buckets of bad signatures: ``burst`` at once, one more each ``1 / per_second`` seconds.

    ``most`` peers are remembered; the one unheard of for longest is forgotten first.
    """

    clock: Callable[[], float]
    burst: int = 20
    per_second: float = 1.0
    most: int = 10_000
    _seen: OrderedDict[tuple[str, str], tuple[float, float]] = field(default_factory=OrderedDict)

    def failed(self, peer: str, connection: str) -> None:
        """Note one bad signature."""
        key = (peer, connection)
        self._seen[key] = (max(0.0, self._tokens(key) - 1.0), self.clock())
        self._seen.move_to_end(key)
        if len(self._seen) > self.most:
            self._seen.popitem(last=False)

    def wait(self, peer: str, connection: str) -> float:
        """Return for how many seconds large bodies of this peer are refused; 0.0 for none."""
        tokens = self._tokens((peer, connection))
        return 0.0 if tokens >= 1.0 else (1.0 - tokens) / self.per_second

    def _tokens(self, key: tuple[str, str]) -> float:
        known = self._seen.get(key)
        if known is None:
            return float(self.burst)
        tokens, at = known
        return min(float(self.burst), tokens + (self.clock() - at) * self.per_second)
