"""A worker that is frozen past its lease between its *sent* mark and the send settles nothing afterwards."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.town import Town, until
from workers.demo.stage import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]


def frozen(pid: int) -> bool:
    """Tell whether a process is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_what_a_thawed_worker_still_sends_is_one_request_that_is_found_and_counted(town: Town) -> None:
    title = town.title("Frozen at the worst moment")
    number = town.report(title)
    town.issue(title)
    town.settled("web")
    before = {name: town.tally("web", name) for name in ("overtaken", "late")}
    switch = town.home / "freeze"
    for name in ("w1", "w2"):
        town.stop(name)
    town.ports["fz"] = free_port()
    command = [sys.executable, "-m", "tests.e2e.freezing", str(switch), "work", "--name", "fz"]
    worker = town.run_process("fz", command, HEALTH_PORT=str(town.ports["fz"]))
    try:
        town.wait_until_ready("fz")
        switch.write_text(r"POST \S+/comment ")
        town.comment("acme/web", number, "first")
        until(lambda: frozen(worker.pid))
        assert town.comments(title) == []
        # The next takes over: it waits until the request can no longer arrive, looks, finds nothing, sends.
        town.work("w1")
        town.comment("acme/web", number, "second")
        until(lambda: len(town.comments(title)) == 2, 60)
        town.settled("web")
        worker.send_signal(signal.SIGCONT)
        # The one request that had been announced goes out, and nothing else.
        until(lambda: len(town.comments(title)) == 3)
        until(lambda: town.tally("web", "late") == before["late"] + 1)
        assert town.tally("web", "overtaken") > before["overtaken"]
        assert "may stand twice" in town.log("fz")
        town.comment("acme/web", number, "third")
        town.settled("web")
    finally:
        worker.send_signal(signal.SIGCONT)
        town.stop("fz", strict=False)
    assert ["first" in text for text in town.comments(title)] == [True, False, True, False]
    (late,) = town.served.sandboxes["jira"].ledger.duplicates()
    town.late.add(late)
