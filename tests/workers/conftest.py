"""Give the engine's tests an office: everything that a worker's turn touches, faked and moved by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakeredis import FakeRedis, FakeServer

from tests.workers.office import Office


@pytest.fixture
def office() -> Iterator[Office]:
    """Return an office with one connector, ``bugs``; its accounts must add up when the test ends."""
    made = Office(FakeRedis(server=FakeServer(server_type="valkey")))
    yield made
    made.check_accounts()
