"""What ends its process ends as a dead letter, nothing beside it does, and no message stops a worker for good."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from redis import Redis

from tests.e2e.town import ROOT, Town, until
from workers.doorbell import queue_name

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

POISONED = """\
import os, signal
from workers.writing import Pen

write = Pen.write

def bitten(self, change, **more):
    if "Poison" in str(change.fields):
        os.kill(os.getpid(), signal.SIGKILL)
    return write(self, change, **more)

Pen.write = bitten
"""
"""What Python runs at the start of each process here: writing an issue named Poison ends it."""


class Village(Town):
    """One connector, two workers, and a poison that ends any process that writes it."""

    connectors: Mapping[str, str] = MappingProxyType({"dc": Town.connectors["dc"]})

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.hurry = {
            **Town.hurry,
            "CRASHES": "2",
            "SLOT_SECONDS": "3",
            "PYTHONPATH": os.pathsep.join((str(home / "poison"), str(ROOT))),
        }

    def _set_up(self) -> None:
        (self.home / "poison").mkdir(parents=True)
        (self.home / "poison" / "sitecustomize.py").write_text(POISONED)
        super()._set_up()

    def _subscribe(self) -> None:
        self.served.subscribe("github", f"http://127.0.0.1:{self.receiver_port}/hooks/github")

    def freeze(self, number: int) -> None:
        """Send SIGSTOP or SIGCONT to the workers."""
        for name in self.workers:
            self.processes[name].send_signal(number)

    def fallen(self) -> int:
        """Start the workers that have ended anew; returns how many."""
        gone = [name for name in self.workers if self.processes[name].poll() is not None]
        for name in gone:
            self.work(name)
        return len(gone)


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Village]:
    with Village(tmp_path_factory.mktemp("poison") / "home") as running:
        yield running


def test_poison_ends_dead_and_its_neighbours_arrive_once(village: Village) -> None:
    village.freeze(signal.SIGSTOP)
    for number in range(12):
        village.report("Poison" if number == 1 else f"Neighbour {number}", repository="acme/dc")
    village.freeze(signal.SIGCONT)
    fallen = 0

    def over() -> bool:
        nonlocal fallen
        fallen += village.fallen()
        counts = village.counts("dc")
        # Each was opened and labelled.
        return counts["accepted"] == 24 and not counts["in_flight"]

    until(over, 60, told=lambda: (village.counts("dc"), village.log("w1")[-1500:], village.log("w2")[-1500:]))
    dead = village.json("dead", "list", "dc")
    assert {one["cause"] for one in dead} == {"worker_crash"}
    assert {one["key"] for one in dead} == {"acme/dc#2"}
    assert fallen == 1, "only the first worker that met it; then it was tried alone"
    for number in range(12):
        assert len(village.issues(f"Neighbour {number}", "dc")) == (number != 1)
    village.no_effect_is_double()


def message(task: object = "deliver", body: object = None, **headers: object) -> bytes:
    """Make a Celery message as it lies in a queue."""
    content = base64.b64encode(json.dumps([["dc", "b0"], {}, {}] if body is None else body).encode()).decode()
    return json.dumps(
        {
            "body": content,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"lang": "py", "task": task, "id": "5f1e9c52-0000-4000-8000-000000000000", **headers},
            "properties": {
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue_name("dc")},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": "5f1e9c52-0000-4000-8000-000000000001",
            },
        }
    ).encode()


RUBBISH = {
    "no JSON": b"garbage \xff\x00",
    "another type of JSON": b"[1, 2, 3]",
    "no properties": b"{}",
    "a task that nobody knows": message("rm -rf"),
    "no name of a task": message(None),
    "arguments of another type": message(body=[[1, {"a": 2}], {}, {}]),
    "too many arguments": message(body=[["dc", "b1", "more"], {"x": 1}, {}]),
    "no arguments": message(body=[[], {}, {}]),
    "arguments that are none": message(body="nothing"),
    "a body that is no base64": message().replace(b'"body": "', b'"body": "\xc3\xa4'),
    "a body of another content type": message().replace(b"application/json", b"application/x-python-serialize"),
    "a date that is none": message(expires="never", eta="soon"),
}


def test_no_message_stops_a_worker(village: Village) -> None:
    village.stop("w2")
    pid = village.processes["w1"].pid
    with Redis.from_url(village.environment["BROKER_URL"]) as broker:
        for what, raw in RUBBISH.items():
            broker.lpush(queue_name("dc"), raw)
            gone = until(lambda: not broker.llen(queue_name("dc")), 15, told=lambda: village.log("w1")[-3000:])
            assert gone, what
            title = f"After {what}"
            village.report(title, repository="acme/dc")
            village.issue(title, "dc", seconds=25)
            assert village.processes["w1"].poll() is None, f"{what}: {village.log('w1')[-3000:]}"
    assert village.processes["w1"].pid == pid
    village.work("w2")
