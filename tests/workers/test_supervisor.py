"""The supervisor restarts what dies, passes the stop on, and ends what does not listen."""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from collections.abc import Callable

import pytest

from workers.supervisor import Child, Supervisor

WAITS = "import threading; print('up', flush=True); threading.Event().wait()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"
TELLS = "import os; print('port', os.environ.get('HEALTH_PORT'), flush=True)"


def until(what: Callable[[], object], seconds: float = 20) -> None:
    limit = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < limit
        threading.Event().wait(0.02)


def supervise(*children: Child, grace: float = 10) -> tuple[Supervisor, io.StringIO]:
    output = io.StringIO()
    made = Supervisor(children, os.environ, output=output, grace=grace, program=(sys.executable, "-c"))
    made.start()
    return made, output


def test_a_child_that_dies_is_started_again_and_its_end_is_told() -> None:
    made, output = supervise(Child("one", (WAITS,)))
    try:
        until(lambda: output.getvalue().count("one | up") == 1)
        first = made.pid("one")
        assert first
        os.kill(first, 9)
        until(lambda: output.getvalue().count("one | up") == 2)
        assert made.pid("one") != first
    finally:
        made.stop()
    assert "one | ended with code -9; starting again in 1 s" in output.getvalue()
    assert made.pid("one") is None


def test_one_that_runs_once_is_not_started_again_and_a_failure_of_it_stops_nobody() -> None:
    made, output = supervise(
        Child("other", (WAITS,)), Child("good", ("pass",), once=True), Child("bad", ("raise SystemExit(1)",), once=True)
    )
    try:
        until(lambda: "good | has ended" in output.getvalue())
        until(lambda: "bad | ended with code 1; all else goes on" in output.getvalue())
        until(lambda: "other | up" in output.getvalue())
        assert made.pid("other")
    finally:
        made.stop()
    assert "starting again" not in output.getvalue()


def test_each_failure_waits_longer() -> None:
    made, output = supervise(Child("bad", ("raise SystemExit(3)",)))
    try:
        until(lambda: output.getvalue().count("ended with code 3") >= 2)
    finally:
        made.stop()
    assert "again in 1 s" in output.getvalue()
    assert "again in 2 s" in output.getvalue()


def test_a_child_that_does_not_listen_is_killed_when_the_grace_is_over() -> None:
    made, output = supervise(Child("deaf", (DEAF,)), Child("good", (WAITS,)), grace=0.5)
    until(lambda: output.getvalue().count("up") == 2)
    pid = made.pid("deaf")
    assert pid
    began = time.monotonic()
    made.stop()
    assert time.monotonic() - began < 5
    assert "deaf | does not end and is killed" in output.getvalue()
    assert "good | does not end" not in output.getvalue()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_nothing_is_started_again_while_it_stops() -> None:
    made, output = supervise(Child("one", (WAITS,)))
    until(lambda: "up" in output.getvalue())
    made.stop()
    threading.Event().wait(0.7)  # longer than the first wait before a restart
    assert output.getvalue().count("one | up") == 1
    assert made.pid("one") is None


def test_a_child_may_have_variables_of_its_own() -> None:
    made, output = supervise(Child("one", (TELLS,), {"HEALTH_PORT": "1234"}), Child("two", (TELLS,)))
    try:
        until(lambda: "one | port 1234" in output.getvalue() and "two | port" in output.getvalue())
    finally:
        made.stop()
    assert "two | port 1234" not in output.getvalue()
