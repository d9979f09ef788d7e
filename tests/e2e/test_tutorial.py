"""The tutorial works as it is written: every command of its first five parts is run, with the answers of its table."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.town import until
from tests.workers.commanding import VARIABLES
from workers.demo.stage import free_port

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "getting-started.md").read_text()
PARTS = PAGE.partition("## 6. ")[0]
LONG_RUNNING = ("connector sandbox", "connector up")


def commands() -> list[str]:
    found = re.findall(r"^```sh\n(.*?)^```$", PARTS, re.MULTILINE | re.DOTALL)
    return [line for text in found for line in text.splitlines()]


def answers() -> list[str]:
    return re.findall(r"^\| (?!it asks).+? \| `(.*)` \|$", PARTS, re.MULTILINE)


class Reader:
    """Somebody who follows the page, with ports of their own and a folder that was empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {"8900": str(free_port()), "8787": str(free_port())}
        bin_ = folder / "bin"
        bin_.mkdir()
        shim = bin_ / "connector"
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m workers.cli "$@"\n')
        shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
        self.here = folder
        self.running: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in VARIABLES},
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RECEIVER_PORT": self.ports["8787"],
            "FLOWER_PORT": str(free_port()),
        }

    def runs(self, line: str) -> str:
        for written, mine in self.ports.items():
            line = line.replace(f":{written}", f":{mine}")
        if line in LONG_RUNNING:
            return self._starts(line)
        given = None
        if line == "connector init":
            line, given = "connector init --ask", "\n".join(self._answers()) + "\n"
        got = subprocess.run(
            ["sh", "-ec", line], cwd=self.here, env=self.environment, input=given, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert got.returncode == 0, f"{line}\n{got.stdout}\n{got.stderr}"
        if line.startswith("mkdir"):
            self.here = self.folder / "links"
        return got.stdout

    def _answers(self) -> list[str]:
        return [one.replace(":8900", f":{self.ports['8900']}") for one in answers()]

    def _starts(self, line: str) -> str:
        if line == "connector sandbox":
            line += f" --port {self.ports['8900']} --webhooks http://127.0.0.1:{self.ports['8787']}"
        output = (self.folder / f"{line.split()[1]}.log").open("wb")
        self.running.append(
            subprocess.Popen(line.split(), cwd=self.here, env=self.environment, stdout=output, stderr=output)
        )
        probe = f"{self.ports['8900']}/_control/" if "sandbox" in line else f"{self.ports['8787']}/readyz"
        until(lambda: self._answers_at(probe), 60, told=lambda: self.log(line.split()[1]))
        return ""

    def _answers_at(self, place: str) -> bool:
        asked = subprocess.run(
            ["curl", "-sf", f"http://127.0.0.1:{place}"], capture_output=True, check=False, timeout=10
        )
        return asked.returncode == 0

    def accepted(self) -> int:
        (counts,) = json.loads(self.runs("connector deliveries --json"))["counts"].values()
        return -1 if counts["in_flight"] else int(counts["accepted"])

    def opens_an_issue(self, line: str) -> str:
        """Run the line, and wait until what came of it is settled."""
        before, said = self.accepted(), self.runs(line)
        until(lambda: self.accepted() > before, 30, told=lambda: self.log("up"))
        return said

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def stops(self) -> None:
        for process in reversed(self.running):
            process.send_signal(signal.SIGINT)
        for process in reversed(self.running):
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def reading(folder: Path) -> Iterator[Reader]:
    reader = Reader(folder)
    try:
        yield reader
    finally:
        reader.stops()


@pytest.mark.e2e
def test_who_follows_the_page_ends_with_an_issue_in_jira(tmp_path: Path) -> None:
    with reading(tmp_path) as reader:
        said: dict[str, str] = {}
        for line in commands():
            opens = line.startswith("curl") and line.endswith("/issues")
            said[line] = reader.opens_an_issue(line) if opens else reader.runs(line)
            if line.startswith("connector promote"):
                until(lambda: "is in force" in reader.log("up"), 20, told=lambda: reader.log("up"))
        assert "1 connector(s) over 2 connection(s)" in said["connector check --live"]
        assert "create" in said["connector preview github-to-jira --last 10"]
        (ledger,) = [text for line, text in said.items() if line.endswith("/_control/jira/ledger")]
        made = [one for one in json.loads(ledger)["effects"] if one["action"] == "add_issue"]
        assert len(made) == 1, f"{ledger}: what shadow mode saw was not written, what came live was"
        assert json.loads(ledger)["duplicates"] == []
