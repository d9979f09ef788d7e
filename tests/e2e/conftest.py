"""Start everything once; each test acts on things of its own, so they share it."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from tests.chaos.ground import Ground
from tests.e2e.town import Town


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test here that fails be tried once more, and reported as such.

    These wait for real processes on whatever machine this is, so that one in thousands of runs is late.  What the
    product may never do is not forgiven by it: a double stands in the ledger of the shared town for good, and every
    test asks that.
    """
    for item in items:
        if item.path.parent.name == "e2e":
            item.add_marker(pytest.mark.flaky(reruns=1))


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


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Return what a storm rages over, at rest and small: a proxy on every line, a canary in every credential."""

    class Small(Ground):
        workers = ("w1",)

    with Small(tmp_path_factory.mktemp("ground") / "home", Random(1)) as running:
        yield running
