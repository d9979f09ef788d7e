"""Sandboxes over real sockets: keep-alive, faults that cut and drip, webhooks that are repeated."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from connector.sandbox import Answer, Call, Fault, Faults, Hook, Ledger
from tests.systems.served import listening, serve, serve_built
from workers.sandbox import Served, builders


class Notes:
    """The smallest sandbox: notes can be added, each tells its subscribers."""

    def __init__(self, url: str = "", **hook: Any) -> None:
        self.ledger, self.faults = Ledger(), Faults()
        self.url, self.hook = url, hook
        self.notes: list[str] = []
        self.due: list[Hook] = []
        self.calls: list[Call] = []

    def __call__(self, call: Call, now: datetime, /) -> Answer:
        self.calls.append(call)
        return self.faults.run(call, lambda c: self._handle(c, now), lambda _kind, fault: Answer.of(429, {}))

    def _handle(self, call: Call, now: datetime) -> Answer:
        if call.path == "/crash":
            raise RuntimeError("a bug in the sandbox")
        if call.method == "POST":
            text = call.json()["text"]
            self.notes.append(text)
            self.ledger.add(now, "bot", "add_note", text)
            self.due.append(Hook("note", {"Content-Type": "application/json"}, call.body, **self.hook))
            return Answer.of(201, {"id": len(self.notes)}, X_Note="yes")
        return Answer.of(200, {"notes": self.notes, "q": call.query})

    def hooks(self, now: datetime, /) -> list[Hook]:
        due, self.due = self.due, []
        return due

    def state(self) -> Mapping[str, Any]:
        return {"notes": self.notes}


def test_each_sandbox_answers_under_its_name() -> None:
    one, two = Notes(), Notes()
    with Served({"one": one, "two": two}) as served:
        answer = requests.post(served.url("one") + "/notes", json={"text": "a"}, timeout=5)
        assert (answer.status_code, answer.json(), answer.headers["x-note"]) == (201, {"id": 1}, "yes")
        assert requests.get(served.url("two") + "/notes?a=1&a=&b=%20c", timeout=5).json() == {
            "notes": [],
            "q": {"a": ["1", ""], "b": [" c"]},
        }
        assert requests.get(served.url("three"), timeout=5).status_code == 404
    assert [call.path for call in (*one.calls, *two.calls)] == ["/notes", "/notes"]


def test_a_sandbox_without_a_name_answers_at_the_root_and_may_know_its_url() -> None:
    with serve(Notes()) as url:
        assert requests.get(url + "/any/path", timeout=5).json()["notes"] == []
    with serve_built(Notes) as (url, notes):
        assert notes.url == url


def test_one_connection_carries_many_requests() -> None:
    with serve(Notes()) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
        connection.connect()
        first = connection.sock
        for number in range(20):
            connection.request("POST", "/notes", json.dumps({"text": str(number)}))
            assert connection.getresponse().read() == json.dumps({"id": number + 1}).encode()
            assert connection.sock is first
        connection.close()


def test_a_client_that_asks_to_close_is_closed() -> None:
    with serve(Notes()) as url:
        answer = requests.get(url, headers={"Connection": "close"}, timeout=5)
        assert answer.headers["connection"] == "close"


def test_a_chunked_body_is_put_together() -> None:
    notes = Notes()
    with serve(notes) as url:
        requests.post(url, data=iter([b'{"te', b'xt": "joined"}']), timeout=5)
    assert notes.notes == ["joined"]


@pytest.mark.parametrize(("kind", "applied"), [("drop", 0), ("apply_then_drop", 1)])
def test_a_dropped_call_is_a_reset_connection_and_applied_only_where_said(kind: str, applied: int) -> None:
    notes = Notes()
    notes.faults.on.append(Fault(kind, method="POST", times=1))
    with serve(notes) as url:
        with pytest.raises(requests.ConnectionError):
            requests.post(url, json={"text": "x"}, timeout=5)
        assert len(notes.notes) == applied
        assert requests.post(url, json={"text": "y"}, timeout=5).status_code == 201


def test_a_dripping_answer_outlasts_a_deadline_but_arrives_whole() -> None:
    notes = Notes()
    notes.faults.on.append(Fault("drip", seconds_per_byte=0.01))
    with serve(notes) as url:
        answer = requests.get(url, timeout=0.5)
        assert answer.json()["notes"] == []
        assert answer.elapsed < timedelta(seconds=0.5)
        notes.faults.on[:] = [Fault("drip", seconds_per_byte=0.4)]
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=0.1)


def test_faults_are_switched_and_effects_read_over_the_control_api() -> None:
    with Served({"notes": Notes()}) as served:
        control = served.url("_control/notes")
        assert requests.post(control + "/faults", json=[{"kind": "status", "status": 503}], timeout=5).json() == {
            "on": 1
        }
        assert requests.post(served.url("notes"), json={"text": "x"}, timeout=5).status_code == 503
        assert requests.get(control + "/faults", timeout=5).json()[0]["status"] == 503
        assert requests.post(control + "/faults", json=[], timeout=5).json() == {"on": 0}
        requests.post(served.url("notes"), json={"text": "x"}, timeout=5)
        ledger = requests.get(control + "/ledger", timeout=5).json()
        assert [row["action"] for row in ledger["effects"]] == ["add_note"]
        assert ledger["duplicates"] == []
        assert requests.get(control + "/ledger?since=1", timeout=5).json()["effects"] == []
        assert requests.get(control + "/state", timeout=5).json() == {"notes": ["x"]}
        assert requests.get(served.url("_control/"), timeout=5).json() == {"sandboxes": ["notes"]}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("notes/faults", [{"kin": "drop"}], 400),
        ("notes/faults", 1, 400),
        ("notes/subscribe", {}, 400),
        ("x/faults", [], 404),
        ("notes/what", [], 404),
    ],
)
def test_a_wrong_control_call_says_so(path: str, body: Any, status: int) -> None:
    with Served({"notes": Notes()}) as served:
        assert requests.post(served.url("_control/" + path), json=body, timeout=5).status_code == status


def test_webhooks_reach_those_who_subscribed_in_order() -> None:
    with listening() as (where, listener), Served({"notes": Notes()}) as served:
        for _twice in range(2):
            answer = requests.post(served.url("_control/notes/subscribe"), json={"url": where}, timeout=5)
            assert answer.json() == {"subscribed": [where]}
        for number in range(30):
            requests.post(served.url("notes"), json={"text": str(number)}, timeout=5)
        got = listener.wait(30)
        assert [json.loads(body)["text"] for _, body in got] == [str(n) for n in range(30)]
        assert got[0][0]["content-type"] == "application/json"


def test_a_refused_webhook_is_repeated_with_fresh_headers_and_then_given_up() -> None:
    def again(now: datetime, attempt: int, why: str) -> Mapping[str, str]:
        return {"X-Again": f"{attempt} {why} {now.tzinfo is not None}"}

    hook: dict[str, Any] = {
        "retries": (timedelta(0), timedelta(minutes=1)),
        "retry_on": frozenset({500}),
        "headers_on_retry": {"X-Retry": "1"},
        "again": again,
    }
    with listening(500, 500, 500) as (where, listener), Served({"notes": Notes(**hook)}, hurry=0.0005) as served:
        subscriber = served.subscribe("notes", where)
        requests.post(served.url("notes"), json={"text": "x"}, timeout=5)
        got = listener.wait(3)
        requests.post(served.url("notes"), json={"text": "y"}, timeout=5)
        listener.wait(4)
        assert [h.get("x-again") for h, _ in got] == [None, "1 status True", "2 status True", None]
        assert [h.get("x-retry") for h, _ in got] == [None, "1", "1", None]
        seen = requests.get(served.url("_control/notes/hooks"), timeout=5).json()
        assert [(p["attempt"], p["status"]) for p in seen][:3] == [(0, 500), (1, 500), (2, 500)]
    assert len(subscriber.posts) == 4


def test_a_webhook_to_nobody_is_repeated_as_a_failed_connection() -> None:
    whys: list[str] = []
    done = threading.Event()

    def again(now: datetime, attempt: int, why: str) -> Mapping[str, str]:
        whys.append(why)
        done.set()
        return {}

    with Served({"notes": Notes(retries=(timedelta(0),), again=again)}) as served:
        served.subscribe("notes", "http://127.0.0.1:9/")
        requests.post(served.url("notes"), json={"text": "x"}, timeout=5)
        assert done.wait(10)
    assert whys == ["connection"]


def test_a_webhook_that_is_not_to_be_repeated_is_posted_once() -> None:
    with listening(404, 200) as (where, listener), Served({"notes": Notes(retries=(timedelta(0),))}) as served:
        served.subscribe("notes", where)
        for text in ("x", "y"):
            requests.post(served.url("notes"), json={"text": text}, timeout=5)
        assert [json.loads(body)["text"] for _, body in listener.wait(2)] == ["x", "y"]


def test_time_comes_from_the_clock_that_was_handed_in() -> None:
    at = datetime(2026, 11, 24, 9, tzinfo=UTC)
    notes = Notes()

    def now() -> datetime:
        return at

    with serve(notes, now) as url:
        answer = requests.post(url, json={"text": "x"}, timeout=5)
    assert notes.ledger.effects[0].at == at
    assert answer.headers["date"] == "Tue, 24 Nov 2026 09:00:00 GMT"


def test_a_crash_inside_a_sandbox_fails_the_test_that_uses_it(capfd: pytest.CaptureFixture[str]) -> None:
    def crash() -> None:
        with serve(Notes()) as url, pytest.raises(requests.ConnectionError):
            requests.get(url + "/crash", timeout=5)

    with pytest.raises(RuntimeError, match="a bug in the sandbox"):
        crash()
    assert "a bug in the sandbox" in capfd.readouterr().err


def test_something_that_is_not_http_is_refused() -> None:
    with Served({"": Notes()}) as served, socket.create_connection((served.host, served.port), timeout=5) as raw:
        raw.sendall(b"hello\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400 ")


def test_a_client_that_leaves_in_the_middle_of_a_body_changes_nothing() -> None:
    notes = Notes()
    with Served({"": notes}) as served:
        with socket.create_connection((served.host, served.port), timeout=5) as raw:
            raw.sendall(b'POST / HTTP/1.1\r\ncontent-length: 100\r\n\r\n{"text": "x"}')
        assert requests.get(served.url(), timeout=5).json()["notes"] == []
    assert len(notes.calls) == 1


def test_every_system_with_a_sandbox_can_be_built_by_name() -> None:
    for name, build in builders().items():
        sandbox = build(webhook_secret="s", url=f"http://x/{name}")
        assert sandbox.ledger.effects == [] or sandbox.state()
