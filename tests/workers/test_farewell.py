"""A worker that is asked to end is gone soon after its last turn, whatever its broker does."""

from __future__ import annotations

import threading

from workers.farewell import Farewell


class Exit:
    """Notes how the process would end."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.happened = threading.Event()

    def __call__(self, code: int) -> None:
        self.codes.append(code)
        self.happened.set()


def test_a_process_without_turns_that_does_not_end_is_ended() -> None:
    leave = Exit()
    farewell = Farewell(lambda: False, leave=leave, patience=0.01)
    farewell.begin()
    farewell.begin()
    assert leave.happened.wait(5)
    assert leave.codes == [0]


def test_nothing_is_ended_while_a_turn_runs() -> None:
    leave, runs, asked = Exit(), threading.Event(), threading.Semaphore(0)
    runs.set()

    def busy() -> bool:
        asked.release()
        return runs.is_set()

    Farewell(busy, leave=leave, patience=0.0).begin()
    for _ in range(4):
        assert asked.acquire(timeout=5)
    assert leave.codes == []
    runs.clear()
    assert leave.happened.wait(5)


def test_a_process_that_ends_by_itself_is_left_alone() -> None:
    leave = Exit()
    farewell = Farewell(lambda: False, leave=leave, patience=5)
    farewell.begin()
    farewell.over()
    assert not leave.happened.wait(0.05)


def test_the_exit_code_tells_a_failure() -> None:
    farewell = Farewell(lambda: False, leave=Exit())
    farewell.failed(None)
    assert farewell.exit_code == 0
    farewell.failed(1)
    assert farewell.exit_code == 1
