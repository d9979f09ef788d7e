"""A server that would lose or evict deliveries is known before anybody relies on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from workers.stores.durability import FULL, used, weaknesses


@contextmanager
def configured(url: str, **options: str) -> Iterator[Any]:
    """Change a real server's options meanwhile."""
    with Redis.from_url(url) as client:
        server: Any = client
        names = {name: name.replace("_", "-") for name in options}
        before = {name: server.config_get(name)[name] for name in names.values()}
        for name, value in options.items():
            server.config_set(names[name], value)
        try:
            yield client
        finally:
            for name, value in before.items():
                server.config_set(name, value)


def test_a_server_as_it_must_be_has_no_weakness(valkey_url: str) -> None:
    with Redis.from_url(valkey_url) as client:
        assert weaknesses(client) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"maxmemory_policy": "allkeys-lru"}, "maxmemory-policy is allkeys-lru"),
        ({"maxmemory_policy": "volatile-ttl"}, "maxmemory-policy is volatile-ttl"),
        ({"appendonly": "no"}, "no append-only file"),
        ({"appendfsync": "everysec"}, "appendfsync is everysec"),
        ({"appendfsync": "no"}, "appendfsync is no"),
    ],
)
def test_each_weakness_is_named_with_how_to_mend_it(valkey_url: str, options: dict[str, str], says: str) -> None:
    with configured(valkey_url, **options) as client:
        (found,) = weaknesses(client)
    assert says in found
    assert "set" in found


def test_a_server_that_is_nearly_full_is_known(valkey_url: str) -> None:
    with configured(valkey_url, maxmemory="2gb") as client:
        assert used(client) < FULL
    with Redis.from_url(valkey_url) as client:
        memory: Any = client.info("memory")
    with configured(valkey_url, maxmemory=str(int(memory["used_memory"] * 1.1))) as client:
        assert used(client) > FULL
        (found,) = weaknesses(client)
        assert "nothing new is accepted" in found


class Managed:
    """A managed server that forbids CONFIG; ``info`` is what INFO says."""

    def __init__(self, **info: Any) -> None:
        self._info = {"maxmemory_policy": "noeviction", "aof_enabled": 1, "redis_mode": "standalone", **info}

    def config_get(self, _name: str) -> Any:
        raise ResponseError("unknown command 'CONFIG'")

    def info(self, _section: str) -> dict[str, Any]:
        return {"used_memory": 1, **self._info}


@pytest.mark.parametrize(
    ("info", "says"),
    [
        ({}, ""),
        ({"maxmemory_policy": "volatile-lru"}, "volatile-lru"),
        ({"aof_enabled": 0}, "no append-only file"),
        ({"redis_mode": "cluster"}, "it is a cluster"),
    ],
)
def test_where_config_is_forbidden_info_tells(info: dict[str, Any], says: str) -> None:
    managed: Any = Managed(**info)
    found = weaknesses(managed)
    assert says in " ".join(found)
    assert len(found) == bool(says)
