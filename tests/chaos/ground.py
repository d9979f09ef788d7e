"""Run the product for a storm: everything can be killed and started again where it was, with its data."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from connector.systems.github.sandbox import new_sandbox as new_github
from connector.systems.jira.sandbox import JiraSandbox
from connector.systems.jira.sandbox import new_sandbox as new_jira
from connector.systems.slack.sandbox import new_sandbox as new_slack
from tests.chaos.canaries import Canaries, Eavesdropper, Sink
from tests.chaos.postman import Acknowledged, Postman
from tests.chaos.proxy import Proxy
from tests.e2e.servers import Server
from tests.e2e.town import LOGINS, Town, until
from workers.demo.stage import free_port

INDEX_LAG: Final = timedelta(seconds=6)
"""What the configuration says of Jira's index; the storm keeps the real lag below it."""

LONGEST_CALL: Final = timedelta(seconds=3)
"""What the environment says of a call."""

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
    "web": "template: github-to-jira\nfrom: {repositories: [acme/web, acme/api]}\nto: {project: WEB}\npoll: 10s\non_dead: block\nbrake: off\n",
    "back": "template: jira-to-github-status\nfrom: {project: WEB}\nto: {repository: acme/web}\npoll: 10s\non_dead: block\nbrake: off\n",
    "news": 'template: jira-to-slack\nfrom: {project: WEB}\nto: {channel: "#general"}\npoll: 10s\non_dead: block\nbrake: off\n',
}

PACE: Final = {
    "CALL_SECONDS": f"{LONGEST_CALL.total_seconds():.0f}",
    "SLOT_SECONDS": "5",
    "TURN_SECONDS": "2",
    "RING_SECONDS": "2",
    "PROBE_SECONDS": "1",
    "BACKOFF_SECONDS": "1",
    "CANARY_SECONDS": "2",
    "CANARY_LONGEST_SECONDS": "8",
    "WORKER_THREADS": "6",
}


SYSTEMS: Final = ("github", "jira", "slack")

DYING: Final = "w4"
"""The worker that dies by itself at commit points (`tests.chaos.dying`); all others are the product as it is."""


