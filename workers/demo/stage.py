"""Set the stage: sandboxes, two servers, configuration files, and the product's own processes."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

from connector.sandbox import Call
from workers.embedded import Servers, start
from workers.sandbox import Served, builders
from workers.supervisor import Child, Supervisor

TOKENS: Final = {"JIRA_TOKEN": "jira-bot-token", "GITHUB_TOKEN": "ghp_bot", "SLACK_TOKEN": "xoxb-sandbox"}
PEOPLE: Final = {
    "jira": {"jira-bot-token": "bot", "jira-ada-token": "ada", "jira-grace-token": "grace"},
    "github": {"ghp_bot": "acme-bot", "ghp_alice": "alice", "ghp_bob": "bob"},
}

CONNECTIONS: Final = """\
version: 1
instance: demo
connections:
  jira:
    system: jira
    url: {jira}
    auth: {{email: bot@example.com, token: env:JIRA_TOKEN}}
    webhook: {{secret: env:JIRA_SECRET}}
    # A real Jira's search may lag by a minute and more; this one does not, and the audience waits.
    index_lag: 2s
    http: {{private_addresses: [127.0.0.0/8]}}
  github:
    system: github
    url: {github}
    auth: {{token: env:GITHUB_TOKEN}}
    webhook: {{secret: env:GITHUB_SECRET}}
    http: {{private_addresses: [127.0.0.0/8]}}
  slack:
    system: slack
    url: {slack}
    auth: {{token: env:SLACK_TOKEN}}
    webhook: {{secret: env:SLACK_SECRET}}
    # A real workspace takes one message a second in a channel; this one has been granted more.
    limits: {{messages_per_second: 10, updates_per_minute: 900}}
    http: {{private_addresses: [127.0.0.0/8]}}
"""

CONNECTORS: Final = {
    "github-to-jira": """\
version: 1
name: github-to-jira
template: github-to-jira
owner: {team: web}
from: {repositories: [acme/web, acme/api]}
to: {project: WEB}
""",
    "jira-to-github-status": """\
version: 1
name: jira-to-github-status
template: jira-to-github-status
owner: {team: web}
from: {project: WEB}
to: {repository: acme/web}
""",
    "jira-to-slack": """\
version: 1
name: jira-to-slack
template: jira-to-slack
owner: {team: web}
from: {project: WEB}
to: {channel: "#general"}
""",
}

MENDED: Final = """\
mapping:
  Priority: {from: labels, first: {p0: Highest, p1: High, p2: Medium, p3: Low}, default: Medium}
"""
"""What an operator adds to github-to-jira once Jira demands a priority."""


def free_port(wanted: int = 0) -> int:
    """Return ``wanted`` if it is free, else a port that is.

    It is looked for below those that systems give to outgoing connections (32768 and up on Linux, 49152
    elsewhere): one of those could be taken again before a server has it.
    """
    tried = (wanted, *(18_000 + secrets.randbelow(14_000) for _ in range(100)))
    for port in tried if wanted else tried[1:]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    message = "no free port"
    raise OSError(message)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts in a sandbox through its REST API, with a token of their own."""

    served: Served
    system: str
    headers: Mapping[str, str]

    def __call__(self, method: str, path: str, document: Any = None) -> Any:
        """Do something; raises RuntimeError where the sandbox refuses (a mistake in the story)."""
        body = json.dumps(document).encode() if document is not None else b""
        path, _, query = path.partition("?")
        pairs = dict(pair.split("=", 1) for pair in query.split("&") if pair)
        headers = {"content-type": "application/json", **self.headers}
        call = Call(method, f"/{self.system}{path}", {name: [value] for name, value in pairs.items()}, headers, body)
        sandbox = self.served.sandboxes[self.system]
        spoilt, sandbox.faults.on = sandbox.faults.on, []
        try:
            # People use the web pages, which the faults of the API do not touch.
            answer = self.served.answer(call)
        finally:
            sandbox.faults.on = spoilt
        if answer.status >= 400:
            message = f"{self.system} refused {method} {path}: {answer.status} {answer.body[:300]!r}"
            raise RuntimeError(message)
        return json.loads(answer.body) if answer.body else None


