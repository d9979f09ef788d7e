"""Find out whether a store keeps what it was told, before anybody relies on it."""

from __future__ import annotations

from typing import Any, Final

from redis import Redis
from redis.exceptions import ResponseError

FULL: Final = 0.8
"""Share of its memory from which a store counts as nearly full."""


def weaknesses(client: Redis) -> list[str]:
    """Return what makes this server unsafe as a store, each with how to mend it."""
    asked: Any = client
    try:
        policy = asked.config_get("maxmemory-policy").get("maxmemory-policy", "")
        kept = asked.config_get("appendonly").get("appendonly", "")
        fsync = asked.config_get("appendfsync").get("appendfsync", "")
    except ResponseError:
        # A managed server may forbid CONFIG; INFO tells the most important part.
        policy = str(asked.info("memory").get("maxmemory_policy", ""))
        kept = "yes" if asked.info("persistence").get("aof_enabled") else "no"
        fsync = ""
    found = []
    if policy not in {"noeviction", ""}:
        found.append(f"maxmemory-policy is {policy}: it may throw deliveries away; set it to noeviction")
    if kept != "yes":
        found.append("it has no append-only file: a restart loses everything; set appendonly yes")
    if fsync and fsync != "always":
        found.append(f"appendfsync is {fsync}: a power failure loses accepted events; set it to always")
    if asked.info("server").get("redis_mode") == "cluster":
        found.append("it is a cluster; one server is supported")
    share = used(client)
    if share > FULL:
        found.append(f"its memory is {share:.0%} full: nothing new is accepted beyond {FULL:.0%}")
    return found


def used(client: Redis) -> float:
    """Return the share of its memory that a server uses; 0 where it has no limit."""
    taken, most = room(client)
    return taken / most if most else 0.0


def room(client: Redis) -> tuple[int, int]:
    """Return how many bytes a server uses, and may use (0: no limit)."""
    asked: Any = client
    memory = asked.info("memory")
    return int(memory.get("used_memory", 0)), int(memory.get("maxmemory", 0))
