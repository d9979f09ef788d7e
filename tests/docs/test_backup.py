"""The steps of docs/upgrade-backup-restore.md, done to a real server that is being written to."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.conftest import missing
from workers.embedded import CannotStart, find_server, running, start

PAGE = Path(__file__).resolve().parents[2] / "docs" / "upgrade-backup-restore.md"


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    try:
        find_server()
    except CannotStart as error:
        missing(str(error))
    both = tmp_path / "runs", tmp_path / "restored"
    for home in both:
        home.mkdir()
    yield both
    for home in both:
        left = running(home)
        if left is not None:
            left.stop()


def told(heading: str) -> list[list[str]]:
    """Return the commands for the server below a heading, in their order."""
    part = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [one.split() for one in re.findall(r"`valkey-cli ([^`]+)`", part)]


def test_a_copy_made_while_the_store_works_holds_all_that_was_acknowledged_before(homes: tuple[Path, Path]) -> None:
    here, there = homes
    servers = start(here)
    stop = threading.Event()
    with Redis.from_url(servers.store_url, decode_responses=True) as client:
        folder = Path(client.config_get("dir")["dir"])
        files = client.config_get("appenddirname")["appenddirname"]
        for number in range(200):
            client.set(f"before-{number}", number)

        def write() -> None:
            with Redis.from_url(servers.store_url) as other:
                number = 0
                while not stop.is_set():
                    number += 1
                    other.set(f"meanwhile-{number % 50}", number)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            hold, look, release = told("Backing up")
            client.execute_command(*hold)
            assert look == ["INFO", "persistence"]
            assert client.info(look[1])["aof_rewrite_in_progress"] == 0
            copy = there / ".connector" / "store" / files
            shutil.copytree(folder / files, copy)
            client.execute_command(*release)
        finally:
            stop.set()
            writer.join()
        assert client.config_get("auto-aof-rewrite-percentage") == {"auto-aof-rewrite-percentage": "100"}
    with Redis.from_url(start(there).store_url, decode_responses=True) as client:
        assert [client.get(f"before-{number}") for number in range(200)] == [str(number) for number in range(200)]
