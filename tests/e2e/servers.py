"""Run one Valkey that a test can stop, freeze, fill, and put back to what it was earlier."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from tests.e2e.town import until
from workers.demo.stage import free_port
from workers.embedded import ends_with_parent, find_server


class Server:
    """A server with its files in ``folder``; after a kill it starts again on the same port with the same files."""

    def __init__(self, folder: Path, *, fsync: str = "always", memory: str = "512mb") -> None:
        self.folder, self.fsync, self.memory, self.port = folder, fsync, memory, free_port()
        self.folder.mkdir(parents=True)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> Redis:
        """Return a client of its own."""
        return Redis.from_url(self.url)

    def start(self) -> None:
        """Start it and wait until it has read its files."""
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
        arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self.process = subprocess.Popen(
            [str(find_server()), *arguments],
            start_new_session=True,
            preexec_fn=ends_with_parent(),  # noqa: PLW1509 - two system calls; a killed test run leaves nothing behind
        )
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
        """Tell whether it can be used."""
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
