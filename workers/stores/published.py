"""Hold the published versions of the configuration: which is in force, those before it, and who follows which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
from redis import Redis

from workers.stores.keys import CONFIGURATION_TAG
from workers.stores.records import UnknownFormat
from workers.stores.scripts import run

KEPT: Final = 50
"""Versions that are kept, the one in force included."""

SILENT_MS: Final = 10_000
"""A process that has said nothing for so long does not run any more, or cannot reach the store."""

GONE_MS: Final = 3_600_000
"""Silent processes are forgotten after so long."""


@dataclass(frozen=True, slots=True)
class Version:
    """One published version.  ``at`` is ms; ``before`` the hash that it replaced, "" for the first.

    ``draining`` are connectors that this version lets finish and take nothing new.  ``product`` is the version of
    the product that published it, ``connectors`` and ``connections`` how many it has.
    """

    number: int
    at: int
    hash: str
    by: str
    message: str = ""
    before: str = ""
    draining: tuple[str, ...] = ()
    connectors: int = 0
    connections: int = 0
    product: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as a document."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Follower:
    """A process that follows what is published.  ``refused`` is why it does not take version ``newest``, "" if it does.

    ``number`` and ``hash`` are of the version it works with (0 and what it began with: none); ``at`` is when it last
    said so, in ms.
    """

    name: str
    role: str
    at: int
    number: int
    hash: str
    newest: int = 0
    refused: str = ""
    product: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as a document."""
        return asdict(self)


class Overtaken(Exception):
    """Somebody else has published meanwhile; ``held`` is what is in force now (None: nothing any more)."""

    def __init__(self, held: Version | None) -> None:
        super().__init__("another version was published meanwhile")
        self.held = held


class Published:
    """The versions of a store; ``clock`` returns ms and is given by tests only."""

    def __init__(self, client: Redis, *, clock: Callable[[], int] | None = None) -> None:
        # redis-py types every answer as str | bytes; ours are bytes (decode_responses is off).
        self.client: Any = client
        self._clock = clock

    def stamp(self) -> bytes:
        """Return what differs when another version is in force; b"" where none is.  One cheap look."""
        return self.client.get(CONFIGURATION_TAG + "now") or b""

    def held(self) -> Version | None:
        """Return the version in force; None where nothing was ever published.  Raises `UnknownFormat`."""
        record = self.stamp()
        return _version(record) if record else None

    def versions(self) -> list[Version]:
        """Return the versions that are kept, newest first; those of an unknown format are left out."""
        found = []
        for record in self.client.lrange(CONFIGURATION_TAG + "versions", 0, -1):
            try:
                found.append(_version(record))
            except UnknownFormat:
                continue
        return found

    def documents(self, digest: str) -> bytes | None:
        """Return the packed documents of a version by its hash; None where they are not kept."""
        found: bytes | None = self.client.hget(CONFIGURATION_TAG + "documents", digest)
        return found

    def publish(
        self,
        replaces: int,
        digest: str,
        documents: bytes,
        *,
        by: str,
        message: str = "",
        before: str = "",
        draining: tuple[str, ...] = (),
        connectors: int = 0,
        connections: int = 0,
        product: str = "",
    ) -> Version:
        """Put a version in force in the place of number ``replaces``; raises `Overtaken` where that is not in force.

        ``documents`` b"" means those that are kept under this hash; raises LookupError where there are none.
        """
        story = {
            "v": 1,
            "by": by,
            "message": message,
            "before": before,
            "draining": list(draining),
            "connectors": connectors,
            "connections": connections,
            "product": product,
        }
        now = self._clock() if self._clock else ""
        packed = orjson.dumps(story)
        answer, record = run(self.client, "publish", CONFIGURATION_TAG, now, replaces, digest, packed, documents, KEPT)
        if answer == b"overtaken":
            raise Overtaken(_version(record) if record else None)
        if answer == b"unknown":
            raise LookupError(digest)
        return _version(record)

    # --- who follows it -------------------------------------------------------------------------------------
    def announce(self, one: Follower) -> None:
        """Say what a process works with."""
        self.client.hset(CONFIGURATION_TAG + "followers", one.name, orjson.dumps({"v": 1, **asdict(one)}))

    def leave(self, name: str) -> None:
        """Say that a process has ended."""
        self.client.hdel(CONFIGURATION_TAG + "followers", name)

    def followers(self, now: int) -> list[Follower]:
        """Return the processes that have said something lately, by role and name; forgets those long silent."""
        found, gone = [], []
        for name, record in self.client.hgetall(CONFIGURATION_TAG + "followers").items():
            one = _follower(orjson.loads(record))
            if now - one.at <= SILENT_MS:
                found.append(one)
            elif now - one.at > GONE_MS:
                gone.append(name)
        if gone:
            self.client.hdel(CONFIGURATION_TAG + "followers", *gone)
        return sorted(found, key=lambda one: (one.role, one.name))


def _version(record: bytes) -> Version:
    number, at, digest, story = record.split(b" ", 3)
    got = orjson.loads(story)
    if got["v"] != 1:
        message = f"published version {int(number)} is of a format that only a newer version of the product knows"
        raise UnknownFormat(message)
    return Version(
        number=int(number),
        at=int(at),
        hash=digest.decode(),
        by=got["by"],
        message=got["message"],
        before=got["before"],
        draining=tuple(got["draining"]),
        connectors=int(got["connectors"]),
        connections=int(got["connections"]),
        product=got["product"],
    )


def _follower(got: Mapping[str, Any]) -> Follower:
    # What a newer process says beside is for newer ones.
    return Follower(**{name: got[name] for name in Follower.__slots__ if name in got})
