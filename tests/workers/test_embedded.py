from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from tests.conftest import missing
from workers import embedded
from workers.embedded import CannotStart, Servers, find_server, running, start

PROGRAM = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Return an empty folder; whatever was started in it is ended."""
    try:
        find_server()
    except CannotStart as error:
        missing(str(error))
    yield tmp_path
    left = running(tmp_path)
    if left is not None:
        left.stop()


@pytest.fixture
def servers(home: Path) -> Servers:
    return start(home)


def option(url: str, name: str) -> str:
    with Redis.from_url(url, decode_responses=True) as client:
        return str(client.config_get(name)[name])


def test_half_a_command_at_the_end_of_the_file_costs_no_other(servers: Servers, home: Path) -> None:
    with Redis.from_url(servers.store_url) as client:
        for number in range(20):
            client.set(f"k{number}", "v" * 50)
    servers.stop()
    # What a power failure leaves: the last command is there in part.
    (written,) = (home / ".connector" / "store" / "appendonlydir").glob("*.incr.aof")
    with written.open("rb+") as file:
        file.truncate(written.stat().st_size - 20)
    with Redis.from_url(start(home).store_url) as client:
        assert client.dbsize() == 19


def test_each_server_keeps_the_promise_of_its_role(servers: Servers) -> None:
    assert option(servers.broker_url, "appendfsync") == "everysec"
    assert option(servers.store_url, "appendfsync") == "always"
    for url in (servers.broker_url, servers.store_url):
        assert option(url, "appendonly") == "yes"
        assert option(url, "maxmemory-policy") == "noeviction"
        assert int(option(url, "maxmemory")) > 0
        assert option(url, "aof-load-truncated") == "yes"
        assert option(url, "bind") == "127.0.0.1"
        assert option(url, "protected-mode") == "yes"


def test_nobody_gets_in_without_the_password(servers: Servers) -> None:
    for password in (None, servers.broker.password):
        once = Retry(NoBackoff(), 0)
        with (
            Redis(port=servers.store.port, password=password, retry=once) as client,
            pytest.raises(AuthenticationError),
        ):
            client.ping()


def test_the_password_stands_in_private_files_only(servers: Servers) -> None:
    password = servers.store.password
    assert password not in repr(servers)
    for path in (servers.home / ".connector").rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir() or (path.is_file() and password.encode() in path.read_bytes()):
            assert mode & 0o077 == 0, path
    command = Path(f"/proc/{servers.store.pid}/cmdline")
    if command.exists():
        assert password.encode() not in command.read_bytes()


def test_data_files_are_private_too(servers: Servers) -> None:
    with Redis.from_url(servers.store_url) as client:
        client.set("a", "b")
    files = [path for path in (servers.home / ".connector" / "store").rglob("*") if path.is_file()]
    assert len(files) >= 4
    assert [path for path in files if path.stat().st_mode & 0o077] == []


def test_other_commands_find_what_runs(servers: Servers) -> None:
    assert running(servers.home) == servers
    assert start(servers.home) == servers
    code = f"import pathlib\nfrom workers.embedded import running\nprint(running(pathlib.Path({str(servers.home)!r})).store.port)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROGRAM)
    assert int(found.stdout) == servers.store.port


def test_nothing_runs_in_an_empty_folder_or_after_a_stop(home: Path) -> None:
    assert running(home) is None
    servers = start(home)
    servers.stop()
    assert running(home) is None
    assert not (home / ".connector" / "servers.json").exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", servers.store.port))
    servers.stop()  # twice is fine


def test_data_survives_a_stop(home: Path) -> None:
    servers = start(home)
    with Redis.from_url(servers.store_url) as client:
        client.set("a", "b")
    servers.stop()
    with Redis.from_url(start(home).store_url) as client:
        assert client.get("a") == b"b"


def test_what_the_store_acknowledged_survives_its_being_killed(home: Path) -> None:
    servers = start(home)
    with Redis.from_url(servers.store_url) as client:
        for number in range(100):
            client.set(str(number), "x")
        os.kill(servers.store.pid, signal.SIGKILL)
    embedded._CHILDREN[servers.store.pid].wait(10)
    assert running(home) is None, "one of two is not running"
    again = start(home)
    assert again.broker.pid != servers.broker.pid, "the one that was left is replaced, not doubled"
    with Redis.from_url(again.store_url) as client:
        assert client.dbsize() == 100


def test_a_stale_file_that_names_somebody_elses_process_is_not_believed(home: Path) -> None:
    servers = start(home)
    servers.stop()
    server = {"port": servers.store.port, "pid": os.getpid(), "password": "x"}
    path = home / ".connector" / "servers.json"
    path.touch(0o600)
    path.write_text(json.dumps({"version": 1, "broker": server, "store": server}))
    assert running(home) is None
    assert start(home).store.pid != os.getpid()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 9}', '{"broker": {}, "store": {}}'])
def test_a_damaged_file_is_started_over(home: Path, text: str) -> None:
    folder = home / ".connector"
    folder.mkdir(0o700)
    (folder / "servers.json").touch(0o600)
    (folder / "servers.json").write_text(text)
    assert running(home) is None


def test_a_file_that_others_can_read_is_refused(servers: Servers) -> None:
    path = servers.home / ".connector" / "servers.json"
    path.chmod(0o644)
    with pytest.raises(CannotStart, match="chmod 600"):
        running(servers.home)
    path.chmod(0o600)


def test_a_port_that_somebody_was_faster_to_take_is_not_the_end(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1]])
        servers = start(home, free_port=lambda: next(ports, None) or embedded._free_port())
        assert servers.broker.port != taken.getsockname()[1]


def test_a_server_that_cannot_start_says_why_and_leaves_nothing_running(home: Path) -> None:
    (home / ".connector" / "store").mkdir(parents=True, mode=0o700)
    damaged = home / ".connector" / "store" / "appendonlydir"
    damaged.mkdir()
    (damaged / "appendonly.aof.manifest").write_text("nonsense\n")
    others = set(embedded._CHILDREN)
    with pytest.raises(CannotStart, match="store"):
        start(home)
    assert running(home) is None
    assert not (home / ".connector" / "servers.json").exists()
    assert all(child.poll() is not None for name, child in embedded._CHILDREN.items() if name not in others)


def test_without_any_server_program_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CannotStart, match="BROKER_URL"):
        find_server("no_such_wheel")


def test_a_server_on_the_path_does_where_the_wheel_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "redis-server"
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server("no_such_wheel") == program


def test_two_commands_that_start_at_once_share_one_pair(home: Path) -> None:
    got: list[Servers] = []
    threads = [threading.Thread(target=lambda: got.append(start(home, survive=True))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 3
    assert len(set(got)) == 1


def test_a_folder_with_a_space_in_its_name_is_fine(home: Path) -> None:
    inner = home / "my project"
    inner.mkdir()
    servers = start(inner)
    assert running(inner) == servers
    servers.stop()


def test_a_relative_folder_is_fine(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    servers = start(Path())
    assert (home / ".connector" / "store" / "server.log").exists()
    servers.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
@pytest.mark.parametrize("survive", [False, True])
def test_servers_end_with_the_process_that_started_them_unless_told_otherwise(home: Path, survive: bool) -> None:
    code = (
        "import pathlib, os, signal\nfrom workers.embedded import start\n"
        f"start(pathlib.Path({str(home)!r}), survive={survive})\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, cwd=PROGRAM)
    assert ended.returncode == -signal.SIGKILL
    end = time.monotonic() + 3
    while (still := running(home)) is not None and not survive and time.monotonic() < end:
        threading.Event().wait(0.02)
    assert (still is not None) == survive