class Ground(Town):
    """The product with four workers, two servers that can be killed, and webhooks that arrive as in life.

    Whatever two processes say to each other goes through a line of ``proxy``: ``github``, ``jira`` and ``slack``
    to the vendors, ``store`` and ``broker``, and ``hooks`` from the vendors to the receiver.
    """

    connections = CONNECTIONS
    connectors = CONNECTORS
    hurry = PACE
    workers: tuple[str, ...] = ("w1", "w2", "w3", "w4")

    def __init__(self, home: Path, chance: Random) -> None:
        super().__init__(home)
        self.servers: dict[str, Server] = {}
        self.postmen: list[Postman] = []
        self.acknowledged: Acknowledged = {}
        self._chance = chance
        self.proxy = Proxy(Random(chance.random()))
        self.canaries = Canaries()
        plant = self.canaries.plant
        self.secret = plant("HOOK_SECRET")
        self.flower_auth = f"operator:{plant('FLOWER_BASIC_AUTH', awkward='_')}"
        self.tokens = {
            "JIRA_TOKEN": plant("JIRA_TOKEN"),
            "GITHUB_TOKEN": plant("GITHUB_TOKEN", prefix="ghp_"),
            "SLACK_TOKEN": plant("SLACK_TOKEN", prefix="xoxb-"),
        }
        self.sentry = Sink(plant("SENTRY_DSN", awkward=""))
        self.tokens["SENTRY_DSN"] = self.sentry.dsn
        self.eavesdropper: Eavesdropper | None = None

    def _set_up(self) -> None:
        self.proxy.__enter__()
        self.sentry.__enter__()
        for name in (*SYSTEMS, "hooks"):
            self.proxy.line(name, http=True)
        super()._set_up()

    def url_of(self, system: str) -> str:
        """Return the address under which our processes find a sandbox: that of its line."""
        return f"http://{self.proxy.lines[system].address}/{system}"

    def _open_sandboxes(self) -> None:
        token, url = self.tokens, self.url_of
        github = {token["GITHUB_TOKEN"]: "acme-bot", LOGINS["alice"]: "alice", LOGINS["bob"]: "bob"}
        jira = {token["JIRA_TOKEN"]: "bot", LOGINS["ada"]: "ada", LOGINS["grace"]: "grace"}
        self.served.add("github", new_github(webhook_secret=self.secret, url=url("github"), people=github))
        self.served.add("jira", new_jira(webhook_secret=self.secret, url=url("jira"), people=jira))
        slack = new_slack(webhook_secret=self.secret, url=url("slack"), token=token["SLACK_TOKEN"])
        self.served.add("slack", slack)
        for name in SYSTEMS:
            self.proxy.lines[name].target = ("127.0.0.1", self.served.port)
        self.proxy.lines["hooks"].target = ("127.0.0.1", self.receiver_port)

    def _open_servers(self) -> tuple[str, str]:
        urls = {}
        for name, fsync in (("broker", "everysec"), ("store", "always")):
            server = Server(self.home / name, fsync=fsync, password=self.canaries.plant(f"{name} password"))
            server.start()
            self.servers[name] = server
            urls[name] = server.url_at(self.proxy.line(name, ("127.0.0.1", server.port)).port)
        self.eavesdropper = Eavesdropper(self.servers["broker"].url).__enter__()
        return urls["broker"], urls["store"]

    def _subscribe(self) -> None:
        # A poll begins where the first one stood: what no webhook brought before that, nobody brings.
        until(self._polled, seconds=40)
        for name in ("github", "jira"):
            url = f"http://{self.proxy.lines['hooks'].address}/hooks/{name}"
            postman = Postman(url, self.served, name, self.acknowledged, Random(self._chance.random()))
            self.postmen.append(postman)
            with self.served.locks[name]:
                self.served.subscribers[name].append(postman)

    def __exit__(self, kind: type[BaseException] | None = None, *rest: object) -> None:
        for name in self.processes:
            self.signal(name, signal.SIGCONT)
        super().__exit__(kind, *rest)
        if self.eavesdropper is not None:
            self.eavesdropper.__exit__()
        for server in self.servers.values():
            server.thaw()
            server.kill()
        self.sentry.__exit__()
        self.proxy.__exit__()

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

    def work(self, name: str, *more: str) -> None:
        """Start a worker."""
        if name != DYING:
            super().work(name, *more)
            return
        self.ports[name] = free_port()
        command = [sys.executable, "-m", "tests.chaos.dying", str(self._chance.random()), "work", "--name", name]
        self.run_process(name, command, HEALTH_PORT=str(self.ports[name]))

    def again(self, name: str) -> None:
        """Start a process that is gone, as a supervisor does."""
        if name in self.workers:
            self.work(name)
        else:
            more = {"HEALTH_PORT": str(self.ports[name])} if name in self.ports else {}
            self.spawn(name, name, **more)

    def replay(self) -> int:
        """Bring every dead letter back, as an operator does once the cause is gone; returns how many."""
        return int(self.json("dead", "replay", "--all")["replayed"])

    # --- a store that goes back in time ------------------------------------------------------------------------
    @property
    def copy(self) -> Path:
        """Where a backup of the store lies."""
        return self.home / "copy"

    def fail_over(self, replica: Server) -> None:
        """Let a replica take the store's place with what it has; the old one is gone for good."""
        old, self.servers["store"] = self.servers["store"], replica
        old.kill()
        replica.thaw()
        replica.promote()
        self.proxy.lines["store"].target = ("127.0.0.1", replica.port)

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

    def announced(self) -> frozenset[str]:
        """Return the keys of the effects that are announced and not settled; raises RedisError."""
        found: set[str] = set()

        def look(store: Any, key: bytes) -> None:
            if store.hget(key, "state") == b"sent":
                found.add(key.decode().rpartition(":")[2])

        self._each("jc:{*}:fx:*", look)
        return frozenset(found)

    def _polled(self) -> bool:
        with self.servers["store"].client(2) as store:
            return all(store.hexists(f"jc:{{{name}}}:cursor", "poll") for name in self.connectors)

    def _each(self, pattern: str, do: Callable[[Any, bytes], None]) -> None:
        with self.servers["store"].client(2) as store:
            for key in store.scan_iter(pattern, count=1000):
                do(store, key)
