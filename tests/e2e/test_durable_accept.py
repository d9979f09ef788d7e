"""A webhook is answered 2xx only when it is on disk; otherwise its source is asked in time to send it again."""

from __future__ import annotations

import hmac
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.servers import Server
from tests.e2e.town import Town, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SOON = 3.5
"""Seconds in which a source must have its answer."""


CONNECTORS: Final = {
    "web": "template: github-to-jira\nfrom: {repositories: [acme/web]}\nto: {project: WEB}\n",
    "more": "template: github-to-jira\nfrom: {repositories: [acme/web]}\nto: {project: OPS}\n",
}
"""Two take each event, so that envelopes are made too."""


@dataclass(frozen=True)
class Answered:
    """What a source was told about issue ``number``."""

    number: int
    status: int
    seconds: float
    retry_after: str


class Porch(Town):
    """A receiver before a store of its own; nobody works, so what was accepted stays where it can be counted."""

    connectors = CONNECTORS
    workers = ()

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.broker_server = Server(home / "broker", fsync="everysec")
        self.store = Server(home / "store", memory="24mb")
        self.numbers = count(1000)

    def _set_up(self) -> None:
        for folder in ("connections", "connectors", "logs"):
            (self.home / folder).mkdir(parents=True)
        self._open_sandboxes()
        self.served.__enter__()
        urls = {name: self.served.url(name) for name in self.served.sandboxes}
        self.write("connections/all.yaml", self.connections.format(**urls))
        for name, text in self.connectors.items():
            self.declare(name, text)
        self.broker_server.start()
        self.store.start()
        self.environment = self._environment(self.broker_server.url, self.store.url)
        self.spawn("receive", "receive")
        until(lambda: self.get(self.receiver_port, "/readyz")[0] == 200)

    def __exit__(self, kind: type[BaseException] | None = None, *rest: object) -> None:
        self.store.thaw()
        super().__exit__(kind, *rest)
        self.store.kill()
        self.broker_server.kill()

    def send(self, number: int = 0) -> Answered:
        """Send the webhook of a new issue (or of ``number`` again)."""
        number = number or next(self.numbers)
        at = "2026-11-24T07:00:00Z"
        issue = {
            "id": 900_000 + number,
            "node_id": f"I_{number}",
            "number": number,
            "title": f"T{number}",
            "body": "It is **broken**.",
            "state": "open",
            "html_url": f"https://github.com/acme/web/issues/{number}",
            "user": {"id": 1, "login": "alice", "type": "User"},
            "labels": [{"id": 1, "name": "bug", "color": "f00", "default": True}],
            "assignees": [],
            "created_at": at,
            "updated_at": at,
            "comments": 0,
        }
        repository = {"id": 1, "full_name": "acme/web", "name": "web", "private": False}
        document = {"action": "opened", "issue": issue, "repository": repository, "sender": issue["user"]}
        body = json.dumps(document).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.receiver_port}/hooks/github",
            body,
            {
                "content-type": "application/json",
                "x-github-event": "issues",
                "x-hub-signature-256": f"sha256={hmac.digest(self.secret.encode(), body, 'sha256').hex()}",
            },
        )
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own loopback address
                return Answered(number, answer.status, time.monotonic() - began, "")
        except urllib.error.HTTPError as error:
            return Answered(number, error.code, time.monotonic() - began, error.headers.get("retry-after", ""))

    def stored(self) -> set[tuple[int, str]]:
        """Return (issue number, connector) of everything that is in the books."""
        with self.store.client() as client:
            return {
                (int(str(client.hget(key, "key").decode()).partition("#")[2]), key.decode().partition("}")[0][4:])
                for key in client.scan_iter("jc:{*}:d:*", count=1000)
            }


@pytest.fixture(scope="module")
def porch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Porch]:
    with Porch(tmp_path_factory.mktemp("porch") / "home") as running:
        yield running


def told_to_come_again(answers: list[Answered]) -> None:
    for one in answers:
        assert one.status == 503, one
        assert 0 < int(one.retry_after) <= 60, one
        assert one.seconds < SOON, one


def nothing_was_promised_that_is_not_there(porch: Porch, answers: list[Answered]) -> None:
    promised = {(one.number, name) for one in answers if one.status == 202 for name in porch.connectors}
    assert promised
    assert promised <= porch.stored()


def together(porch: Porch, number: int) -> list[Answered]:
    with ThreadPoolExecutor(number) as crowd:
        return list(crowd.map(lambda _: porch.send(), range(number)))


def test_a_store_that_is_gone_refuses_and_comes_back(porch: Porch) -> None:
    first = porch.send()
    assert first.status == 202
    porch.store.kill()
    refused = together(porch, 12)
    told_to_come_again(refused)
    # What else is wrong, or right, is told all the same.
    found = {one["what"]: one for one in porch.json("doctor", code=1)}
    assert found["store"]["level"] == "problem"
    assert found["broker"]["level"] == "ok"
    assert found["connection github"]["level"] == "ok"
    porch.store.start()
    again = [porch.send(one.number) for one in refused]
    assert {one.status for one in again} == {202}
    nothing_was_promised_that_is_not_there(porch, [first, *again])
    log = porch.log("receive")
    assert log.count("are answered 503") == 1
    assert "are stored again" in log
    assert "Traceback" not in log


def test_a_frozen_store_refuses_in_time(porch: Porch) -> None:
    before = together(porch, 4)
    porch.store.freeze()
    try:
        refused = together(porch, 24)
    finally:
        porch.store.thaw()
    told_to_come_again(refused)
    after = until(lambda: (one := porch.send()).status == 202 and one)
    assert isinstance(after, Answered)
    nothing_was_promised_that_is_not_there(porch, [*before, after])


def test_a_full_store_refuses_what_is_new_and_takes_it_once_there_is_room(porch: Porch) -> None:
    before = porch.send()
    with porch.store.client() as client:
        # Faster than anybody who looks once a second: the store itself must refuse.
        client.config_set("maxmemory", "1mb")
        refused = together(porch, 4)
        told_to_come_again(refused)
        client.config_set("maxmemory", "24mb")
        until(lambda: porch.send().status == 202)
        # And slowly: the receiver sees it coming.
        client.config_set("maxmemory", str(int(client.info("memory")["used_memory"] * 1.15)))
        slowly = until(lambda: (one := porch.send()).status == 503 and one)
        assert isinstance(slowly, Answered)
        assert int(slowly.retry_after) == 60
        client.config_set("maxmemory", "24mb")
    after = until(lambda: (one := porch.send()).status == 202 and one)
    assert isinstance(after, Answered)
    nothing_was_promised_that_is_not_there(porch, [before, after])


def test_a_store_killed_again_and_again_has_all_that_was_promised(porch: Porch) -> None:
    answers: list[Answered] = []
    over = threading.Event()

    def source() -> None:
        while not over.is_set():
            answers.append(porch.send())

    crowd = [threading.Thread(target=source) for _ in range(4)]
    for one in crowd:
        one.start()
    for _ in range(3):
        before = len(answers)
        until(lambda before=before: len(answers) > before + 40)  # type: ignore[misc]  # mypy: a default in a lambda
        porch.store.kill()
        over.wait(0.3)
        porch.store.start()
    over.set()
    for one in crowd:
        one.join()
    told_to_come_again([one for one in answers if one.status != 202])
    nothing_was_promised_that_is_not_there(porch, answers)
