from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from workers.health import Check, Health


@contextmanager
def health(
    alive: Mapping[str, Check] | None = None, ready: Mapping[str, Check] | None = None, patience: float = 0.2
) -> Iterator[Health]:
    server = Health(alive=alive, ready=ready, patience=patience).start()
    try:
        yield server
    finally:
        server.stop()


def get(port: int, path: str, method: str = "GET") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, json.loads(body) if body.startswith(b"{") else body


def test_a_process_without_complaints_is_alive_and_ready() -> None:
    with health() as server:
        assert get(server.port, "/healthz") == (200, {"ok": True})
        assert get(server.port, "/readyz?verbose") == (200, {"ok": True})
        assert get(server.port, "/other")[0] == 404


def test_a_store_that_is_away_means_not_ready_but_alive() -> None:
    with health(ready={"store": lambda: "no answer"}) as server:
        assert get(server.port, "/healthz")[0] == 200
        assert get(server.port, "/readyz") == (503, {"ok": False, "wrong": {"store": "no answer"}})


def test_what_is_not_alive_is_not_ready_either() -> None:
    with health(alive={"turns": lambda: "stuck"}) as server:
        assert get(server.port, "/healthz")[0] == 503
        assert get(server.port, "/readyz")[0] == 503


def test_a_check_that_fails_is_a_no_and_tells_only_its_kind() -> None:
    def check() -> str:
        raise ConnectionError("redis://:password@host")

    with health(ready={"store": check}) as server:
        assert get(server.port, "/readyz") == (503, {"ok": False, "wrong": {"store": "ConnectionError"}})


def test_a_check_that_hangs_does_not_hang_the_probe() -> None:
    released = threading.Event()
    with health(ready={"store": lambda: str(released.wait(10))}) as server:
        began = time.monotonic()
        assert get(server.port, "/readyz")[0] == 503
        assert time.monotonic() - began < 2
        assert get(server.port, "/healthz")[0] == 200
        released.set()


def test_probes_of_a_dead_store_neither_pile_up_nor_make_the_process_look_dead() -> None:
    released = threading.Event()
    asked: list[int] = []

    def hang() -> str:
        asked.append(1)
        return str(released.wait(20))

    with health(alive={"turns": lambda: ""}, ready={"store": hang}, patience=0.05) as server:
        for _ in range(12):
            assert get(server.port, "/readyz")[0] == 503
        assert get(server.port, "/healthz") == (200, {"ok": True})
        assert len(asked) == 1
        released.set()


def test_a_store_that_comes_back_is_noticed() -> None:
    answers = iter(["away", ""])
    with health(ready={"store": lambda: next(answers)}) as server:
        assert get(server.port, "/readyz")[0] == 503
        assert get(server.port, "/readyz")[0] == 200


def test_a_silent_visitor_does_not_keep_others_waiting() -> None:
    with health() as server, socket.create_connection(("127.0.0.1", server.port)):
        assert get(server.port, "/healthz")[0] == 200


def test_only_get_is_understood() -> None:
    with health() as server:
        assert get(server.port, "/healthz", "POST")[0] == 501


def test_the_port_is_given_back() -> None:
    with health() as server:
        port = server.port
    with pytest.raises(ConnectionRefusedError):
        get(port, "/healthz")
