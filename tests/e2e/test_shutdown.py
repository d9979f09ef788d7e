"""Asked to stop under load, a process ends within the time of one call and leaves nothing held behind."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from connector.sandbox import Hook
from tests.e2e.town import HURRY, Town, until
from workers.farewell import PATIENCE
from workers.sandbox_hooks import Subscriber

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

CALL = float(HURRY["CALL_SECONDS"])
MARGIN = 8.0
"""Seconds that a process may take besides: Celery's own farewell, on a busy machine."""


@pytest.fixture
def store(town: Town) -> Iterator[Any]:
    with Redis.from_url(town.environment["STORE_URL"]) as client:
        yield client


def held(store: Any, connector: str = "web") -> dict[bytes, bytes]:
    """Return the subjects that turns hold, each with the turn."""
    own = store.hgetall(f"jc:{{{connector}}}:own")
    return {subject: owner for subject, owner in own.items() if owner.startswith(b"t")}


def turns(store: Any, connector: str = "web") -> list[bytes]:
    """Return the turns that have a slot."""
    return [token for token in store.zrange(f"jc:{{{connector}}}:slots", 0, -1) if token.startswith(b"t")]


def arrived(town: Town, titles: list[str]) -> None:
    """Wait until each title has its one issue."""
    until(lambda: all(town.issues(title) for title in titles), 60)
    assert [len(town.issues(title)) for title in titles] == [1] * len(titles)


def test_leases_are_given_back_within_one_call(town: Town, store: Any) -> None:
    """The answers would take for ever: the deadline ends that call, and no other is begun."""
    titles = [town.title("Stopped") for _ in range(16)]
    with town.fault("jira", "drip", method="POST", path="/rest/api/3/issue", seconds_per_byte=1.0):
        for title in titles:
            town.report(title)
        until(lambda: len(held(store)) >= 3)
        began = time.monotonic()
        workers = [town.processes.pop(name) for name in ("w1", "w2")]
        for worker in workers:
            worker.terminate()  # once: a second time means to Celery that it must not wait
        codes = [worker.wait(CALL + MARGIN + 4) for worker in workers]
        took = time.monotonic() - began
        said = town.log("w1")[-3000:] + town.log("w2")[-3000:]
        assert (held(store), turns(store)) == ({}, []), said
    assert codes == [0, 0], said
    assert took < CALL + MARGIN
    # Nothing waits for anybody's slot to expire: whoever comes next finds all of it.
    town.work("w1")
    arrived(town, titles)
    town.settled("web")


def test_a_worker_ends_though_the_broker_is_frozen(town: Town, store: Any) -> None:
    with town.broker as broker:
        info: Any = broker.info("server")
    pid = int(info["process_id"])
    titles = [town.title("Frozen broker") for _ in range(6)]
    with town.fault("jira", "drip", method="POST", path="/rest/api/3/issue", seconds_per_byte=0.002):
        for title in titles:
            town.report(title)
        until(lambda: held(store))
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert town.stop("w1", seconds=30) == 0
            assert time.monotonic() - began < CALL + PATIENCE + MARGIN
            assert not [turn for turn in held(store).values() if turn not in turns(store)]
        finally:
            os.kill(pid, signal.SIGCONT)
    arrived(town, titles)
    town.settled("web")


class Noting(Subscriber):
    """Posts webhooks and keeps what was answered to each."""

    def __init__(self, town: Town) -> None:
        self.noted: list[tuple[str, int, str]] = []
        super().__init__(f"http://127.0.0.1:{town.receiver_port}/hooks/github", town.served.now, hurry=0.02)

    def _post(self, hook: Hook, attempt: int, why: str) -> tuple[int, str]:
        status, problem = super()._post(hook, attempt, why)
        self.noted.append((json.loads(hook.body).get("issue", {}).get("title", ""), status, problem))
        return status, problem


def test_a_receiver_answers_what_it_has_taken_before_it_ends(town: Town) -> None:
    """No webhook is cut off: each is answered, and what was promised is there although its source never repeats."""
    titles = [town.title("Last words") for _ in range(40)]
    usual = town.served.subscribers["github"]
    noting = Noting(town)
    town.served.subscribers["github"] = [noting]
    crowd = threading.Thread(target=lambda: [town.report(title) for title in titles])
    try:
        crowd.start()
        until(lambda: len(noting.noted) > 10)
        # uvicorn ends by the signal that it was sent, once all is answered.
        assert town.stop("receive", seconds=15) in {0, -signal.SIGTERM}
        crowd.join()
        until(lambda: {title for title, _, _ in noting.noted} >= set(titles))
    finally:
        town.served.subscribers["github"] = usual
        noting.stop()
        town.spawn("receive", "receive")
        until(lambda: town.get(town.receiver_port, "/readyz")[0] == 200)
    # A refused connection is honest; a request that was taken and not answered would be a time-out.
    assert {problem for _, _, problem in noting.noted} <= {"", "connection"}
    promised = [title for title in titles if any(one == title and 200 <= s < 300 for one, s, _ in noting.noted)]
    assert len(promised) > 4
    arrived(town, promised)
    town.settled("web")
