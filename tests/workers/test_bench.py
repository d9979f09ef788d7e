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
from pathlib import Path

import pytest
from click.testing import CliRunner

from connector.event import Kind
from connector.registry import SYSTEMS
from connector.system import Inbound, Trust
from connector.systems.jira.settings import Auth, JiraConnection
from workers.bench.floors.target import Bucket
from workers.bench.flow import paced, spans
from workers.bench.gauge import PROC, Comparison, cpu
from workers.bench.load import payload, request, send
from workers.bench.measures import MEASURES
from workers.bench.plots import write
from workers.bench.stage import Stage
from workers.bench.table import cells, markdown
from workers.cli import main
from workers.cli.bench import NAMES


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
    for size in (1000, 8192):
        assert abs(len(json.dumps(payload(7, size=size))) - size) < 64


def test_a_large_payload_has_as_many_members_as_one_of_jiras() -> None:
    assert 150 < json.dumps(payload(7, size=8192)).count('": ') < 210
    assert kinds(payload(7, size=8192)) == [Kind.ISSUE_CREATED]


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


def test_a_ratio_without_a_goal_only_informs() -> None:
    one = Comparison("m", "f", "ms", (2.0,), (1.0,), None, less_is_better=True)
    assert one.holds
    assert one.as_json()["goal"] == ""


def test_a_table_shows_each_verdict_and_how_far_rounds_lie_apart() -> None:
    missed = Comparison("m", "a | b", "ms", (2.0, 1200.0), (1.0, 1000.0), 1.1, less_is_better=True, notes={"room": 7.0})
    assert cells(missed) == ("m", "a | b", "ms", "601", "500", "1.6", "1.20 to 2.00", "≤ 1.1", "missed")
    table = markdown([missed])
    assert "a \\| b" in table
    assert table.endswith("\n\n- m: room 7\n")


def test_pictures_are_small_and_one_for_each_unit(tmp_path: Path) -> None:
    rows = [
        Comparison("use", "rate", unit, (49.0, 49.5), (50.0, 50.0), 0.98, less_is_better=False)
        for unit in ("a second", "a second", "429s")
    ]
    written = write({"tokens": rows, "idle": rows[:1]}, tmp_path)
    assert [path.name for path in written] == ["table.md", "tokens.png", "tokens-2.png", "idle.png"]
    for path in written[1:]:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size < 60_000


def test_latency_counts_from_when_an_event_was_due_and_misses_none() -> None:
    due = paced(lambda _: time.sleep(0.02), range(1, 4), rate=100.0)
    assert [round((due[issue] - due[1]) * 100) for issue in due] == [0, 1, 2], "a slow sender shifts nothing"
    came = [(2, due[2] + 0.5), (1, due[1] + 1.0), (2, due[2] + 9.0), (3, due[3] + 0.25)]
    assert [round(one) for one in spans(due, came)] == [1000, 500, 250]
    with pytest.raises(RuntimeError, match="1 messages did not come"):
        spans(due, came[:3])


def test_a_bucket_refuses_what_is_beyond_it() -> None:
    bucket = Bucket(rate=10, burst=3)
    assert [bucket.takes(5.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.takes(5.125), bucket.takes(5.125)] == [True, False]
    assert [bucket.takes(60.0) for _ in range(4)] == [True, True, True, False], "it never holds more than its burst"


def test_a_measure_that_is_not_there_is_refused_by_the_names_of_those_that_are() -> None:
    done = CliRunner().invoke(main, ["bench", "--measure", "speed"])
    assert done.exit_code == 2
    assert "'steady'" in done.output
    listed = CliRunner().invoke(main, ["bench", "--list", "--json"])
    assert set(json.loads(listed.output)) == set(NAMES) == set(MEASURES)
    assert all(json.loads(listed.output).values())


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
        message = b'{"text":"*WEB-7* Broken"}'
        head = b"POST /wait-1/api/chat.postMessage HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(message)
        with pytest.raises(RuntimeError, match="200"):
            send(stage.target_port, [head + message], connections=1)
        ((issue, moment),) = stage.came("wait-1", last=5)
        assert (issue, stage.target()["count"]) == (7, 41)
        assert 0 <= time.monotonic() - moment < 20


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
