"""Run the Valkeys of a storm: each can be killed, frozen and started again where it was, with its data."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

from redis import Redis
from redis.exceptions import RedisError

from workers.demo.stage import free_port
from workers.embedded import ends_with_parent, find_server


class Server:
    """One Valkey with its files; after a kill it starts again on the same port with the same data."""

    def __init__(self, folder: Path, *, fsync: str, password: str = "") -> None:
        self.folder, self.fsync, self.port = folder, fsync, free_port()
        self.password = password or secrets.token_hex(16)
        self.folder.mkdir(parents=True)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of the server itself, past every proxy."""
        return self.url_at(self.port)

    def url_at(self, port: int) -> str:
        """Return the address of the server behind another port."""
        return f"redis://:{quote(self.password, safe='')}@127.0.0.1:{port}/0"

    def client(self) -> Redis:
        """Return a client of the server itself that does not wait long."""
        return Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=1)

    def start(self) -> None:
        """Start it; `answers` tells when it has read its file."""
        settings = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": self.folder,
            "logfile": self.folder / "server.log",
            "requirepass": self.password,
            "appendonly": "yes",
            "appendfsync": self.fsync,
            "maxmemory": "512mb",
            "maxmemory-policy": "noeviction",
            "save": "",
        }
        arguments = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        self.process = subprocess.Popen(
            [str(find_server()), *arguments],
            start_new_session=True,
            preexec_fn=ends_with_parent(),  # noqa: PLW1509 - two system calls; a killed storm leaves nothing behind
        )

    def kill(self) -> None:
        """End it with no warning."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, where it runs."""
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)

    def answers(self) -> bool:
        """Tell whether it serves already."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1), self.client() as client:
                return bool(client.ping())
        except (OSError, RedisError):  # not there yet, or still loading its file
            return False
