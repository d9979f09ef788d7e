"""What the bench measures with is itself right: signed payloads, CPU, ratios, a target that counts."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from itertools import repeat

import pytest

from connector.event import Kind
from connector.registry import SYSTEMS
from connector.system import Inbound, Trust
from connector.systems.jira.settings import Auth, JiraConnection
from workers.bench.gauge import PROC, Comparison, cpu
from workers.bench.load import payload, request, send
from workers.bench.stage import Stage


def kinds(document: object) -> list[Kind]:
    inbound = Inbound({}, json.dumps(document).encode())
    received = SYSTEMS["jira"].receive("jira", JiraConnection("http://127.0.0.1", Auth()), inbound, Trust.SIGNED)
    return [event.kind for event in received.events if not event.partial]


def test_a_payload_is_an_event_that_needs_no_further_read() -> None:
    assert kinds(payload(1)) == [Kind.ISSUE_CREATED]
    assert kinds(payload(1, update=3)) == [Kind.ISSUE_UPDATED]


def test_each_update_is_newer_than_the_one_before() -> None:
    times = [payload(1, update=number)["issue"]["fields"]["updated"] for number in range(12)]
    assert sorted(set(times)) == times


def test_a_payload_is_as_large_as_it_should_be() -> None:
    assert abs(len(json.dumps(payload(7, size=8192))) - 8192) < 64


def test_a_request_is_signed() -> None:
    head, _, body = request(80, payload(1), "secret").partition(b"\r\n\r\n")
    assert hmac.new(b"secret", body, hashlib.sha256).hexdigest().encode() in head


def test_a_ratio_is_the_median_of_the_rounds_and_is_held_against_its_goal() -> None:
    less = Comparison("m", "f", "µs", (5.0, 90.0, 8.0), (10.0, 100.0, 10.0), 0.8, less_is_better=True)
    assert less.ratio == 0.8
    assert less.holds
    more = Comparison("m", "f", "a second", (4.0, 4.0, 9.0), (1.0, 2.0, 2.0), 4.1, less_is_better=False)
    assert more.ratio == 4.0
    assert not more.holds
    assert more.as_json()["goal"] == ">= 4.1"


@pytest.mark.skipif(not PROC.exists(), reason="the CPU of a process is read from /proc")
def test_cpu_counts_work_and_no_waiting() -> None:
    before = cpu(os.getpid())
    over = time.process_time() + 0.1
    while time.process_time() < over:
        pass
    assert 0.05 <= cpu(os.getpid()) - before < 5


@pytest.mark.e2e
def test_only_accepted_webhooks_count_and_the_target_counts_what_it_gets() -> None:
    with Stage() as stage:
        _, port = stage.listening("workers.bench.floors.verify_only")
        send(port, [request(port, payload(number), stage.secret) for number in range(50)])
        with pytest.raises(RuntimeError, match="401"):
            send(port, [request(port, payload(1), "another")])
        post = b"POST /api/chat.postMessage HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}"
        with pytest.raises(RuntimeError, match="200"):
            send(stage.target_port, repeat(post, 40), connections=4)
        assert stage.target()["count"] == 40


@pytest.mark.e2e
@pytest.mark.slow
def test_a_measure_runs_from_beginning_to_end() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workers.cli", "bench", "--measure", "idle", "--rounds", "1", "--json"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    (told,) = json.loads(done.stdout)
    assert told["ratio"] > 0
    assert done.returncode == (0 if told["holds"] else 1), done.stderr
