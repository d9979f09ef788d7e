"""Every way to start the product starts it, stops it, and says what is in its way."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.town import HURRY, Town, until
from workers.demo.stage import free_port
from workers.embedded import ends_with_parent, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

SERVERS = ("BROKER_URL", "STORE_URL")


@pytest.fixture
def folder(town: Town, tmp_path: Path) -> Iterator[Path]:
    """Return a folder of its own with the same connections and one connector that polls nothing soon."""
    home = tmp_path / "alone"
    (home / "connectors").mkdir(parents=True)
    shutil.copytree(town.home / "connections", home / "connections")
    (home / "connectors" / "dc.yaml").write_text(
        "version: 1\nname: dc\ntemplate: github-to-jira\nfrom: {repositories: [acme/dc]}\n"
        "to: {connection: dc, project: OPS}\n"
    )
    yield home
    assert running(home) is None


class Up:
    """A running ``connector up``."""

    def __init__(self, town: Town, home: Path, *options: str, **environment: str) -> None:
        self.receiver, self.flower, self.health = free_port(), free_port(), free_port()
        self.log = home / "up.log"
        self._output = self.log.open("wb")
        without = {name: value for name, value in town.environment.items() if name not in SERVERS}
        self.environment = {
            **without,
            "CONNECTOR_HOME": str(home),
            "RECEIVER_PORT": str(self.receiver),
            "FLOWER_PORT": str(self.flower),
            "HEALTH_PORT": str(self.health),
            **environment,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "workers.cli", "up", *options],
            env=self.environment,
            cwd=home,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=ends_with_parent(),  # noqa: PLW1509 - two system calls; a killed test run leaves nothing behind
        )

    def said(self) -> str:
        """Return what it said."""
        return self.log.read_text(errors="replace")

    def end(self, number: int = signal.SIGINT, seconds: float = 20) -> int:
        """Ask it to end and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self._output.close()


