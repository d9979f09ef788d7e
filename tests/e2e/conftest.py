"""Start everything once; each test acts on things of its own, so they share it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.town import Town


@pytest.fixture(scope="session")
def running_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Run the product for the whole session."""
    with Town(tmp_path_factory.mktemp("e2e") / "home") as running:
        yield running


@pytest.fixture
def town(running_town: Town) -> Iterator[Town]:
    """Return the running product with both workers up; afterwards no effect may be double."""
    for name in ("w1", "w2"):
        if name not in running_town.processes:
            running_town.work(name)
            running_town.wait_until_ready(name)
    if "schedule" not in running_town.processes:
        running_town.schedule()
    yield running_town
    for sandbox in running_town.served.sandboxes.values():
        sandbox.faults.on = []
    running_town.no_effect_is_double()
