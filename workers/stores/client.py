"""Open the store: bounded pools, bounded waits, one retry."""

from __future__ import annotations

from typing import Any, Final

from redis import BlockingConnectionPool, Redis
from redis.asyncio import BlockingConnectionPool as AsyncPool
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ConstantBackoff
from redis.retry import Retry

AsyncStore = AsyncRedis
"""The client of an event loop, for those who may not import it from where it comes."""

WAIT: Final = 5.0
"""Seconds that one command may take, and that a thread waits for a free connection."""


def open_store(url: str, *, connections: int = 20) -> Redis:
    """Return a client that many threads may share.

    A command is repeated once after a lost connection; every script is safe against that (a repeated
    accept finds its dedupe marks, a repeated settle finds its subject gone).
    """
    pool: Any = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=WAIT,
        socket_timeout=WAIT,
        socket_connect_timeout=2.0,
        socket_keepalive=True,
        health_check_interval=15,
        retry=Retry(ConstantBackoff(0.05), 1),
    )
    return Redis(connection_pool=pool)


def open_async_store(url: str, *, wait: float = 2.0, connections: int = 8) -> AsyncRedis:
    """Return the client of an event loop; ``wait`` is the longest that a command may take."""
    pool: Any = AsyncPool.from_url(
        url,
        max_connections=connections,
        timeout=wait,
        socket_timeout=wait,
        socket_connect_timeout=wait,
        retry=AsyncRetry(ConstantBackoff(0.05), 0),
    )
    return AsyncRedis(connection_pool=pool)
