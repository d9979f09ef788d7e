"""Run the product for a storm: everything can be killed and started again where it was, with its data."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from connector.systems.github.sandbox import new_sandbox as new_github
from connector.systems.jira.sandbox import JiraSandbox
from connector.systems.jira.sandbox import new_sandbox as new_jira
from connector.systems.slack.sandbox import new_sandbox as new_slack
from tests.chaos.postman import Acknowledged, Postman
from tests.e2e.town import Town, until
from workers.demo.stage import free_port
from workers.embedded import find_server

INDEX_LAG: Final = timedelta(seconds=6)
"""What the configuration says of Jira's index; the storm keeps the real lag below it."""

CONNECTIONS: Final = """\
version: 1
instance: chaos
connections:
  jira:
    system: jira
    url: {jira}
    auth: {{email: bot@example.com, token: env:JIRA_TOKEN}}
    webhook: {{secret: env:HOOK_SECRET}}
    index_lag: 6s
    http: {{private_addresses: [127.0.0.0/8]}}
  github:
    system: github
    url: {github}
    auth: {{token: env:GITHUB_TOKEN}}
    webhook: {{secret: env:HOOK_SECRET}}
    # The storm is about faults; with a real account's 80 writes a minute it would mostly wait.
    limits: {{requests_per_hour: 15000, writes_per_minute: 600, writes_per_hour: 10000}}
    http: {{private_addresses: [127.0.0.0/8]}}
  slack:
    system: slack
    url: {slack}
    auth: {{token: env:SLACK_TOKEN}}
    webhook: {{secret: env:HOOK_SECRET}}
    limits: {{messages_per_second: 20, posts_per_minute: 1200, updates_per_minute: 900, history_per_minute: 600}}
    http: {{private_addresses: [127.0.0.0/8]}}
"""

CONNECTORS: Final = {
    "web": "template: github-to-jira\nfrom: {repositories: [acme/web, acme/api]}\nto: {project: WEB}\npoll: 10s\n",
    "back": "template: jira-to-github-status\nfrom: {project: WEB}\nto: {repository: acme/web}\npoll: 10s\n",
    "news": 'template: jira-to-slack\nfrom: {project: WEB}\nto: {channel: "#general"}\npoll: 10s\n',
}

PACE: Final = {
    "CALL_SECONDS": "3",
    "SLOT_SECONDS": "5",
    "TURN_SECONDS": "2",
    "RING_SECONDS": "2",
    "PROBE_SECONDS": "1",
    "BACKOFF_SECONDS": "1",
    "WORKER_THREADS": "6",
}


class Server:
    """One Valkey with its files; after a kill it starts again on the same port with the same data."""

    def __init__(self, folder: Path, *, fsync: str) -> None:
        self.folder, self.fsync, self.port = folder, fsync, free_port()
        self.folder.mkdir(parents=True)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        settings = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": self.folder,
            "logfile": self.folder / "server.log",
            "appendonly": "yes",
            "appendfsync": self.fsync,
            "maxmemory": "512mb",
            "maxmemory-policy": "noeviction",
            "save": "",
        }
        arguments = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        self.process = subprocess.Popen([str(find_server()), *arguments], start_new_session=True)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1), Redis.from_url(self.url) as client:
                return bool(client.ping())
        except (OSError, RedisError):  # not there yet, or still loading its file
            return False


class Ground(Town):
    """The product with three workers, two servers that can be killed, and webhooks that arrive as in life."""

    connections = CONNECTIONS
    connectors = CONNECTORS
    hurry = PACE
    workers = ("w1", "w2", "w3")

    def __init__(self, home: Path, chance: Random) -> None:
        super().__init__(home)
        self.servers: dict[str, Server] = {}
        self.postmen: list[Postman] = []
        self.acknowledged: Acknowledged = {}
        self._chance = chance

    def _open_sandboxes(self) -> None:
        url = self.served.url
        self.served.add("github", new_github(webhook_secret=self.secret, url=url("github")))
        self.served.add("jira", new_jira(webhook_secret=self.secret, url=url("jira")))
        self.served.add("slack", new_slack(webhook_secret=self.secret, url=url("slack")))

    def _open_servers(self) -> tuple[str, str]:
        for name, fsync in (("broker", "everysec"), ("store", "always")):
            self.servers[name] = Server(self.home / name, fsync=fsync)
            self.servers[name].start()
            until(self.servers[name].answers)
        return self.servers["broker"].url, self.servers["store"].url

    def _subscribe(self) -> None:
        # A poll begins where the first one stood: what no webhook brought before that, nobody brings.
        until(self._polled, seconds=40)
        for name in ("github", "jira"):
            url = f"http://127.0.0.1:{self.receiver_port}/hooks/{name}"
            postman = Postman(url, self.served, name, self.acknowledged, Random(self._chance.random()))
            self.postmen.append(postman)
            with self.served.locks[name]:
                self.served.subscribers[name].append(postman)

    def __exit__(self, kind: type[BaseException] | None = None, *rest: object) -> None:
        for name in self.processes:
            self.signal(name, signal.SIGCONT)
        super().__exit__(kind, *rest)
        for server in self.servers.values():
            server.kill()

    @property
    def jira(self) -> JiraSandbox:
        """The sandbox itself, for its switches."""
        found = self.served.sandboxes["jira"]
        assert isinstance(found, JiraSandbox)
        return found

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process that still runs."""
        process = self.processes[name]
        if process.poll() is None:
            os.kill(process.pid, number)

    def again(self, name: str) -> None:
        """Start a process that is gone, as a supervisor does."""
        if name in self.workers:
            self.work(name)
        else:
            more = {"HEALTH_PORT": str(self.ports[name])} if name in self.ports else {}
            self.spawn(name, name, **more)

    # --- the books, for the report only: the judge never believes them -----------------------------------------
    def books(self) -> dict[str, int]:
        """Return the accounting of all connectors together."""
        total: dict[str, int] = {}

        def add(store: Any, key: bytes) -> None:
            for name, value in store.hgetall(key).items():
                total[name.decode()] = total.get(name.decode(), 0) + int(value)

        self._each("jc:{*}:counts", add)
        return total

    def unresolved(self) -> list[str]:
        """Return the intents whose outcome nobody has found out."""
        found: list[str] = []

        def look(store: Any, key: bytes) -> None:
            record: Mapping[bytes, bytes] = store.hgetall(key)
            if record.get(b"state") == b"sent":
                found.append(f"{key.decode()} {record[b'action'].decode()} of {record[b'delivery'].decode()}")

        self._each("jc:{*}:fx:*", look)
        return found

    def _polled(self) -> bool:
        with Redis.from_url(self.servers["store"].url) as store:
            return all(store.hexists(f"jc:{{{name}}}:cursor", "poll") for name in self.connectors)

    def _each(self, pattern: str, do: Callable[[Any, bytes], None]) -> None:
        with Redis.from_url(self.servers["store"].url) as store:
            for key in store.scan_iter(pattern, count=1000):
                do(store, key)
