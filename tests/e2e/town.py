"""A running product for tests: sandboxes over HTTP, two Valkey servers, real processes, and people who act."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import IO, Any, Final, Self, TypeVar

from redis import Redis

from connector.sandbox import Call, Fault
from connector.systems.github.sandbox import new_sandbox as new_github
from connector.systems.jira.sandbox import new_sandbox as new_jira
from connector.systems.slack.sandbox import new_sandbox as new_slack
from workers.demo.stage import free_port
from workers.embedded import Servers, ends_with_parent, start
from workers.sandbox import Served

T = TypeVar("T")
ROOT: Final = Path(__file__).resolve().parents[2]

TOKENS: Final = {
    "JIRA_TOKEN": "jira-bot-token",
    "DC_TOKEN": "jira-bot-token",
    "GITHUB_TOKEN": "ghp_bot",
    "SLACK_TOKEN": "xoxb-sandbox",
}
LOGINS: Final = {"alice": "ghp_alice", "bob": "ghp_bob", "ada": "jira-ada-token", "grace": "jira-grace-token"}

CONNECTIONS: Final = """\
version: 1
instance: e2e
connections:
  jira:
    system: jira
    url: {jira}
    auth: {{email: bot@example.com, token: env:JIRA_TOKEN}}
    webhook: {{secret: env:HOOK_SECRET}}
    index_lag: 1s
    http: {{private_addresses: [127.0.0.0/8]}}
  dc:
    system: jira
    flavour: data-center
    url: {dc}/jira
    auth: {{token: env:DC_TOKEN}}
    index_lag: 1s
    http: {{private_addresses: [127.0.0.0/8]}}
  github:
    system: github
    url: {github}
    auth: {{token: env:GITHUB_TOKEN}}
    webhook: {{secret: env:HOOK_SECRET}}
    http: {{private_addresses: [127.0.0.0/8]}}
  polled:
    system: github
    url: {github}
    auth: {{token: env:GITHUB_TOKEN}}
    http: {{private_addresses: [127.0.0.0/8]}}
  slack:
    system: slack
    url: {slack}
    auth: {{token: env:SLACK_TOKEN}}
    webhook: {{secret: env:HOOK_SECRET}}
    limits: {{messages_per_second: 20, updates_per_minute: 900}}
    http: {{private_addresses: [127.0.0.0/8]}}
"""

CONNECTORS: Final = {
    "web": "template: github-to-jira\nfrom: {repositories: [acme/web]}\nto: {project: WEB}\n",
    "back": "template: jira-to-github-status\nfrom: {project: WEB}\nto: {repository: acme/web}\n",
    "news": 'template: jira-to-slack\nfrom: {project: WEB}\nto: {channel: "#general"}\n',
    "dc": "template: github-to-jira\nfrom: {repositories: [acme/dc]}\nto: {connection: dc, project: WEB}\n",
    "polled": (
        "template: github-to-jira\nfrom: {connection: polled, repositories: [acme/polled]}\n"
        "to: {project: OPS}\npoll: 10s\n"
    ),
}
"""What each connector says beside its name.  Two of them share the connection github, two read acme/web's pair."""

HURRY: Final = {
    # Short lives, so that a test need not wait for what a crash leaves behind.
    "CALL_SECONDS": "4",
    "SLOT_SECONDS": "5",
    "RING_SECONDS": "3",
    "TURN_SECONDS": "3",
    "BACKOFF_SECONDS": "1",
    "PROBE_SECONDS": "1",
    "CANARY_SECONDS": "2",
    "CANARY_LONGEST_SECONDS": "4",
    "WORKER_THREADS": "6",
}


def until(what: Callable[[], T], seconds: float = 30.0, *, told: Callable[[], object] = str) -> T:
    """Wait until ``what()`` is true and return it; fails with what ``told()`` says."""
    limit = time.monotonic() + seconds
    while not (got := what()):
        if time.monotonic() > limit:
            raise AssertionError(f"not within {seconds:.0f} s: {told() or what}")
        threading.Event().wait(0.05)
    return got


