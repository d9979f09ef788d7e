"""Open the store: bounded pools, bounded waits, one retry."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Final

from redis import BlockingConnectionPool, Redis
from redis.asyncio import BlockingConnectionPool as AsyncPool
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as Late
from redis.retry import Retry

AsyncStore = AsyncRedis
"""The client of an event loop, for those who may not import it from where it comes."""

WAIT: Final = 5.0
"""Seconds that one command may take, and that a thread waits for a free connection."""

PAUSE: Final = 0.05
"""Seconds before a command is repeated."""


class _Mine(threading.local):
    connection: Any = None
    pid: int = 0


class Store(Redis):
    """A client whose scripts go over a connection that each thread keeps.

    A turn spends its time in scripts, and fetching a pooled connection for each, asking whether it is still good and
    giving it back costs more than twice what the script's own bytes cost (a third of a worker's CPU; see
    ``docs/benchmarks.md``).  A connection that went bad meanwhile shows when it is used, and the one repeat that
    every script is safe against opens it anew.  Everything else is left to the pool.
    """

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._mine = _Mine()
        self.broke = 0.0
        """When a connection was last found broken, in monotonic seconds; 0 where never."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command; scripts take the short way."""
        if options or args[0] not in {"EVALSHA", "EVAL"}:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        return self.ask(args)[0]

    def ask(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Send commands that are safe to repeat in one round trip; raises what the first refused one was told.

        Answers are as the server gives them: lists where a method of this client would make a dict.
        """
        connection = self._kept()
        try:
            return _asked(connection, commands)
        except (Lost, Late):
            self.broke = time.monotonic()
            # It has been closed by whoever found it broken.
            time.sleep(PAUSE)
            return _asked(connection, commands)

    def _kept(self) -> Any:
        mine = self._mine
        # After a fork the parent's connection must not be spoken over by two.
        if mine.connection is None or mine.pid != os.getpid():
            pool: Any = self.connection_pool
            mine.connection, mine.pid = pool.connection_class(**pool.connection_kwargs), os.getpid()
        return mine.connection


def _asked(connection: Any, commands: tuple[tuple[Any, ...], ...]) -> list[Any]:
    # Both close the connection on any error but one that the server answered, so no answer is read by the wrong one.
    if len(commands) == 1:
        connection.send_command(*commands[0])
        return [connection.read_response()]
    connection.send_packed_command(connection.pack_commands(commands))
    answers: list[Any] = []
    refused: ResponseError | None = None
    for _ in commands:
        try:
            answers.append(connection.read_response())
        except ResponseError as error:
            refused = refused or error
    if refused is not None:
        raise refused
    return answers


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
        retry=Retry(ConstantBackoff(PAUSE), 1),
    )
    return Store(connection_pool=pool)


def open_async_store(url: str, *, wait: float = 2.0, connections: int = 8) -> AsyncRedis:
    """Return the client of an event loop; ``wait`` is the longest that a command may take.

    A command is repeated once where its connection was lost (a server that restarted, an idle connection that a
    firewall forgot): a source that never sends a webhook twice must not be refused for that.  One that is
    late is not repeated: nobody would still wait for the answer.
    """
    pool: Any = AsyncPool.from_url(
        url,
        max_connections=connections,
        timeout=wait,
        socket_timeout=wait,
        socket_connect_timeout=wait,
        retry=AsyncRetry(ConstantBackoff(0.05), 1, supported_errors=(Lost,)),
    )
    return AsyncRedis(connection_pool=pool)


def time_of(client: Any) -> int:
    """Return the server's time in ms."""
    seconds, micros = client.time()
    return int(seconds) * 1000 + int(micros) // 1000
