"""Set the stage for a measurement: servers, a target, a configuration, and the processes that are compared."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from celery import Celery

from workers.bench.floors.names import QUEUE, TASK, application
from workers.demo.stage import free_port
from workers.embedded import Servers, start
from workers.stores.client import open_store
from workers.stores.deliveries import Deliveries

CONNECTIONS: Final = """\
version: 1
instance: bench
connections:
  jira:
    system: jira
    url: http://127.0.0.1:9
    auth: {email: bot@example.com, token: env:BENCH_TOKEN}
    webhook: {secret: env:BENCH_SECRET}
    http: {private_addresses: [127.0.0.0/8]}
  slack:
    system: slack
    url: TARGET
    auth: {token: env:BENCH_TOKEN}
    # So much that nothing waits; every call still takes its token.
    limits: {messages_per_second: 100000, posts_per_minute: 6000000, updates_per_minute: 6000000}
    http: {private_addresses: [127.0.0.0/8]}
"""

CONNECTOR: Final = """\
version: 1
name: bench
from: {connection: jira, project: WEB}
to: {connection: slack, channel: C0BENCH}
mapping:
  Text: {template: "**{{ key }}** {{ title }}"}
relate: false
"""
"""What the ready-made connector for Slack does with a new issue: a message, and nothing but the message."""

PATIENCE: Final = 60.0


class Stage:
    """A context manager: a folder, two servers and a target; programs are added and end with it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="connector-bench-")
        self.home = Path(self._folder.name)
        self.secret = secrets.token_hex(16)
        self.target_port = free_port()
        self._programs: list[subprocess.Popen[bytes]] = []
        self._servers: Servers | None = None
        self.environment: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self._set()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _set(self) -> None:
        target = f"http://127.0.0.1:{self.target_port}/api"
        for name, text in (("connections", CONNECTIONS.replace("TARGET", target)), ("connectors", CONNECTOR)):
            (self.home / name).mkdir()
            (self.home / name / "bench.yaml").write_text(text)
        self._servers = start(self.home)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "SENTRY_"))},
            "BENCH_TOKEN": "xoxb-bench",
            "BENCH_SECRET": self.secret,
            "BENCH_TARGET": f"{target}/chat.postMessage",
            "CONNECTOR_HOME": str(self.home),
            "BROKER_URL": self._servers.broker_url,
            "STORE_URL": self._servers.store_url,
            "LOG_LEVEL": "WARNING",
        }
        self.program("workers.bench.floors.target", str(self.target_port))
        self._wait_for(lambda: self._ok(self.target_port, "/"), "the target")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in self._programs:
            program.send_signal(signal.SIGCONT)
            program.terminate()
        for program in self._programs:
            try:
                program.wait(20)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
        if self._servers is not None:
            self._servers.stop()
        self._folder.cleanup()

    # --- processes -----------------------------------------------------------------------------------
    @property
    def servers(self) -> Servers:
        """Both servers."""
        if self._servers is None:
            message = "the stage is not set"
            raise RuntimeError(message)
        return self._servers

    def program(self, module: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a Python module as a process; its output goes to a log in the folder."""
        with (self.home / f"{module}.log").open("ab") as log:
            program = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._programs.append(program)
        return program

    def listening(self, module: str, *arguments: str, path: str = "/readyz") -> tuple[subprocess.Popen[bytes], int]:
        """Start a program that takes a port as its last argument, and wait until it answers."""
        port = free_port()
        program = self.program(module, *arguments, str(port))
        self._wait_for(lambda: self._ok(port, path), module)
        return program, port

    def worker(self) -> subprocess.Popen[bytes]:
        """Start a worker of the product and wait until it is ready."""
        port = free_port()
        program = self.program("workers.cli", "work", "--name", "bench", HEALTH_PORT=str(port))
        self._wait_for(lambda: self._ok(port, "/readyz"), "the worker")
        return program

    @contextmanager
    def held(self, program: subprocess.Popen[bytes]) -> Iterator[None]:
        """Keep a process from running, so that work piles up in front of it."""
        program.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            program.send_signal(signal.SIGCONT)

    def _ok(self, port: int, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _wait_for(self, what: Callable[[], bool], name: str) -> None:
        limit = time.monotonic() + PATIENCE
        while not what():
            ended = any(program.poll() is not None for program in self._programs)
            if ended or time.monotonic() > limit:
                why = "because a process has ended" if ended else f"within {PATIENCE:.0f} s"
                message = f"{name} did not come {why}: {self.said()}"
                raise RuntimeError(message)
            time.sleep(0.02)

    def said(self) -> str:
        """Return the end of what the processes said."""
        return " | ".join(f"{one.name}: {one.read_text()[-500:]}" for one in sorted(self.home.glob("*.log")))

    # --- what came out ---------------------------------------------------------------------------------
    def target(self) -> dict[str, Any]:
        """Return how many messages the target got, and when the last ones came (monotonic seconds)."""
        url = f"http://127.0.0.1:{self.target_port}/"
        with urllib.request.urlopen(url, timeout=10) as answer:
            told: dict[str, Any] = json.loads(answer.read())
        return told

    def wait_for_messages(self, count: int) -> None:
        """Wait until the target has got that many messages in all."""
        self._wait_for(lambda: self.target()["count"] >= count, f"message number {count}")

    def books(self) -> Deliveries:
        """Return the books of the connector."""
        return Deliveries(open_store(self.servers.store_url), "bench")

    def by_hand(self) -> Celery:
        """Return a client that sends to the hand-written task."""
        return application("bench", self.servers.broker_url, QUEUE)


def send_by_hand(client: Celery, payload: dict[str, Any]) -> None:
    """Send one event to the hand-written task."""
    client.send_task(TASK, args=(payload,), queue=QUEUE)
