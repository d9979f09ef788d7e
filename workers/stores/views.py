"""Look into the books of one connector; nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from connector.link import Link
from workers.stores.records import Letter, unpack_link

COUNTS: Final = ("accepted", "delivered", "skipped", "dead", "discarded", "in_flight")
LANES: Final = ("live", "replay", "backfill")


@dataclass(frozen=True, slots=True)
class Halt:
    """Why a connector does not write: ``restored``, ``lost`` or ``rebuild``; see ``lua/epoch.lua``.

    ``at``: when that was noticed; ``since``: from when on acknowledged writes may be missing.  Both in ms.
    """

    why: str
    at: int
    since: int


class Views:
    """What there is to see under a connector's tag."""

    client: Any
    tag: str

    def counts(self) -> dict[str, int]:
        """Return the accounting: accepted = delivered + skipped + dead + discarded + in_flight."""
        got = self.client.hmget(self.tag + "counts", COUNTS)
        return {name: int(value or 0) for name, value in zip(COUNTS, got, strict=True)}

    def tally(self) -> dict[str, int]:
        """Return what is counted beside the accounting.

        ``retries``, ``filtered``, ``missed`` (by webhooks), ``overtaken`` (a turn came back too late), ``late`` (what
        such a turn added may stand twice), ``calls`` (to the APIs, for deliveries; polls and probes of a paused
        connection are nobody's), ``restored`` (the store was found to have gone back in time).
        """
        names = ("retries", "filtered", "missed", "overtaken", "late", "calls", "restored")
        got = self.client.hmget(self.tag + "counts", names)
        return {name: int(value or 0) for name, value in zip(names, got, strict=True)}

    def cared(self) -> dict[str, bytes]:
        """Return who takes care of groups of dead letters: group -> record."""
        return {name.decode(): record for name, record in self.client.hgetall(self.tag + "care").items()}

    def totals(self) -> dict[str, int]:
        """Return everything that is counted, by field of ``counts``."""
        return {name: int(n) for name, n in sorted(decoded(self.client.hgetall(self.tag + "counts")).items())}

    def calls_by_connection(self) -> dict[str, int]:
        """Return how many API calls deliveries took, by connection."""
        return {name.removeprefix("calls:"): n for name, n in self.totals().items() if name.startswith("calls:")}

    def alerted(self) -> dict[str, bytes]:
        """Return what the owner has been told: cause -> record."""
        return {name.decode(): record for name, record in self.client.hgetall(self.tag + "alerted").items()}

    def minutes(self, last: int, most: int) -> list[dict[str, int]]:
        """Return what was counted in each of the ``most`` minutes up to minute ``last``, oldest first."""
        pipeline = self.client.pipeline(transaction=False)
        for number in range(last - most + 1, last + 1):
            pipeline.hgetall(f"{self.tag}minute:{number}")
        return [{name.decode(): int(value) for name, value in got.items()} for got in pipeline.execute()]

    def backlog(self) -> dict[str, int]:
        """Return how many subjects are ready by lane, due, set apart (suspect), and turns and doorbells out."""
        pipeline = self.client.pipeline(transaction=False)
        for lane in LANES:
            pipeline.zcard(f"{self.tag}ready:{lane}")
        pipeline.zcard(self.tag + "due")
        pipeline.zcard(self.tag + "suspects")
        pipeline.zcard(self.tag + "slots")
        got = pipeline.execute()
        return dict(zip((*LANES, "due", "suspect", "slots"), got, strict=True))

    def condition(self) -> dict[str, str]:
        """Return ``meta``: until when it is closed and why, sequence numbers, format."""
        return decoded(self.client.hgetall(self.tag + "meta"))

    def halt(self) -> Halt | None:
        """Return why these books are halted; None while they are not."""
        why, at, since = self.client.hmget(self.tag + "meta", ("halted", "halted_at", "halted_from"))
        return Halt(why.decode(), int(float(at)), int(float(since))) if why is not None else None

    def forgotten(self) -> str:
        """Return what these books have forgotten last, as ``from:noticed`` in ms; "" where nothing."""
        since, noticed = self.client.hmget(self.tag + "meta", ("doubt_from", "doubt_at"))
        return f"{int(float(since))}:{int(float(noticed))}" if since is not None else ""

    def gates(self) -> dict[str, dict[str, Any]]:
        """Return the closed gates by name; at least ``why``, ``since`` (ms) and how many subjects are ``parked``.

        Where a clock opens it ``until`` (ms); where a canary does, ``next`` (ms, 0 while it opens), ``tries``
        (canaries that failed) and ``about`` (error, cause, where, field); ``opening`` where it is being opened.
        """
        shut = {name.decode(): orjson.loads(value) for name, value in self.client.hgetall(self.tag + "gates").items()}
        pipeline = self.client.pipeline(transaction=False)
        for name in shut:
            pipeline.scard(f"{self.tag}gate:{name}")
            pipeline.zcard(f"{self.tag}held:{name}")
            pipeline.zscore(self.tag + "gatedue", name)
        got = pipeline.execute()
        return {
            name: _gate(gate, parked=got[3 * n] + got[3 * n + 1], looks=got[3 * n + 2])
            for n, (name, gate) in enumerate(shut.items())
        }

    def letter(self, delivery: str) -> Letter | None:
        """Return one delivery that is in flight or dead; None when there is none of that id."""
        pairs = decoded(self.client.hgetall(f"{self.tag}d:{delivery}"))
        if not pairs:
            return None
        body = self.client.get(f"{self.tag}b:{delivery}") or b""
        return Letter.of(delivery, body, pairs)

    def dead(self, *, start: int = 0, most: int = 100) -> list[Letter]:
        """Return dead letters, newest first."""
        ids = self.client.zrevrange(self.tag + "dead", start, start + most - 1)
        return self._letters(one.decode() for one in ids)

    def troubled(self, *, most: int) -> list[Letter]:
        """Return deliveries that wait to be tried again and have failed before, those due next first."""
        pipeline = self.client.pipeline(transaction=False)
        for subject in self.client.zrange(self.tag + "due", 0, 4 * most - 1):
            pipeline.zrange(f"{self.tag}mail:{subject.decode()}", 0, 0)
        first = self._letters(one.decode() for found in pipeline.execute() for one in found)
        return [letter for letter in first if letter.fields.get("message")][:most]

    def waiting(self, *, most: int = 100) -> list[Letter]:
        """Return deliveries in flight, subjects in no particular order."""
        found: list[str] = []
        for subject in self.client.hscan_iter(self.tag + "own", count=100, no_values=True):
            name = subject.decode()
            found += [one.decode() for one in self.client.zrange(f"{self.tag}mail:{name}", 0, most - 1)]
            if len(found) >= most:
                break
        return self._letters(found[:most])

    def first_waiting(self, *, each: int) -> list[Letter]:
        """Return the first letter of the first ``each`` subjects of every lane, of what is due later and set apart."""
        pipeline = self.client.pipeline(transaction=False)
        for name in (*(f"ready:{lane}" for lane in LANES), "due", "suspects"):
            pipeline.zrange(self.tag + name, 0, each - 1)
        subjects = [one.decode() for found in pipeline.execute() for one in found]
        for subject in subjects:
            pipeline.zrange(f"{self.tag}mail:{subject}", 0, 0)
        return self._letters(one.decode() for found in pipeline.execute() for one in found)

    def _letters(self, ids: Iterable[str]) -> list[Letter]:
        names = list(ids)
        pipeline = self.client.pipeline(transaction=False)
        for name in names:
            pipeline.hgetall(f"{self.tag}d:{name}")
        return [
            Letter.of(name, b"", decoded(pairs)) for name, pairs in zip(names, pipeline.execute(), strict=True) if pairs
        ]

    def settled(self, *, most: int = 100) -> list[dict[str, str]]:
        """Return the last settled deliveries, newest first."""
        return [decoded(fields) for _, fields in self.client.xrevrange(self.tag + "settled", count=most)]

    def audit(self, *, most: int = 100) -> list[dict[str, Any]]:
        """Return the tail of the audit, newest first."""
        return [
            {**orjson.loads(fields[b"row"]), "w": int(fields.get(b"w", 0))}
            for _, fields in self.client.xrevrange(self.tag + "audit", count=most)
        ]

    def link(self, entity: str) -> Link | None:
        """Return the link whose source is ``entity``."""
        record = self.client.hget(self.tag + "links", entity)
        return unpack_link(record) if record else None

    def link_back(self, target: str) -> Link | None:
        """Return the link whose target is ``target``."""
        source = self.client.hget(self.tag + "back", target)
        return self.link(source.decode()) if source else None

    def unsure(self, entity: str) -> bool:
        """Tell whether an update on behalf of this source entity is under way, or its outcome unknown."""
        return bool(self.client.hexists(self.tag + "unsure", entity))

    def effect(self, key: str) -> dict[str, str]:
        """Return an intent or effect record; {} when there is none."""
        return decoded(self.client.hgetall(f"{self.tag}fx:{key}"))

    def cursor(self, field: str) -> dict[str, Any]:
        """Return where a poll resumes; {} when it never ran."""
        record = self.client.hget(self.tag + "cursor", field)
        return dict(orjson.loads(record)) if record else {}

    def activated(self) -> int:
        """Return when anybody first saw the connector, in ms; 0 where nobody has entered it."""
        return int(float(self.client.hget(self.tag + "meta", "activated") or 0))

    def first_of(self, subject: str) -> str:
        """Return the id of the first delivery of a mailbox; "" where it is empty."""
        ids = self.client.zrange(f"{self.tag}mail:{subject}", 0, 0)
        return ids[0].decode() if ids else ""

    def owner(self, subject: str) -> str:
        """Return who owns a subject: ``r:<lane>``, ``d``, ``p:<gate>``, a turn token, or "" (nobody)."""
        return (self.client.hget(self.tag + "own", subject) or b"").decode()


def _gate(gate: Mapping[str, Any], *, parked: int, looks: float | None) -> dict[str, Any]:
    opening = "opening" in gate
    return {
        "why": gate["why"],
        "since": int(gate["since"]),
        "parked": parked,
        **({"until": int(gate["till"])} if "till" in gate else {}),
        **({"opening": True} if opening else {}),
        **(
            {
                "next": 0 if opening else int(looks or 0),
                "tries": int(gate.get("tries", 0)),
                "about": gate.get("about") or {},
            }
            if "canary" in gate
            else {}
        ),
    }


def decoded(pairs: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return a hash as text."""
    return {name.decode(): value.decode("utf-8", "replace") for name, value in pairs.items()}
