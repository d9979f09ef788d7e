"""Killed, frozen out or asked to stop at the worst moment: nothing is lost, doubled or out of order."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from tests.e2e.town import Town, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def arrived(town: Town, titles: list[str]) -> None:
    """Wait until each title has its one issue."""
    until(
        lambda: all(town.issues(title) for title in titles),
        80,
        told=lambda: [title for title in titles if not town.issues(title)],
    )
    assert [len(town.issues(title)) for title in titles] == [1] * len(titles)


def test_a_worker_killed_with_its_write_on_the_way_writes_it_once(town: Town) -> None:
    title = town.title("Killed in flight")
    # Both: whichever holds it dies after Jira has done it and before the answer is read.
    with town.fault("jira", "drip", method="POST", path="/rest/api/3/issue", times=1, seconds_per_byte=1.0):
        town.report(title)
        until(lambda: town.issues(title))
        town.kill("w1", "w2")
    town.work("w1")
    town.work("w2")
    town.wait_until_ready("w1", "w2")
    town.settled("web", seconds=90)
    assert len(town.issues(title)) == 1


def test_one_worker_killed_in_a_burst_leaves_its_work_to_the_other(town: Town) -> None:
    titles = [town.title("Burst") for _ in range(12)]
    numbers = [town.report(title) for title in titles[:6]]
    until(lambda: any(town.issues(title) for title in titles))
    town.kill("w1")
    numbers += [town.report(title) for title in titles[6:]]
    for number in numbers:
        town.comment("acme/web", number, "first")
        town.comment("acme/web", number, "second")
    arrived(town, titles)
    town.settled("web", seconds=60)
    for title in titles:
        assert [re.findall("first|second", text) for text in town.comments(title)] == [["first"], ["second"]]


def test_events_wait_while_no_worker_runs_and_the_broker_is_flushed(town: Town) -> None:
    town.kill("w1", "w2")
    titles = [town.title("Before the flush") for _ in range(4)]
    for title in titles:
        town.report(title)
    until(lambda: town.counts("web")["in_flight"] >= len(titles))
    with town.broker as broker:
        broker.flushall()
    town.work("w1")
    town.work("w2")
    arrived(town, titles)
    # And with workers that are listening already.
    with town.fault("jira", "status", status=503):
        late = town.title("Between")
        town.report(late)
        until(lambda: town.json("deliveries", "web")["deliveries"])
        with town.broker as broker:
            broker.flushall()
    arrived(town, [late])
    town.settled("web")


def test_sigterm_under_load_ends_workers_in_time_and_loses_nothing(town: Town) -> None:
    titles = [town.title("Under load") for _ in range(25)]
    over = threading.Event()

    def people() -> None:
        for title in titles:
            town.report(title)
            over.wait(0.02)

    crowd = threading.Thread(target=people)
    crowd.start()
    until(lambda: any(town.issues(title) for title in titles))
    assert town.stop("w1", seconds=12) == 0
    assert town.stop("w2", seconds=12) == 0
    crowd.join()
    town.work("w1")
    town.work("w2")
    arrived(town, titles)
    town.settled("web")


def test_a_frozen_worker_that_thaws_settles_nothing_twice(town: Town) -> None:
    import signal

    title = town.title("Frozen")
    number = town.report(title)
    town.issue(title)
    frozen = [town.processes[name] for name in ("w1", "w2")]
    with town.fault("jira", "drip", method="POST", path=r".*/comment", times=1, seconds_per_byte=0.02):
        town.comment("acme/web", number, "only once")
        until(lambda: town.comments(title))
        for process in frozen:
            process.send_signal(signal.SIGSTOP)
    town.work("w3")
    town.wait_until_ready("w3")
    town.settled("web", seconds=60)
    for process in frozen:
        process.send_signal(signal.SIGCONT)
    town.comment("acme/web", number, "and on")
    until(lambda: len(town.comments(title)) > 1)
    town.stop("w3")
    town.settled("web")
    assert len(town.comments(title)) == 2


def test_an_outage_makes_no_dead_letters(town: Town) -> None:
    titles = [town.title("Outage") for _ in range(5)]
    before = town.counts("web")["dead"]
    with town.fault("jira", "status", status=503):
        for title in titles:
            town.report(title)
        until(lambda: town.json("deliveries", "web")["deliveries"])
        # The log, not the letters: where the breaker opens at once, no letter has been tried.
        until(lambda: "answered 503" in town.log("w1") + town.log("w2"))
    arrived(town, titles)
    assert town.settled("web")["dead"] == before


def test_one_project_that_is_forbidden_holds_its_items_and_lets_them_go_when_it_is_not(town: Town) -> None:
    titles = [town.title("Forbidden") for _ in range(9)]

    def dead() -> set[str]:
        """Return the items with dead letters; of one that came as two webhooks both may have died."""
        return {str(one["entity"]) for one in town.json("dead", "list", "web")}

    before = dead()
    with town.fault("jira", "status", status=403, method="POST", path=r".*/issue"):
        for title in titles:
            town.report(title)
        until(lambda: town.json("status", "web")[0]["held"])
        ((gate, shut),) = town.json("status", "web")[0]["held"].items()
        assert (shut["about"]["error"], shut["about"]["where"]) == ("Forbidden", "WEB")
        assert gate in town.connector("dead", "list", "web").stdout
        until(lambda: (held := town.json("status", "web")[0]["held"].get(gate)) and held["tries"] >= 2)
        # One that is being tried is dead again in a moment.
        until(lambda: len(dead() - before) == 4, told=lambda: f"{before} and then {dead()}")
    arrived(town, titles)
    town.settled("web")
    assert dead() == before
    assert "is held for one cause" in town.log("w1") + town.log("w2")


def test_a_refused_token_pauses_and_a_good_one_resumes_by_itself(town: Town) -> None:
    title = town.title("Expired")
    with town.fault("jira", "expired_token"):
        town.report(title)
        until(lambda: "paused" in town.log("w1") + town.log("w2"))
        found = town.json("doctor", code=1)
        assert any(one["level"] == "problem" and one["what"] == "connection jira" for one in found)
    arrived(town, [title])
    assert town.settled("web")["dead"] == 0


def test_connections_to_both_servers_that_break_again_and_again_lose_nothing(town: Town) -> None:
    import redis

    titles = [town.title("Broken lines") for _ in range(10)]
    servers: list[Any] = [redis.Redis.from_url(town.environment[name]) for name in ("BROKER_URL", "STORE_URL")]
    for title in titles:
        for server in servers:
            server.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            server.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        number = town.report(title)
        town.comment("acme/web", number, "said once")
    arrived(town, titles)
    town.settled("web")
    assert [len(town.comments(title)) for title in titles] == [1] * len(titles)
    for name in ("w1", "w2", "receive"):
        assert "Traceback" not in town.log(name)
        assert "Exception in thread" not in town.log(name)
    for server in servers:
        server.close()
