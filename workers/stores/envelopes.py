"""Keep what a connection received until every connector has it, and what nobody could read.

The envelope is committed before the first connector accepts and dropped after the last, so that a crash
in between loses nothing even where the source never sends again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import orjson
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from connector.event import Event
from workers.stores.keys import connection_tag
from workers.stores.records import compress, expand, pack_event, unpack_event

UNREAD_MOST: Final = 1000


class Envelopes:
    """The envelopes and unread payloads of every connection."""

    def __init__(self, client: Redis) -> None:
        # redis-py types every answer as str | bytes; ours are bytes (decode_responses is off).
        self.client: Any = client

    async def keep(self, client: AsyncRedis, connection: str, events: Sequence[Event]) -> str:
        """Commit events under their connection; returns the envelope's name."""
        packed = [pack_event(event) for event in events]
        name = hashlib.sha256(b"".join(packed)).hexdigest()[:24]
        record = b"".join([time.time_ns().to_bytes(8, "big"), *(len(one).to_bytes(4, "big") + one for one in packed)])
        await client.hset(connection_tag(connection) + "inbox", name, record)
        return name

    async def dropped(self, client: AsyncRedis, connection: str, names: Sequence[str]) -> None:
        """Forget envelopes that every connector has accepted."""
        await client.hdel(connection_tag(connection) + "inbox", *names)

    async def keep_unread(
        self, client: AsyncRedis, connection: str, body: bytes, headers: Mapping[str, str], why: str
    ) -> str:
        """Keep a payload that could not be read, as a dead letter of its connection."""
        name = hashlib.sha256(body).hexdigest()[:24]
        key = connection_tag(connection) + "unread"
        record = compress(
            orjson.dumps(
                {
                    "at": time.time(),
                    "why": why[:1000],
                    "headers": dict(headers),
                    "body": body.decode("utf-8", "backslashreplace"),
                }
            )
        )
        pipeline: Any = client.pipeline(transaction=False)
        pipeline.hset(key, name, record)
        pipeline.hlen(key)
        _, count = await pipeline.execute()
        if count > UNREAD_MOST:
            for old in await self._oldest(client, key, count - UNREAD_MOST):
                await client.hdel(key, old)
        return name

    async def _oldest(self, client: Any, key: str, count: int) -> list[bytes]:
        rows = await client.hgetall(key)
        return sorted(rows, key=lambda name: float(orjson.loads(expand(rows[name]))["at"]))[:count]

    def left(self, connection: str, *, older: timedelta) -> Iterator[tuple[str, list[Event]]]:
        """Yield envelopes that have lain for longer than ``older``."""
        limit = time.time_ns() - int(older.total_seconds() * 1e9)
        for name, record in self.client.hscan_iter(connection_tag(connection) + "inbox"):
            if int.from_bytes(record[:8], "big") <= limit:
                yield name.decode(), list(_events(record[8:]))

    def drop(self, connection: str, names: Sequence[str]) -> None:
        """Forget envelopes."""
        self.client.hdel(connection_tag(connection) + "inbox", *names)

    def unread(self, connection: str) -> dict[str, dict[str, Any]]:
        """Return the payloads that could not be read, by name."""
        return {
            name.decode(): orjson.loads(expand(record))
            for name, record in self.client.hscan_iter(connection_tag(connection) + "unread")
        }

    def drop_unread(self, connection: str, names: Sequence[str]) -> int:
        """Give unread payloads up; returns how many there were."""
        return int(self.client.hdel(connection_tag(connection) + "unread", *names))


def _events(record: bytes) -> Iterator[Event]:
    at = 0
    while at < len(record):
        size = int.from_bytes(record[at : at + 4], "big")
        yield unpack_event(record[at + 4 : at + 4 + size])
        at += 4 + size
