"""Keep the fields of a connector's pairs that a person must decide, and what was decided, until a worker does it.

The question itself stands in the link of the pair, in the same commit as everything else about it; here is only where
to look for questions, and the answers, which people write while a worker may hold the pair.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from connector.link import Link
from workers.stores.records import unpack_link

CONFLICTS = "conflicts"
"""In a pair's ``extra``: per field as the user wrote it, the `connector.merge.Conflict` that a person must decide."""


class Conflicts:
    """What a person decides under a connector's tag."""

    client: Any
    tag: str

    def note_conflict(self, source: str) -> None:
        """Note that a pair has open questions; before they are settled, so that none can be overlooked."""
        self.client.sadd(self.tag + "questions", source)

    def questions(self) -> Iterator[Link]:
        """Yield the pairs with open questions, in the order of their names."""
        names = sorted(self.client.smembers(self.tag + "questions"))
        for start in range(0, len(names), 500):
            some = names[start : start + 500]
            for name, record in zip(some, self.client.hmget(self.tag + "links", some), strict=True):
                link = unpack_link(record) if record else None
                if link is not None and link.extra.get(CONFLICTS):
                    yield link
                elif link is None:
                    self.client.srem(self.tag + "questions", name)

    def open_questions(self) -> int:
        """Count the fields that wait for a person."""
        return sum(len(link.extra[CONFLICTS]) for link in self.questions())

    def decide(self, source: str, name: str, decision: Mapping[str, Any]) -> None:
        """Write down what a person decided about one field: {take: from, to or value, value, by, at}."""
        self.client.hset(self.tag + "decisions", f"{source} {name}", orjson.dumps(decision))

    def decisions(self, source: str, names: list[str]) -> dict[str, dict[str, Any]]:
        """Return what was decided about the fields of a pair, by field."""
        if not names:
            return {}
        got = self.client.hmget(self.tag + "decisions", [f"{source} {name}" for name in names])
        return {name: orjson.loads(one) for name, one in zip(names, got, strict=True) if one}

    def decided(self, source: str, names: list[str], *, last: bool) -> None:
        """Forget decisions that were carried out; ``last`` where the pair has no other question."""
        if names:
            self.client.hdel(self.tag + "decisions", *(f"{source} {name}" for name in names))
        if last:
            self.client.srem(self.tag + "questions", source)