def again(up: Up, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``connector up`` to its (early) end."""
    return subprocess.run(
        [sys.executable, "-m", "workers.cli", "up"],
        env={**up.environment, **environment},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_up_runs_everything_restarts_what_dies_and_stops_all_at_ctrl_c(town: Town, folder: Path) -> None:
    up = Up(town, folder)
    try:
        until(lambda: town.get(up.receiver, "/readyz")[0] == 200, 40, told=up.said)
        until(lambda: town.get(up.health + 1, "/readyz")[0] == 200, 40, told=up.said)
        until(lambda: town.get(up.health, "/readyz")[0] == 200, 40, told=up.said)
        until(lambda: town.get(up.flower, "/healthcheck")[0] == 200, 40, told=up.said)
        assert town.get(up.flower, "/workers")[0] == 401
        assert re.search(r"user operator, password \S+\)", up.said())
        second = again(up, folder)
        assert second.returncode == 1
        assert f"runs in {folder} already (process {up.process.pid})" in second.stderr
        doctor = town.connector(
            "doctor", "--json", CONNECTOR_HOME=str(folder), BROKER_URL="", STORE_URL="", RECEIVER_PORT="8787"
        )
        assert {one["level"] for one in json.loads(doctor.stdout) if one["what"] == "store"} == {"ok"}
        (worker,) = subprocess.run(
            ["pgrep", "-P", str(up.process.pid), "-f", "workers.cli work"], capture_output=True, text=True, check=True
        ).stdout.split()
        subprocess.run(["kill", "-9", worker], check=True)
        until(lambda: "ended with code -9; starting again" in up.said(), told=up.said)
        until(lambda: town.get(up.health + 1, "/readyz")[0] == 200, 40, told=up.said)
    finally:
        code = up.end()
    assert code == 0, up.said()
    assert "is killed" not in up.said()
    for port in (up.receiver, up.flower, up.health, up.health + 1):
        assert town.get(port, "/healthz")[0] == 0


def test_up_names_every_port_that_is_taken_before_anything_starts(town: Town, folder: Path) -> None:
    with socket.socket() as one, socket.socket() as other:
        for peer in (one, other):
            peer.bind(("127.0.0.1", 0))
            peer.listen()
        ports = [str(peer.getsockname()[1]) for peer in (one, other)]
        up = Up(town, folder, RECEIVER_PORT=ports[0], FLOWER_PORT=ports[1])
        assert up.process.wait(30) == 1
        up.end()
    assert f"RECEIVER_PORT: port {ports[0]} on 127.0.0.1 is in use" in up.said()
    assert f"FLOWER_PORT: port {ports[1]} on 127.0.0.1 is in use" in up.said()
    assert not (folder / ".connector" / "servers.json").exists()


def test_up_with_a_broken_configuration_says_all_of_it_and_starts_nothing(town: Town, folder: Path) -> None:
    (folder / "connectors" / "bad.yaml").write_text("version: 1\nname: Bad Name\nfrm: {connection: github}\n")
    up = Up(town, folder)
    assert up.process.wait(30) == 2
    up.end()
    assert "connectors/bad.yaml:2" in up.said()
    assert "connectors/bad.yaml:3" in up.said()
    assert "nothing was started" in up.said()


def test_up_says_which_server_cannot_be_reached(town: Town, folder: Path) -> None:
    up = Up(town, folder, BROKER_URL=town.environment["BROKER_URL"], STORE_URL=f"redis://127.0.0.1:{free_port()}/0")
    assert up.process.wait(30) == 3, up.said()
    up.end()
    assert "STORE_URL: the server cannot be reached" in up.said()


def test_killing_up_takes_everything_along(town: Town, folder: Path) -> None:
    up = Up(town, folder, "--no-flower")
    until(lambda: town.get(up.receiver, "/readyz")[0] == 200, 40, told=up.said)
    assert up.end(signal.SIGKILL) == -9
    until(lambda: town.get(up.receiver, "/healthz")[0] == 0)
    until(lambda: running(folder) is None)


@pytest.mark.parametrize(
    ("name", "port", "command"),
    [
        ("RECEIVER_PORT", "RECEIVER_PORT", "receive"),
        ("HEALTH_PORT", "HEALTH_PORT", "work"),
        ("HEALTH_PORT", "HEALTH_PORT", "schedule"),
        ("FLOWER_PORT", "FLOWER_PORT", "flower"),
    ],
)
def test_a_process_says_which_port_is_taken(town: Town, name: str, port: str, command: str) -> None:
    with socket.socket() as peer:
        peer.bind(("127.0.0.1", 0))
        peer.listen()
        number = str(peer.getsockname()[1])
        done = town.connector(command, code=1, FLOWER_BASIC_AUTH="a:b", **{port: number})
    assert f"{name}: port {number} on 127.0.0.1 is in use" in done.stderr


def polls(town: Town) -> list[dict[str, object]]:
    """Return the log lines of the plain worker about polls."""
    lines = [line for line in town.log("plain-worker").splitlines() if line.startswith("{")]
    return [row for row in map(json.loads, lines) if str(row["message"]).startswith("polled ")]


def test_plain_celery_starts_a_worker_the_clock_and_flower(town: Town) -> None:
    celery = [sys.executable, "-m", "celery", "-A", "workers.app"]
    worker, clock, flower = free_port(), free_port(), free_port()
    town.run_process("plain-worker", [*celery, "worker", "-n", "plain@%h"], HEALTH_PORT=str(worker))
    town.run_process("plain-beat", [*celery, "beat"], HEALTH_PORT=str(clock))
    town.run_process(
        "plain-flower", [*celery, "flower", f"--port={flower}", "--address=127.0.0.1"], FLOWER_BASIC_AUTH="a:b"
    )
    try:
        until(lambda: town.get(worker, "/readyz")[0] == 200, 40, told=lambda: town.log("plain-worker")[-2000:])
        until(lambda: "is starting" in town.log("plain-beat"), 40, told=lambda: town.log("plain-beat")[-2000:])
        until(lambda: town.get(flower, "/healthcheck")[0] == 200, 40, told=lambda: town.log("plain-flower")[-2000:])
        # Only this worker: the others are stopped, and it delivers.
        town.stop("w1")
        town.stop("w2")
        title = town.title("By plain Celery")
        town.report(title, repository="acme/dc")
        town.issue(title, "dc")
        # Its clock alone ticks now, and a tick sends polls: their lines are ours, as JSON.
        town.stop("schedule")
        seen = len(polls(town))
        until(lambda: len(polls(town)) > seen, 30, told=lambda: town.log("plain-worker")[-2000:])
    finally:
        codes = [town.stop(name) for name in ("plain-worker", "plain-beat", "plain-flower")]
    assert codes[:2] == [0, 0]


def test_a_dead_letter_is_a_failed_task_in_stock_flower(town: Town) -> None:
    port = free_port()
    town.spawn("flower", "flower", FLOWER_PORT=str(port), FLOWER_BASIC_AUTH="operator:secret")

    def ask(path: str) -> Any:
        status, body = town.get(port, path, user="operator:secret")
        return json.loads(body) if status == 200 else {}

    sandbox: Any = town.served.sandboxes["dc"]
    try:
        # It lists a worker once it hears events.
        until(lambda: any("w1@" in name for name in ask("/api/workers")), 40, told=lambda: town.log("flower"))
        assert town.get(port, "/api/tasks")[0] == 401
        sandbox.require("duedate")
        number = town.report(town.title("For Flower"), repository="acme/dc")
        letter, *_ = until(
            lambda: [one for one in town.json("dead", "list", "dc") if one["key"] == f"acme/dc#{number}"]
        )
        task: Any = until(lambda: ask("/api/tasks?state=FAILURE").get(letter["id"]))
        assert task["name"] == "dc"
        assert "Rejected" in task["exception"]
        assert letter["id"] in task["traceback"]
        page = town.get(port, f"/task/{letter['id']}", user="operator:secret")[1].decode()
        assert f'href="/dead-letters/dc/{letter["id"]}"' in page
        # Where the cause strikes many, the rest is one failed task more.
        for _ in range(8):
            town.report(town.title("For Flower"), repository="acme/dc")
        tasks: Any = until(
            lambda: {n: one for n, one in ask("/api/tasks?state=FAILURE").items() if n.startswith("dc:cause:")}
        )
        ((name, held),) = tasks.items()
        assert (held["name"], held["exception"][:5]) == ("dc", "Held(")
        assert f"connector resume dc --gate {name[3:]}" in held["traceback"]
    finally:
        sandbox.require("duedate", on=False)
        town.stop("flower")
    assert town.settled("dc")["dead"] == 0, (
        "mended: the canary gets through, and the dead letters come back with the rest"
    )


def test_the_demo_delivers_everything_once_and_in_order(town: Town, tmp_path: Path) -> None:
    for name in ("w1", "w2"):
        town.stop(name)  # two cores are not many
    done = subprocess.run(
        [sys.executable, "-m", "workers.cli", "demo", "--once", "--folder", str(tmp_path / "demo")],
        env={name: value for name, value in town.environment.items() if name not in {*SERVERS, *HURRY}},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=140,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("{")]
    result = json.loads(line)
    assert set(result) >= {
        *("accepted", "delivered", "skipped", "dead", "discarded", "in_flight"),
        *("duplicates", "lost", "out_of_order"),
    }
    assert result["accepted"] == sum(result[name] for name in ("delivered", "skipped", "dead", "discarded"))
    assert not any(result[name] for name in ("in_flight", "duplicates", "lost", "out_of_order"))
    assert result["delivered"] > 100
