"""Run one Valkey that a test can stop, freeze, fill, put back to what it was earlier, and replace by its replica."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

from redis import Redis
from redis.exceptions import RedisError

from tests.e2e.town import until
from workers.demo.stage import free_port
from workers.embedded import ends_with_parent, find_server


class Server:
    """A server with its files in ``folder``; after a kill it starts again on the same port with the same files."""

    def __init__(self, folder: Path, *, fsync: str = "always", memory: str = "512mb", password: str = "") -> None:
        self.folder, self.fsync, self.memory, self.port = folder, fsync, memory, free_port()
        self.password = password
        self.folder.mkdir(parents=True)
        self.process: subprocess.Popen[bytes] | None = None
        self._primary: Server | None = None

    @property
    def url(self) -> str:
        """Where clients find it."""
        return self.url_at(self.port)

    def url_at(self, port: int) -> str:
        """Return where clients find it behind another port."""
        who = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{who}127.0.0.1:{port}/0"

    def client(self, wait: float | None = None) -> Redis:
        """Return a client of its own; ``wait``: the longest that a command may take, in seconds."""
        return Redis.from_url(self.url, socket_timeout=wait, socket_connect_timeout=wait)

    def start(self, *, wait: bool = True) -> None:
        """Start it; with ``wait`` until it has read its files."""
        options: dict[str, Any] = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": self.folder,
            "logfile": self.folder / "server.log",
            "appendonly": "yes",
            "appendfsync": self.fsync,
            "maxmemory": self.memory,
            "maxmemory-policy": "noeviction",
            "save": "",
        }
        if self.password:
            options |= {"requirepass": self.password, "masterauth": self.password}
        arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        if self._primary is not None:
            arguments += ["--replicaof", "127.0.0.1", str(self._primary.port)]
        self.process = subprocess.Popen(
            [str(find_server()), *arguments],
            start_new_session=True,
            preexec_fn=ends_with_parent(),  # noqa: PLW1509 - two system calls; a killed test run leaves nothing behind
        )
        if wait:
            until(self.answers)

    def kill(self) -> None:
        """End it with no warning."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)

    def answers(self) -> bool:
        """Tell whether it serves already."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1), self.client() as client:
                return bool(client.ping())
        except (OSError, RedisError):  # not there yet, or still loading its file
            return False

    # --- going back in time ------------------------------------------------------------------------------------
    def remember(self, copy: Path) -> None:
        """Copy its files as they are now, as a backup of a running server does."""
        if copy.exists():
            shutil.rmtree(copy)
        shutil.copytree(self.folder / "appendonlydir", copy)

    def go_back(self, copy: Path) -> None:
        """End it, put an earlier copy of its files in place, and start it: all that came after is forgotten."""
        self.kill()
        shutil.rmtree(self.folder / "appendonlydir")
        shutil.copytree(copy, self.folder / "appendonlydir")
        self.start()

    def forget(self) -> None:
        """End it, remove its files, and start it: everything is forgotten."""
        self.kill()
        shutil.rmtree(self.folder / "appendonlydir")
        self.start()

    # --- a replica ---------------------------------------------------------------------------------------------
    def replica(self, folder: Path) -> Server:
        """Start a replica of it that has caught up."""
        other = Server(folder, fsync=self.fsync, memory=self.memory, password=self.password)
        other._primary = self
        other.start()
        until(other.has_caught_up)
        return other

    def has_caught_up(self) -> bool:
        """Tell whether this replica holds what its primary holds."""
        with self.client(1) as client:
            found: Any = client.info("replication")
        return bool(found.get("master_link_status") == "up" and not found.get("master_sync_in_progress"))

    def promote(self) -> None:
        """Make a primary of this replica, with what it has."""
        self._primary = None
        with self.client(5) as client:
            client.execute_command("REPLICAOF", "NO", "ONE")
