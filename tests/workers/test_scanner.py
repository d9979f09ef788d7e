"""A worker without a scanner must not go on unnoticed."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from workers.scanner import Scanner
from workers.stores.scripts import StoreError


class Steady:
    """A desk that only knows how to spread rounds."""

    def jitter(self) -> float:
        return 0.0


def scanner(follow: Any, died: Any) -> Scanner:
    return Scanner(cast("Any", Steady()), cast("Any", None), every=0.001, follow=follow, died=died)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_that_ends_the_scanner_is_told() -> None:
    died = threading.Event()

    def follow() -> None:
        raise RuntimeError("a bug")

    scanner(follow, died.set).start()
    assert died.wait(5)


def test_a_store_that_is_away_does_not_end_it() -> None:
    died, rounds, enough = threading.Event(), [0], threading.Event()

    def follow() -> None:
        rounds[0] += 1
        if rounds[0] > 3:
            enough.set()
        raise StoreError("away")

    one = scanner(follow, died.set)
    one.start()
    assert enough.wait(5)
    one.stop()
    assert not died.is_set()


def test_one_that_is_stopped_has_not_died() -> None:
    died, begun = threading.Event(), threading.Event()

    def follow() -> None:
        begun.set()
        raise StoreError("away")

    one = scanner(follow, died.set)
    one.start()
    assert begun.wait(5)
    one.stop()
    assert not died.is_set()
