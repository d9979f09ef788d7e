"""Walk the pairs of a connector, make one and end one by hand: each in one script with the mailbox of both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from connector.link import Link
from workers.stores.records import pack_link, unpack_link

PAGE: Final = 500
"""Pairs that are asked for at a time."""

_LONGEST: Final = 100
"""Steps from an entity to the mailbox that it shares, as in ``lua/lib.lua``."""


class Linking:
    """The pairs under a connector's tag."""

    client: Any
    tag: str
    uid: str
    marks: Any
    _run: Any

    def link_count(self) -> int:
        """Count the pairs there are, in one look; what pull requests ask for is counted too."""
        return int(self.client.hlen(self.tag + "links"))

    def pages(self) -> Iterator[list[Link]]:
        """Yield all pairs, a few hundred at a time, in no order; each once, however many are made meanwhile.

        What a pull request asks for of an issue is no pair, and left out.
        """
        seen: set[bytes] = set()
        at = 0
        while True:
            at, found = self.client.hscan(self.tag + "links", at, count=PAGE)
            fresh = [one for one in found.items() if one[0] not in seen and b">" not in one[0]]
            seen.update(found)
            if fresh:
                yield [unpack_link(record) for _, record in fresh]
            if at == 0:
                return

    def tombstone(self, entity: str) -> str:
        """Return what is written of an entity whose pair a person has ended (JSON); "" where there is nothing."""
        return str((self.client.hget(self.tag + "unlinked", entity) or b"").decode())

    def whereabouts(self, entities: list[str]) -> list[tuple[str, bool]]:
        """Tell of each entity who owns the mailbox it is in (as `Views.owner`), and whether it has dead letters."""
        if not entities:
            return []
        roots = list(entities)
        for _ in range(_LONGEST):
            up = self.client.hmget(self.tag + "alias", roots)
            further = [above.decode() if above else root for root, above in zip(roots, up, strict=True)]
            if further == roots:
                break
            roots = further
        pipeline = self.client.pipeline(transaction=False)
        pipeline.hmget(self.tag + "own", roots)
        for entity in entities:
            pipeline.exists(f"{self.tag}deadof:{entity}")
        owners, *dead = pipeline.execute()
        return [((owner or b"").decode(), bool(one)) for owner, one in zip(owners, dead, strict=True)]

    def unlink(self, source: str, stone: str, row: str) -> str:
        """End a pair and leave a tombstone (JSON): ``ok``, ``none``, ``held`` or ``halted``; see the script."""
        return self._told(self._run("unlink", source, stone, row))

    def adopt(self, link: Link, row: str) -> str:
        """Make a pair of two items: ``ok``, ``linked``, ``held`` or ``halted``; see ``lua/link.lua``."""
        return self._told(self._run("link", link.source, link.target, pack_link(link), row))

    def _told(self, got: list[Any]) -> str:
        if len(got) > 1:
            self.marks.saw(self.uid, int(got[1]))
        return str(got[0].decode())
