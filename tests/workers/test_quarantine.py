"""A worker has one quarantine at a time, knows at once when it dies, and takes it along when it ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workers.quarantine import Children, own_name


def until(what: Callable[[], object]) -> None:
    for _ in range(400):
        if what():
            return
        threading.Event().wait(0.025)
    raise AssertionError("it does not come to that")


class Nursery:
    """Children that run a line of Python."""

    def __init__(self, folder: Path, text: str, *, limit: float = 20) -> None:
        self.seen = folder / "seen"
        note = (
            f"import sys, os, time, signal; open({str(self.seen)!r}, 'a').write(f'{{os.getpid()}} {{sys.argv[-1]}}\\n')"
        )
        program = (sys.executable, "-c", f"{note}\n{text}")
        self.ticks = 0.0
        self.children = Children("p", limit=limit, environment=os.environ, program=program, ticks=lambda: self.ticks)

    def born(self) -> list[tuple[int, str]]:
        lines = self.seen.read_text().splitlines() if self.seen.exists() else []
        return [(int(line.split()[0]), line.split()[1]) for line in lines]


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Callable[..., Nursery]]:
    made: list[Nursery] = []

    def make(text: str, **more: float) -> Nursery:
        made.append(Nursery(tmp_path, text, **more))
        return made[-1]

    yield make
    for one in made:
        one.children.close(patience=10)


def test_a_child_that_ends_well_makes_room_for_the_next(nursery: Callable[..., Nursery]) -> None:
    one = nursery("pass")
    for number in (1, 2):
        assert one.children.able()
        one.children.start()
        until(lambda number=number: len(one.born()) == number and one.children.able())  # type: ignore[misc]  # mypy: a default in a lambda
    assert len({name for _, name in one.born()}) == 2
    assert one.children.died() == ()


def test_there_is_one_child_at_a_time(nursery: Callable[..., Nursery]) -> None:
    one = nursery("time.sleep(30)")
    one.children.start()
    assert not one.children.able()
    one.children.start()
    until(one.born)
    assert len(one.born()) == 1


def test_a_death_by_a_signal_is_known_at_once_until_it_is_reported(nursery: Callable[..., Nursery]) -> None:
    one = nursery("os.kill(os.getpid(), signal.SIGKILL)")
    one.children.start()
    until(one.children.died)
    (name,) = one.children.died()
    assert name == one.born()[0][1]
    assert one.children.able(), "there are only so many deaths to a letter: nobody waits"
    one.children.reported([name])
    assert one.children.died() == ()


def test_a_child_that_cannot_work_accuses_nobody_and_is_left_alone_for_a_while(
    nursery: Callable[..., Nursery],
) -> None:
    one = nursery("sys.exit(3)")
    one.children.start()
    until(lambda: one.born() and not one.children.able() and not one.children._busy)
    assert one.children.died() == ()
    one.ticks += 1.5
    assert one.children.able()


def test_a_child_that_hangs_is_killed_and_accused(nursery: Callable[..., Nursery]) -> None:
    one = nursery("time.sleep(60)", limit=1.0)
    one.children.start()
    until(one.children.died)


def test_the_child_is_asked_to_end_with_its_worker(nursery: Callable[..., Nursery]) -> None:
    one = nursery("time.sleep(60)")
    one.children.start()
    until(one.born)
    one.children.close(patience=10)
    with pytest.raises(ProcessLookupError):
        os.kill(one.born()[0][0], signal.SIG_DFL)
    assert not one.children.able()


def test_no_two_processes_have_one_name() -> None:
    assert own_name() != own_name()
