"""Answer ``/healthz`` and ``/readyz`` for processes that serve nothing else: workers and beat.

``/healthz`` asks whether the process should be restarted, ``/readyz`` whether it can work now (broker, store and
configuration).  A question that fails or takes too long is a *no*: probes must never hang on a dead store.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

Check = Callable[[], str]
"""Returns "" when fine, else the reason in a few words that may be shown to anyone."""

PATIENCE: Final = 1.0
"""Seconds after which a check that has not answered counts as failed."""


class Health:
    """A small HTTP server in a thread of its own; ``port`` 0 picks one."""

    def __init__(
        self,
        *,
        alive: Mapping[str, Check] | None = None,
        ready: Mapping[str, Check] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        patience: float = PATIENCE,
    ) -> None:
        self._checks = {"/healthz": dict(alive or {}), "/readyz": {**(alive or {}), **(ready or {})}}
        self._patience = patience
        # A thread for each check and one question at a time: a store that hangs takes no thread from the others.
        self._asking = ThreadPoolExecutor(len(self._checks["/readyz"]) or 1, thread_name_prefix="health")
        self._asked: dict[str, Future[str]] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((host, port), self._handler())
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="health", daemon=True)

    def start(self) -> Health:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._asking.shutdown(wait=False, cancel_futures=True)

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the document for a path."""
        checks = self._checks.get(path.partition("?")[0])
        if checks is None:
            return 404, {"error": "not found"}
        asked = {name: self._ask(name, check) for name, check in checks.items()}
        reasons = {}
        for name, future in asked.items():
            try:
                reasons[name] = future.result(timeout=self._patience)
            except TooLate:
                reasons[name] = "no answer in time"
            except Exception as error:  # noqa: BLE001 - a check that fails in any way is a "no", and says so
                reasons[name] = type(error).__name__
        wrong = {name: reason for name, reason in reasons.items() if reason}
        return (503 if wrong else 200), {"ok": not wrong, **({"wrong": wrong} if wrong else {})}

    def _ask(self, name: str, check: Check) -> Future[str]:
        with self._lock:
            pending = self._asked.get(name)
            if pending is None or pending.done():
                pending = self._asked[name] = self._asking.submit(check)
            return pending

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        health = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 5.0
            protocol_version = "HTTP/1.1"
            server_version = "connector"
            sys_version = ""

            def do_GET(self) -> None:
                status, document = health.answer(self.path)
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
                """Say nothing: a probe every second is no news."""

        return Handler
