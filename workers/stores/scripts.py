"""Run the Lua scripts: one round trip each, loaded again where a server has forgotten them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import NoScriptError
from redis.exceptions import RedisError as StoreError

from workers.stores.client import Store

__all__ = ["Command", "NoScriptError", "StoreError", "run", "run_all", "run_beside", "run_many", "sha_of", "text_of"]

Command = tuple[Any, ...]
"""A command of the server as its words: ("HGETALL", "key")."""

_MOVE_LETTERS: Final = frozenset(
    {"accept", "bury_held", "discard", "gate", "order", "order_step", "replay", "scan", "settle", "trim"},
)
"""Scripts by which letters leave, die or come back: every function of a library costs each call a little."""

_ALONE: Final = frozenset({"publish"})
"""Scripts about no connector and no connection."""

_CONNECTION: Final = frozenset({"take_tokens", "lower_tokens", "fail", "succeed", "close_connection"})


@cache
def names() -> tuple[str, ...]:
    """Return the names of all scripts."""
    found = (one.name for one in (files("workers.stores") / "lua").iterdir())
    libraries = {"connection", "lib", "gates", "letters", "epoch"}
    return tuple(sorted({one.removesuffix(".lua") for one in found if one.endswith(".lua")} - libraries))


@cache
def text_of(name: str) -> str:
    """Return a script with the libraries it is written on."""
    folder = files("workers.stores") / "lua"
    libraries: tuple[str, ...] = ("lib", "epoch")
    if name in _ALONE:
        libraries = ()
    elif name in _CONNECTION:
        libraries = ("connection",)
    elif name in _MOVE_LETTERS:
        libraries = ("lib", "gates", "letters", "epoch")
    return "".join((folder / f"{part}.lua").read_text() for part in (*libraries, name))


@cache
def sha_of(name: str) -> str:
    """Return the name a server knows the script by."""
    return hashlib.sha1(text_of(name).encode(), usedforsecurity=False).hexdigest()


def run(client: Redis, name: str, tag: str, *arguments: Any) -> Any:
    """Run script ``name`` on the keys under ``tag``; arguments are as its head says."""
    try:
        return client.execute_command("EVALSHA", sha_of(name), 1, tag, *arguments)  # type: ignore[no-untyped-call]
    except NoScriptError:
        return client.execute_command("EVAL", text_of(name), 1, tag, *arguments)  # type: ignore[no-untyped-call]


def run_beside(
    client: Redis, name: str, tag: str, arguments: Sequence[Any], commands: Sequence[Command]
) -> tuple[Any, list[Any]]:
    """Run a script and, in the same round trip, commands that only read; returns its answer and theirs."""
    script = ("EVALSHA", sha_of(name), 1, tag, *arguments)
    try:
        if isinstance(client, Store):
            answer, *rest = client.ask(script, *commands)
        else:
            pipeline = client.pipeline(transaction=False)
            for command in (script, *commands):
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            answer, *rest = pipeline.execute()
    except NoScriptError:
        answer = client.execute_command("EVAL", text_of(name), 1, tag, *arguments)  # type: ignore[no-untyped-call]
        rest = [client.execute_command(*command) for command in commands]  # type: ignore[no-untyped-call]
    return answer, rest


def run_all(client: Redis, calls: list[tuple[str, str, tuple[Any, ...]]]) -> list[Any]:
    """Run many (script, tag, arguments) in one round trip; raises where one fails."""
    pipeline = client.pipeline(transaction=False)
    for name, tag, arguments in calls:
        pipeline.execute_command("EVALSHA", sha_of(name), 1, tag, *arguments)  # type: ignore[no-untyped-call]
    return list(pipeline.execute())


async def run_many(client: AsyncRedis, calls: list[tuple[str, str, tuple[Any, ...]]]) -> list[Any]:
    """Run many (script, tag, arguments) in one round trip; a failing one gives its exception."""
    got = await _pipelined(client, calls)
    missing = [number for number, answer in enumerate(got) if isinstance(answer, NoScriptError)]
    if missing:
        for name in {calls[number][0] for number in missing}:
            await client.script_load(text_of(name))
        again = await _pipelined(client, [calls[number] for number in missing])
        for number, answer in zip(missing, again, strict=True):
            got[number] = answer
    return got


async def _pipelined(client: AsyncRedis, calls: list[tuple[str, str, tuple[Any, ...]]]) -> list[Any]:
    pipeline = client.pipeline(transaction=False)
    for name, tag, arguments in calls:
        pipeline.execute_command("EVALSHA", sha_of(name), 1, tag, *arguments)
    return list(await pipeline.execute(raise_on_error=False))
