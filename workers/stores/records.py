"""Turn events, links and deliveries into bytes and back; every record says its format in its first byte."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
import zstandard

from connector.event import Entity, Event, EventId, Kind
from connector.link import Link

RAW: Final = b"\x00"
ZSTD: Final = b"\x01"
_WORTH_IT: Final = 512
"""Bytes below which compressing costs more than it saves."""


class _Codec(threading.local):
    """What packs and unpacks for one thread: not safe to share, and making either costs about 15 µs."""

    def __init__(self) -> None:
        self.packer = zstandard.ZstdCompressor(level=1)
        self.unpacker = zstandard.ZstdDecompressor()


_codec: Final = _Codec()


class UnknownFormat(Exception):
    """A record was written by a newer version of the product; it is left alone."""


def compress(document: bytes) -> bytes:
    """Put the codec byte in front of ``document``, compressed where that is worth it."""
    if len(document) < _WORTH_IT:
        return RAW + document
    return ZSTD + _codec.packer.compress(document)


def expand(record: bytes) -> bytes:
    """Undo `compress`; raises `UnknownFormat`."""
    if record[:1] == RAW:
        return record[1:]
    if record[:1] == ZSTD:
        return _codec.unpacker.decompress(record[1:], max_output_size=64 * 1024 * 1024)
    message = f"record of unknown format {record[:1]!r}"
    raise UnknownFormat(message)


def pack_event(event: Event) -> bytes:
    """Return the body of a delivery."""
    entity = event.entity
    return compress(
        orjson.dumps(
            {
                "v": 1,
                "id": event.id,
                "kind": event.kind.value,
                "entity": [entity.connection, entity.type, entity.id, entity.key, entity.url, entity.scope],
                "at": event.at.isoformat(),
                "data": event.data,
                "sub": event.sub,
                "actor": event.actor,
                "change": event.change,
                "raw": event.raw,
                "partial": event.partial,
                "marker": event.marker,
                "origin": event.origin,
            },
        ),
    )


def unpack_event(record: bytes) -> Event:
    """Undo `pack_event`; raises `UnknownFormat`, also for a body that is damaged or speaks of a newer kind."""
    try:
        return _event(orjson.loads(expand(record)))
    except (ValueError, KeyError, TypeError, AttributeError, zstandard.ZstdError) as error:
        message = f"event that cannot be read: {type(error).__name__}: {error}"
        raise UnknownFormat(message) from error


def _event(got: Any) -> Event:
    if got["v"] != 1:
        message = f"event of unknown version {got['v']!r}"
        raise UnknownFormat(message)
    return Event(
        id=EventId(got["id"]),
        kind=Kind(got["kind"]),
        entity=Entity(*got["entity"]),
        at=datetime.fromisoformat(got["at"]),
        data=got["data"],
        sub=got["sub"],
        actor=got["actor"],
        change=got["change"],
        raw=got["raw"],
        partial=got["partial"],
        marker=got["marker"],
        origin=got["origin"],
    )


def pack_link(link: Link) -> str:
    """Return a link as JSON text; it is read by people and by `rebuild`, so it is not compressed."""
    return orjson.dumps(
        {
            "v": 1,
            "source": link.source,
            "target": link.target,
            "key": link.key,
            "url": link.url,
            "scope": link.scope,
            "source_key": link.source_key,
            "source_url": link.source_url,
            "source_scope": link.source_scope,
            "base": link.base,
            "kept": link.kept,
            "extra": link.extra,
        },
    ).decode()


def unpack_link(record: bytes | str) -> Link:
    """Undo `pack_link`; raises `UnknownFormat`."""
    got = orjson.loads(record)
    if got.pop("v") != 1:
        message = "link of unknown version"
        raise UnknownFormat(message)
    return Link(**got)


@dataclass(frozen=True, slots=True)
class Letter:
    """A delivery as it lies in its mailbox: one event for one connector, with its history so far.

    ``seq`` is its place for ever; ``at`` the time of acceptance in ms; ``fields`` whatever else its
    hash holds (error, message, cause, log).
    """

    id: str
    event: str
    entity: str
    kind: str
    lane: str
    key: str
    seq: int
    at: int
    attempts: int
    state: str
    body: bytes = b""
    fields: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, delivery: str, body: bytes, pairs: Mapping[str, str]) -> Letter:
        """Build a letter from its hash."""
        return cls(
            id=delivery,
            event=pairs.get("event", ""),
            entity=pairs.get("entity", ""),
            kind=pairs.get("kind", ""),
            lane=pairs.get("lane", "live"),
            key=pairs.get("key", ""),
            seq=int(pairs.get("seq", 0)),
            at=int(float(pairs.get("at", 0))),
            attempts=int(pairs.get("attempts", 0)),
            state=pairs.get("state", ""),
            body=body,
            fields=pairs,
        )


@dataclass(frozen=True, slots=True)
class Box:
    """A subject that a turn holds, with its letters in order and the links of their entities."""

    subject: str
    lane: str
    links: Mapping[str, Link]
    letters: tuple[Letter, ...]


@dataclass(frozen=True, slots=True)
class Bell:
    """A doorbell to ring: the slot reserved for it and the life of that reservation in ms."""

    token: str
    life: int


def bells_of(rows: Iterable[Any]) -> Iterator[Bell]:
    """Read the doorbells at the end of a script's answer."""
    for row in rows:
        if row:
            yield Bell(row[0].decode(), int(row[1]))


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim brought.

    ``status`` is ``work``, ``empty``, ``closed`` (until ``open_at`` ms), ``gone`` (the slot has expired),
    ``full`` (no turn could begin) or ``ok`` (nothing was asked for).  ``turn`` is the one that began;
    ``beside`` answers what was asked in the same round trip.
    """

    status: str
    open_at: int = 0
    boxes: tuple[Box, ...] = ()
    turn: str = ""
    beside: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Intent:
    """What the books said when a write was announced.

    ``answer``: ``go`` (send), ``done`` (sent before: ``remote``, ``entity``), ``unknown`` (sent before,
    outcome not known: ``at`` the latest and ``since`` the earliest time it may have been, ``deadline`` ms,
    ``looks``), ``braked`` (a person must confirm first), ``stale`` (no longer ours).
    """

    answer: str
    remote: str = ""
    entity: str = ""
    at: int = 0
    deadline: int = 0
    looks: int = 0
    since: int = 0

    @classmethod
    def of(cls, got: Sequence[bytes]) -> Intent:
        """Read the answer of the script."""
        answer = got[0].decode()
        match answer:
            case "done":
                return cls(answer, remote=got[1].decode(), entity=got[2].decode())
            case "unknown":
                at, deadline, looks, since = (int(one) for one in got[1:])
                return cls(answer, at=at, deadline=deadline, looks=looks, since=since)
            case _:
                return cls(answer)


@dataclass(slots=True)
class Settlement:
    """What became of a subject's letters, in one commit; see ``lua/settle.lua``."""

    settle: list[tuple[str, str, str]] = field(default_factory=list)
    bury: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    failed: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    done: list[tuple[str, str, str, int]] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    """Copied comments (their effects), and as of when (ISO) their text is."""
    forget: list[str] = field(default_factory=list)
    links: list[tuple[str, str, str, bool]] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    unlinks: list[tuple[str, str]] = field(default_factory=list)
    supersede: list[tuple[str, list[str]]] = field(default_factory=list)
    audit: list[str] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)
    """Audit rows that an earlier commit of the same work has stored; not sent again."""
    swallow: list[tuple[str, str]] = field(default_factory=list)
    """Letters that went along with those of ``bury``, and what to say of them."""
    hold: dict[str, Any] = field(default_factory=dict)
    """The cause of ``bury``, which the books may find to be systemic: then the subject is parked instead."""
    won: tuple[str, Sequence[str]] | tuple[()] = ()
    """Kind and places of what was delivered: a cause of that kind and place is not systemic."""
    calls: dict[str, int] = field(default_factory=dict)
    """API calls that the work took, by connection."""
    config: str = ""
    """Hash of the configuration that decided."""
    made_by: str = ""
    """The version of the connector that decided; see `connector.versions`."""
    next: str = "go"
    delay: int = 0
    gate: str = ""
    why: str = ""
    canary: dict[str, Any] = field(default_factory=dict)
    verdict: str = ""
    """What the books made of it where gates were concerned (see ``lua/settle.lua``); written by `Deliveries.settle`."""

    def park(self, gate: str, why: str, *, delay: int = 0, canary: Mapping[str, Any] | None = None) -> None:
        """Let the subject wait behind a gate: for ``delay`` ms, or until a canary gets through."""
        self.next, self.gate, self.why = "park", gate, why[:500]
        self.delay, self.canary = delay, dict(canary or {})

    @property
    def held(self) -> bool:
        """Say whether what was to be buried waits behind a gate instead."""
        return bool(self.hold) and self.verdict in {"shut", "held", "failed"}

    def pack(self) -> bytes:
        """Return the argument of the script; empty members are left out."""
        what: dict[str, Any] = {
            name: value
            for name in (
                "settle",
                "bury",
                "failed",
                "done",
                "told",
                "forget",
                "links",
                "aliases",
                "unlinks",
                "supersede",
                "audit",
                "swallow",
                "hold",
                "won",
                "delay",
                "gate",
                "why",
                "canary",
                "calls",
                "config",
                "made_by",
            )
            if (value := getattr(self, name))
        }
        what["next"] = self.next
        return orjson.dumps(what)