class Stage:
    """A context manager: everything runs inside, everything is gone afterwards."""

    def __init__(self, home: Path, *, log: TextIO, workers: int = 2) -> None:
        self.home = home
        self.served = Served()
        self.secret = secrets.token_hex(16)
        self.receiver_port = free_port()
        self.flower_port = free_port(5555)
        self.flower_password = secrets.token_urlsafe(9)
        self._log = log
        self._workers = workers
        self._servers: Servers | None = None
        self._supervisor: Supervisor | None = None
        self.environment: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self._set()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _set(self) -> None:
        if self.home.exists():
            shutil.rmtree(self.home)
        (self.home / "connections").mkdir(parents=True)
        (self.home / "connectors").mkdir()
        self._sandboxes()
        urls = {name: self.served.url(name) for name in self.served.sandboxes}
        (self.home / "connections" / "demo.yaml").write_text(CONNECTIONS.format(**urls))
        for name, text in CONNECTORS.items():
            (self.home / "connectors" / f"{name}.yaml").write_text(text)
        self._servers = start(self.home)
        # For whoever looks around with other commands; these credentials open sandboxes only.
        env = "".join(
            f"{name}={value}\n"
            for name, value in {**TOKENS, **{f"{name.upper()}_SECRET": self.secret for name in urls}}.items()
        )
        (self.home / ".env").touch(mode=0o600)
        (self.home / ".env").write_text(env)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CONNECTOR_")},
            **TOKENS,
            **{f"{name.upper()}_SECRET": self.secret for name in urls},
            "CONNECTOR_HOME": str(self.home),
            "BROKER_URL": self._servers.broker_url,
            "STORE_URL": self._servers.store_url,
            "RECEIVER_PORT": str(self.receiver_port),
            "FLOWER_PORT": str(self.flower_port),
            "FLOWER_BASIC_AUTH": f"operator:{self.flower_password}",
            "WORKER_THREADS": "8",
            # A day is played in a minute, so waits are minutes' worth of seconds.
            "PROBE_SECONDS": "2",
            "BACKOFF_SECONDS": "1",
            "CALL_SECONDS": "10",
            "SLOT_SECONDS": "20",
            "LOG_LEVEL": "INFO",
        }
        os.environ.update(
            {name: self.environment[name] for name in ("CONNECTOR_HOME", "BROKER_URL", "STORE_URL", *TOKENS)}
            | dict.fromkeys(("JIRA_SECRET", "GITHUB_SECRET", "SLACK_SECRET"), self.secret)
        )
        children = [Child("receive", ("receive",)), Child("schedule", ("schedule",)), Child("flower", ("flower",))]
        children += [Child(f"work-{n}", ("work", "--name", f"w{n}")) for n in range(1, self._workers + 1)]
        self._supervisor = Supervisor(children, self.environment, output=self._log)
        self._supervisor.start()
        self._wait_until_ready()
        for name in urls:
            self.served.subscribe(name, f"http://127.0.0.1:{self.receiver_port}/hooks/{name}")

    def _sandboxes(self) -> None:
        for name, build in builders().items():
            # The people that live in a sandbox from the start; the bot among them is ours.
            people = {"people": PEOPLE[name]} if name in PEOPLE else {}
            self.served.add(name, build(webhook_secret=self.secret, url=self.served.url(name), **people))
        self.served.__enter__()

    def state(self, system: str) -> Any:
        """Return what a sandbox holds now; nobody changes it meanwhile."""
        with self.served.locks[system]:
            return self.served.sandboxes[system].state()

    def person(self, system: str, name: str) -> Person:
        """Return somebody who acts in a sandbox."""
        tokens = {
            "alice": "ghp_alice",
            "bob": "ghp_bob",
            "ada": "jira-ada-token",
            "grace": "jira-grace-token",
        }
        token = tokens[name]
        if system == "jira":
            import base64

            word = base64.b64encode(f"{name}@example.com:{token}".encode()).decode()
            return Person(self.served, system, {"authorization": f"Basic {word}"})
        return Person(self.served, system, {"authorization": f"Bearer {token}"})

    def _wait_until_ready(self, patience: float = 60.0) -> None:
        limit = time.monotonic() + patience
        waiting = {
            "receiver": f"http://127.0.0.1:{self.receiver_port}/readyz",
            "Flower": f"http://127.0.0.1:{self.flower_port}/healthcheck",
        }
        while waiting:
            for name, url in list(waiting.items()):
                try:
                    with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
                        if answer.status == 200:
                            del waiting[name]
                except (urllib.error.URLError, OSError):
                    continue
            if waiting and time.monotonic() > limit:
                message = f"{', '.join(waiting)} did not become ready in {patience:.0f} s; see {self.home}/demo.log"
                raise TimeoutError(message)
            time.sleep(0.1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._supervisor is not None:
            self._supervisor.stop()
        self.served.__exit__(kind, error, trace)
        if self._servers is not None:
            self._servers.stop()
