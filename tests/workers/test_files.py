"""Folders and credentials are read from disk as they are now, and nothing outside them is."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from connector.errors import ConfigError, Unauthorized
from connector.ports import SecretRef
from tests.configuring import CONNECTIONS, CONNECTOR, SYSTEMS
from workers.files import Folder, Secrets, load_folder, ready_made


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    root = tmp_path / "home"
    write(root / "connections" / "prod.yaml", CONNECTIONS)
    write(root / "connectors" / "web" / "bugs.yaml", CONNECTOR)
    return root


def folder(path: Path, **more: Any) -> Folder:
    return Folder(path, systems=SYSTEMS, variables={}, **more)


def problem(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_folder(path)
    return str(caught.value)


# --- folders ------------------------------------------------------------------------------------------
def test_a_folder_is_read_with_its_teams(home: Path) -> None:
    write(home / "staff.csv", "from,to\na,b\n")
    write(home / "connectors" / "payments" / "staff.csv", "from,to\na,c\n")
    assert sorted(load_folder(home)) == [
        "connections/prod.yaml",
        "connectors/payments/staff.csv",
        "connectors/web/bugs.yaml",
        "staff.csv",
    ]
    assert list(folder(home).read().connectors) == ["bugs"]


def test_other_files_of_the_folder_are_not_ours(home: Path) -> None:
    for name in (
        "docker-compose.yml",
        "values.yaml",
        ".hidden.yaml",
        ".git/x.yaml",
        "charts/a.yaml",
        "connectors/.#x.yaml",
    ):
        write(home / name, "services: {}")
    write(home / "connectors" / "README.md", "# hello")
    assert len(load_folder(home)) == 2


def test_everything_may_stand_in_one_file(tmp_path: Path) -> None:
    connector = CONNECTOR.removeprefix("version: 1\n").replace("\n", "\n    ")
    write(tmp_path / "connector.yaml", f"{CONNECTIONS}connectors:\n  - {connector}")
    write(tmp_path / "docker-compose.yml", "services: {}")
    assert list(folder(tmp_path).read().connectors) == ["bugs"]


def test_a_flat_folder_is_read_too(tmp_path: Path) -> None:
    write(tmp_path / "prod.yaml", CONNECTIONS)
    write(tmp_path / "bugs.yml", CONNECTOR)
    write(tmp_path / "deeper" / "x.yaml", "a: 1")
    assert sorted(load_folder(tmp_path)) == ["bugs.yml", "prod.yaml"]


def test_one_file_alone_can_be_read(tmp_path: Path) -> None:
    alone = write(tmp_path / "one.yaml", CONNECTIONS)
    write(tmp_path / "two.yaml", "a: 1")
    write(tmp_path / "staff.csv", "from,to\na,b\n")
    assert sorted(load_folder(tmp_path, alone)) == ["one.yaml", "staff.csv"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "nowhere: there is no such folder" in problem(tmp_path / "nowhere")
    assert "is not a folder" in problem(write(tmp_path / "file", "x"))


def test_an_empty_folder_says_what_is_expected(tmp_path: Path) -> None:
    assert "connections/*.yaml" in problem(tmp_path)


def test_a_link_out_of_the_folder_is_refused(home: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside.yaml", CONNECTOR)
    (home / "connectors" / "evil.yaml").symlink_to(outside)
    assert "connectors/evil.yaml: is a link that leads out of the folder" in problem(home)


def test_a_folder_that_is_a_link_is_not_followed(home: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "x.yaml", CONNECTOR)
    (home / "connectors" / "evil").symlink_to(tmp_path / "elsewhere")
    assert len(load_folder(home)) == 2


def test_links_within_the_folder_are_followed_as_kubernetes_makes_them(tmp_path: Path) -> None:
    write(tmp_path / "connections" / "..2026_11" / "prod.yaml", CONNECTIONS)
    (tmp_path / "connections" / "..data").symlink_to("..2026_11")
    (tmp_path / "connections" / "prod.yaml").symlink_to("..data/prod.yaml")
    assert list(load_folder(tmp_path)) == ["connections/prod.yaml"]


def test_a_dangling_link_is_a_problem(home: Path) -> None:
    (home / "connectors" / "gone.yaml").symlink_to("nowhere.yaml")
    assert "connectors/gone.yaml: cannot be read: No such file" in problem(home)


def test_a_pipe_does_not_stop_the_reader(home: Path) -> None:
    os.mkfifo(home / "connectors" / "pipe.yaml")
    assert "connectors/pipe.yaml: cannot be read: is not a regular file" in problem(home)


def test_a_huge_file_is_refused_without_being_read_whole(home: Path) -> None:
    with (home / "connectors" / "huge.yaml").open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(ConfigError, match=r"connectors/huge.yaml: is larger than 256 KB"):
        folder(home).read()


def test_the_stamp_changes_with_every_kind_of_change(home: Path) -> None:
    here = folder(home)
    seen = here.stamp()
    assert here.stamp() == seen
    bugs = home / "connectors" / "web" / "bugs.yaml"
    for change in (
        lambda: write(bugs, CONNECTOR + "mode: paused\n"),
        lambda: write(home / "connectors" / "new.yaml", CONNECTOR.replace("bugs", "more")),
        (home / "connectors" / "new.yaml").unlink,
        lambda: os.utime(bugs, ns=(1, 1)),
        lambda: write(bugs.with_suffix(".tmp"), CONNECTOR + "mode: shadow\n").replace(bugs),
    ):
        change()
        assert here.stamp() != seen
        seen = here.stamp()


def test_a_stamp_of_nothing_is_no_error(tmp_path: Path) -> None:
    assert folder(tmp_path / "nowhere").stamp() == ()


def test_a_warning_is_logged(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(home / "connectors" / "later.yaml", "# not yet\n")
    with caplog.at_level(logging.WARNING):
        folder(home).read()
    assert "connectors/later.yaml:1: holds nothing" in caplog.text


def test_a_connector_is_shown_resolved(home: Path) -> None:
    assert folder(home).resolved("bugs")["to"] == {"connection": "there", "spaces": ["API"]}


def test_the_ready_made_connectors_are_found() -> None:
    one_way = {"jira-to-slack", "github-to-jira", "jira-to-github-status"}
    assert set(ready_made()) == one_way | {"github-jira-two-way", "jira-to-jira"}


# --- credentials ----------------------------------------------------------------------------------------
def revealed(secrets: Secrets, scheme: str, name: object) -> str:
    return secrets(SecretRef(scheme, str(name))).reveal()


def refused(secrets: Secrets, scheme: str, name: object) -> str:
    with pytest.raises(Unauthorized) as caught:
        secrets(SecretRef(scheme, str(name)))
    assert caught.value.cause.startswith("secret:")
    return str(caught.value)


def test_a_credential_is_taken_from_the_environment_as_it_is_now() -> None:
    environment = {"TOKEN": "one"}
    secrets = Secrets(environment)
    assert revealed(secrets, "env", "TOKEN") == "one"
    environment["TOKEN"] = "two"
    assert revealed(secrets, "env", "TOKEN") == "two"


def test_a_missing_variable_is_named() -> None:
    assert refused(Secrets({}), "env", "TOKEN") == "the environment variable TOKEN is not set"
    assert "TOKEN" in refused(Secrets({"TOKEN": ""}), "env", "TOKEN")


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = write(tmp_path / "token", "one\n")
    secrets = Secrets({})
    assert revealed(secrets, "file", path) == "one"
    write(tmp_path / "fresh", "two\n").replace(path)
    assert revealed(secrets, "file", path) == "two"


def test_an_unchanged_file_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path / "token", "one")
    secrets = Secrets({})
    assert secrets(SecretRef("file", str(path))) is secrets(SecretRef("file", str(path)))


def test_a_change_within_one_tick_of_the_clock_is_seen_after_forgetting(tmp_path: Path) -> None:
    path = write(tmp_path / "token", "one")
    os.utime(path, ns=(1, 1))
    secrets = Secrets({})
    assert revealed(secrets, "file", path) == "one"
    write(path, "two")
    os.utime(path, ns=(1, 1))
    secrets.forget()
    assert revealed(secrets, "file", path) == "two"


def test_a_file_that_comes_back_is_read(tmp_path: Path) -> None:
    secrets = Secrets({})
    assert "No such file" in refused(secrets, "file", tmp_path / "token")
    assert revealed(secrets, "file", write(tmp_path / "token", "one")) == "one"


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"\xff\xfe", "is not UTF-8 text"), (b"x" * 70_000, "is too large")],
)
def test_an_unusable_file_is_refused_without_showing_it(content: bytes, why: str, tmp_path: Path) -> None:
    assert why in refused(Secrets({}), "file", write(tmp_path / "token", content))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file" in refused(Secrets({}), "file", tmp_path / "pipe")
    assert "is not a regular file" in refused(Secrets({}), "file", tmp_path)
    assert "must be an absolute path" in refused(Secrets({}), "file", "token")
    assert "there is no way to read vault:x" in refused(Secrets({}), "vault", "x")


def test_a_file_that_everybody_can_read_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "token", "verysecret")
    path.chmod(0o644)
    secrets = Secrets({})
    for number in range(3):
        os.utime(path, ns=(number, number))
        revealed(secrets, "file", path)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "verysecret" not in caplog.text


def test_a_private_file_is_not_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "token", "one")
    path.chmod(0o640)
    revealed(Secrets({}), "file", path)
    assert caplog.records == []