class Town:
    """Everything there is; a context manager.  Processes have names and can be killed, stopped and started."""

    connections = CONNECTIONS
    connectors: Mapping[str, str] = CONNECTORS
    hurry: Mapping[str, str] = HURRY
    workers: tuple[str, ...] = ("w1", "w2")
    tokens: Mapping[str, str] = TOKENS

    def __init__(self, home: Path) -> None:
        self.home = home
        self.secret = secrets.token_hex(16)
        self.served = Served(hurry=0.02)
        self.receiver_port = free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, int] = {}
        self.late: set[str] = set()
        """Marks of what a test let land late on purpose, after it had been sent anew."""
        self.environment: dict[str, str] = {}
        self._logs: list[IO[bytes]] = []
        self._titles = count(1)
        self._servers: Servers | None = None

    # --- coming and going --------------------------------------------------------------------------------
    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:
            self.__exit__(None)
            raise
        return self

    def _set_up(self) -> None:
        for folder in ("connections", "connectors", "logs"):
            (self.home / folder).mkdir(parents=True)
        self._open_sandboxes()
        self.served.__enter__()
        urls = {name: self.url_of(name) for name in self.served.sandboxes}
        self.write("connections/all.yaml", self.connections.format(**urls))
        for name, text in self.connectors.items():
            self.declare(name, text)
        broker, store = self._open_servers()
        self.environment = self._environment(broker, store)
        self.spawn("receive", "receive")
        for name in self.workers:
            self.work(name)
        self.schedule()
        self.wait_until_ready(*self.workers, "schedule")
        until(lambda: self.get(self.receiver_port, "/readyz")[0] == 200)
        self._subscribe()

    def _environment(self, broker: str, store: str) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "SENTRY_"))},
            **self.tokens,
            "HOOK_SECRET": self.secret,
            "CONNECTOR_HOME": str(self.home),
            "BROKER_URL": broker,
            "STORE_URL": store,
            "RECEIVER_PORT": str(self.receiver_port),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            **self.hurry,
        }

    def url_of(self, system: str) -> str:
        """Return the address under which our processes find a sandbox."""
        return self.served.url(system)

    def _open_sandboxes(self) -> None:
        repositories = ("acme/web", "acme/dc", "acme/polled", "acme/late", "acme/pair")
        url = self.url_of
        self.served.add("github", new_github(webhook_secret=self.secret, url=url("github"), repositories=repositories))
        self.served.add(
            "jira",
            new_jira(
                webhook_secret=self.secret, url=url("jira"), index_lag=timedelta(0), projects=("WEB", "OPS", "PAIR")
            ),
        )
        self.served.add("dc", new_jira(flavour="data-center", context="/jira", url=url("dc") + "/jira"))
        self.served.add("slack", new_slack(webhook_secret=self.secret, url=url("slack")))

    def _open_servers(self) -> tuple[str, str]:
        """Start broker and store; returns their URLs."""
        self._servers = start(self.home)
        return self._servers.broker_url, self._servers.store_url

    def _subscribe(self) -> None:
        for name in ("github", "jira", "slack"):
            self.served.subscribe(name, f"http://127.0.0.1:{self.receiver_port}/hooks/{name}")

    def __exit__(self, kind: type[BaseException] | None = None, *rest: object) -> None:
        for name in list(self.processes):
            self.stop(name, seconds=20, strict=False)
        if self._servers is not None:
            self._servers.stop()
        for file in self._logs:
            file.close()
        self.served.__exit__(kind, *rest)

    # --- files and processes -------------------------------------------------------------------------------
    def write(self, name: str, text: str) -> None:
        """Write a file as an editor does: whole, by replacing it."""
        path = self.home / name
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(text)
        fresh.replace(path)

    def declare(self, name: str, text: str) -> None:
        """Write a connector's file."""
        # More is made here in a minute than a new connector may in its first hour; who tests that says so.
        brake = "" if "brake:" in text else "brake: off\n"
        self.write(f"connectors/{name}.yaml", f"version: 1\nname: {name}\n{brake}{text}")

    @contextmanager
    def followed(self, *names: str, seconds: float = 30) -> Iterator[None]:
        """Change files inside; ends when these processes have taken the change up."""
        before = {name: self.log(name).count("is in force") for name in names}
        yield
        until(
            lambda: all(self.log(name).count("is in force") > before[name] for name in names),
            seconds,
            told=lambda: {name: self.log(name)[-500:] for name in names},
        )

    def spawn(self, name: str, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a process of the product."""
        return self.run_process(name, [sys.executable, "-m", "workers.cli", *command], **environment)

    def run_process(self, name: str, command: Sequence[str], **environment: str) -> subprocess.Popen[bytes]:
        """Start any process; its output goes to a log of its name."""
        log = (self.home / "logs" / f"{name}.log").open("ab")
        self._logs.append(log)
        process = subprocess.Popen(
            command,
            env={**self.environment, **environment},
            cwd=self.home,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=ends_with_parent(),  # noqa: PLW1509 - two system calls; a killed test run leaves nothing behind
        )
        self.processes[name] = process
        return process

    def work(self, name: str, *more: str) -> None:
        """Start a worker."""
        self.ports[name] = free_port()
        self.spawn(name, "work", "--name", name, *more, HEALTH_PORT=str(self.ports[name]))

    def schedule(self) -> None:
        """Start the clock."""
        self.ports["schedule"] = free_port()
        self.spawn("schedule", "schedule", HEALTH_PORT=str(self.ports["schedule"]))

    def wait_until_ready(self, *names: str, seconds: float = 40) -> None:
        """Wait until processes say that they can work."""
        for name in names:
            until(
                lambda name=name: self.get(self.ports[name], "/readyz")[0] == 200,  # type: ignore[misc]  # mypy: a default in a lambda
                seconds,
                told=lambda name=name: f"{name}: {self.log(name)[-2000:]}",  # type: ignore[misc]  # the same
            )

    def kill(self, *names: str) -> None:
        """Kill processes with no warning."""
        for name in names:
            self.processes[name].send_signal(signal.SIGKILL)
        for name in names:
            self.processes.pop(name).wait(10)

    def stop(self, name: str, *, seconds: float = 15, strict: bool = True) -> int:
        """Ask a process to end and return its exit code."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            if strict:
                raise AssertionError(f"{name} did not end within {seconds:.0f} s: {self.log(name)[-2000:]}") from None
            return -9

    def log(self, name: str) -> str:
        """Return what a process said."""
        return (self.home / "logs" / f"{name}.log").read_text(errors="replace")

    def get(self, port: int, path: str, *, user: str = "") -> tuple[int, bytes]:
        """GET from one of our processes; status 0 where nobody answers; ``user`` is name:password."""
        headers = {"authorization": f"Basic {base64.b64encode(user.encode()).decode()}"} if user else {}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers), timeout=3
            ) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    # --- the command line --------------------------------------------------------------------------------------
    def connector(self, *command: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and check its exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "workers.cli", *command],
            env={**self.environment, **environment},
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def json(self, *command: str, code: int = 0) -> Any:
        """Run a command with --json and return the document."""
        return json.loads(self.connector(*command, "--json", code=code).stdout)

    def counts(self, connector: str) -> dict[str, int]:
        """Return the accounting of a connector."""
        found: dict[str, int] = self.json("deliveries", connector)["counts"][connector]
        return found

    def tally(self, connector: str, name: str) -> int:
        """Return what a connector counts beside its accounting."""
        with Redis.from_url(self.environment["STORE_URL"]) as store:
            return int(store.hget(f"jc:{{{connector}}}:counts", name) or 0)

    def settled(self, connector: str, *, seconds: float = 60) -> dict[str, int]:
        """Wait until nothing is in flight, check that the books balance, and return them."""
        got = until(
            lambda: (found := self.counts(connector))["in_flight"] == 0 and found,
            seconds,
            told=lambda: f"{connector} is not empty: {self.json('deliveries', connector)}",
        )
        assert isinstance(got, dict)
        assert got["accepted"] == sum(value for name, value in got.items() if name != "accepted"), got
        return got

    @property
    def broker(self) -> Redis:
        """The broker itself."""
        return Redis.from_url(self.environment["BROKER_URL"])

    # --- people -----------------------------------------------------------------------------------------------
    def title(self, what: str = "Broken") -> str:
        """Return a title that nobody else uses."""
        return f"{what} ({next(self._titles)})"

    def act(self, system: str, who: str, method: str, path: str, document: Any = None) -> Any:
        """Do something as a person; faults of the API don't touch people."""
        token = LOGINS[who]
        headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        if system == "jira":
            word = base64.b64encode(f"{who}@example.com:{token}".encode()).decode()
            headers["authorization"] = f"Basic {word}"
        path, _, query = path.partition("?")
        pairs = {name: [value] for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)}
        body = json.dumps(document).encode() if document is not None else b""
        sandbox = self.served.sandboxes[system]
        spoilt, sandbox.faults.on = sandbox.faults.on, []
        try:
            answer = self.served.answer(Call(method, f"/{system}{path}", pairs, headers, body))
        finally:
            sandbox.faults.on = spoilt
        assert answer.status < 400, f"{method} {path}: {answer.status} {answer.body[:300]!r}"
        return json.loads(answer.body) if answer.body else None

    def report(self, title: str, *, repository: str = "acme/web", labels: Sequence[str] = ("bug",)) -> int:
        """Open a GitHub issue and return its number."""
        made = self.act(
            "github",
            "alice",
            "POST",
            f"/repos/{repository}/issues",
            {"title": title, "body": "It is **broken**.", "labels": list(labels)},
        )
        return int(made["number"])

    def comment(self, repository: str, number: int, text: str) -> None:
        """Comment on a GitHub issue."""
        self.act("github", "bob", "POST", f"/repos/{repository}/issues/{number}/comments", {"body": text})

    def close(self, repository: str, number: int) -> None:
        """Close a GitHub issue."""
        self.act("github", "alice", "PATCH", f"/repos/{repository}/issues/{number}", {"state": "closed"})

    # --- what there is ----------------------------------------------------------------------------------------
    def state(self, system: str) -> Mapping[str, Any]:
        """Return what a sandbox holds now."""
        with self.served.locks[system]:
            return self.served.sandboxes[system].state()

    def issues(self, title: str, system: str = "jira") -> list[dict[str, Any]]:
        """Return the Jira issues with a summary."""
        return [one for one in self.state(system).values() if one["fields"]["summary"] == title]

    def issue(self, title: str, system: str = "jira", *, seconds: float = 40) -> dict[str, Any]:
        """Wait for the one Jira issue with a summary."""
        (found,) = until(lambda: self.issues(title, system), seconds, told=lambda: f"no issue {title!r} in {system}")
        return found

    def comments(self, title: str, system: str = "jira") -> list[str]:
        """Return the comments of the one Jira issue with a summary, each as text."""
        return [
            json.dumps(one["body"], ensure_ascii=False)
            for issue in self.issues(title, system)
            for one in issue["fields"].get("comment", {}).get("comments", [])
        ]

    def no_effect_is_double(self) -> None:
        """Check the ledgers: nothing that was added was added twice."""
        for name, sandbox in self.served.sandboxes.items():
            assert not set(sandbox.ledger.duplicates()) - self.late, name

    @contextmanager
    def fault(self, system: str, kind: str, **more: Any) -> Iterator[Fault]:
        """Spoil calls to a sandbox meanwhile."""
        sandbox = self.served.sandboxes[system]
        fault = Fault(kind, **more)
        with self.served.locks[system]:
            sandbox.faults.on = [*sandbox.faults.on, fault]
        try:
            yield fault
        finally:
            with self.served.locks[system]:
                sandbox.faults.on = [one for one in sandbox.faults.on if one is not fault]
