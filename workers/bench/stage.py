"""Set the stage for a measurement: servers, a target, a configuration, and the processes that are compared."""

from __future__ import annotations

import http.client
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
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from celery import Celery

from workers.bench.floors.names import PLAIN, QUEUE, TASK, application
from workers.bench.load import payload
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
"""

CHAT: Final = """\
  NAME:
    system: slack
    url: URL
    auth: {token: env:BENCH_TOKEN}
    limits: LIMITS
    http: {private_addresses: [127.0.0.0/8]}
"""
"""A connection to the target."""

BOUNDLESS: Final = "{messages_per_second: 100000, posts_per_minute: 6000000, updates_per_minute: 6000000}"
"""Limits so wide that nothing waits; every call still takes its token."""

CONNECTOR: Final = """\
version: 1
name: NAME
from: {connection: jira, project: PROJECT}
to: {connection: TARGET, channel: C0BENCH}
poll: 1h
brake: off
mapping:
  Text: {template: "**{{ key }}** {{ title }}"}
relate: false
"""
"""What the ready-made connector for Slack does with a new issue: a message, and nothing but the message."""

PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Line:
    """A connector of the stage, from a Jira project to a behaviour of the target (see `floors.target`).

    ``chat`` names its connection; connectors that name the same share it, and its first line says its limits.
    ``dead``: nobody listens there.
    """

    name: str = "bench"
    project: str = "WEB"
    behaviour: str = ""
    chat: str = "slack"
    limits: str = BOUNDLESS
    concurrency: int = 4
    dead: bool = False


class Stage:
    """A context manager: a folder, two servers and a target; programs are added and end with it."""

    def __init__(self, *lines: Line, **environment: str) -> None:
        """``lines`` are the connectors, one where none is given; ``environment`` is for every process."""
        self.lines = lines or (Line(),)
        self._more = environment
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
        target = f"http://127.0.0.1:{self.target_port}"
        for name in ("connections", "connectors"):
            (self.home / name).mkdir()
        chats = {one.chat: one for one in reversed(self.lines)}
        connections = CONNECTIONS
        for name, one in chats.items():
            # Port 9 discards; nobody listens to it here.
            base = "http://127.0.0.1:9" if one.dead else f"{target}/{one.behaviour}".rstrip("/")
            connections += CHAT.replace("NAME", name).replace("URL", f"{base}/api").replace("LIMITS", one.limits)
        (self.home / "connections" / "bench.yaml").write_text(connections)
        for one in self.lines:
            text = CONNECTOR.replace("NAME", one.name).replace("PROJECT", one.project).replace("TARGET", one.chat)
            text += f"concurrency: {one.concurrency}\n"
            (self.home / "connectors" / f"{one.name}.yaml").write_text(text)
        self._servers = start(self.home)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "SENTRY_"))},
            "BENCH_TOKEN": "xoxb-bench",
            "BENCH_SECRET": self.secret,
            "BENCH_TARGET": f"{target}/api/chat.postMessage",
            "CONNECTOR_HOME": str(self.home),
            "BROKER_URL": self._servers.broker_url,
            "STORE_URL": self._servers.store_url,
            "LOG_LEVEL": "WARNING",
            **self._more,
        }
        self.program("workers.bench.floors.target", str(self.target_port))
        self.wait_for(lambda: self._ok(self.target_port, "/"), "the target")

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
        self.wait_for(lambda: self._ok(port, path), module)
        return program, port

    def worker(self, name: str = "bench", **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker of the product and wait until it is ready."""
        port = free_port()
        program = self.program("workers.cli", "work", "--name", name, HEALTH_PORT=str(port), **environment)
        self.wait_for(lambda: self._ok(port, "/readyz"), "the worker")
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

    def wait_for(self, what: Callable[[], bool], name: str) -> None:
        """Wait until ``what()``; raises RuntimeError with what the processes said, when it takes too long."""
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

    def end(self, *programs: subprocess.Popen[bytes]) -> None:
        """End programs and wait until they are gone."""
        for program in programs:
            program.terminate()
        for program in programs:
            program.wait(60)
            self._programs.remove(program)

    # --- what came out ---------------------------------------------------------------------------------
    def target(self, behaviour: str = "", *, last: int = 0) -> dict[str, Any]:
        """Return how many messages the target got (``count``) and ``refused``; see `came` for ``last``."""
        url = f"http://127.0.0.1:{self.target_port}/?of={behaviour}&last={last}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            told: dict[str, Any] = json.loads(answer.read())
        return told

    def came(self, behaviour: str = "", *, last: int) -> list[tuple[int, float]]:
        """Return the issues of the last messages and when each came (monotonic seconds), in the order of coming."""
        return [(issue, moment) for issue, moment in self.target(behaviour, last=last)["came"]]

    def wait_for_messages(self, count: int, behaviour: str = "") -> None:
        """Wait until the target has got that many messages in all (in one behaviour, where it is named)."""
        self.wait_for(lambda: self.target(behaviour)["count"] >= count, f"message number {count}")

    def books(self, connector: str = "bench") -> Deliveries:
        """Return the books of a connector."""
        return Deliveries(open_store(self.servers.store_url), connector)

    def wait_until_settled(self, connector: str = "bench") -> None:
        """Wait until nothing of a connector is in flight."""
        books = self.books(connector)
        self.wait_for(lambda: books.counts()["in_flight"] == 0, f"the end of {connector}")

    def by_hand(self, queue: str = QUEUE) -> Celery:
        """Return a client that sends to the hand-written task."""
        return application("bench", self.servers.broker_url, queue)


def send_by_hand(client: Celery, payload: dict[str, Any]) -> None:
    """Send one event to the hand-written task."""
    client.send_task(TASK, args=(payload,), queue=client.conf.task_default_queue)


def start_by_hand(stage: Stage, *, threads: int = 16, plain: bool = False) -> subprocess.Popen[bytes]:
    """Start a worker of the hand-written task (with ``plain`` calls) and wait until it has done its first."""
    how = ("plain",) if plain else ()
    program = stage.program("workers.bench.floors.by_hand", str(threads), *how)
    before = stage.target()["count"]
    send_by_hand(stage.by_hand(PLAIN if plain else QUEUE), payload(1))
    stage.wait_for_messages(before + 1)
    return program


def webhook(line: http.client.HTTPConnection, whole: bytes) -> None:
    """Send one webhook over a kept connection; raises RuntimeError unless it is accepted."""
    head, _, body = whole.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = dict(one.split(": ", 1) for one in rest if not one.startswith("host"))
    line.request("POST", first.split()[1], body=body, headers=headers)
    answer = line.getresponse()
    answer.read()
    if answer.status != 202:
        message = f"the webhook was answered by {answer.status}"
        raise RuntimeError(message)
