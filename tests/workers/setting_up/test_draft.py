"""A draft is written whole or not at all, and over nothing."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from connector.registry import SYSTEMS
from workers.setting_up import draft as module
from workers.setting_up.draft import Draft
from workers.setting_up.forms import blanks, put, settled, value_of, variable_for
from workers.setting_up.given import declared


def drafted(home: Path) -> Draft:
    return Draft(
        home,
        home,
        connections={
            "jira": {"system": "jira", **SYSTEMS["jira"].example["connection"]},
            "github": {"system": "github", **SYSTEMS["github"].example["connection"]},
        },
        connectors={
            "web": {
                "template": "github-to-jira",
                "from": {"connection": "github", "repositories": ["acme/web"]},
                "to": {"connection": "jira", "project": "WEB"},
            }
        },
        secrets={"JIRA_TOKEN": "hush"},
    )


def names(home: Path) -> set[str]:
    return {str(one.relative_to(home)) for one in home.rglob("*") if one.is_file()}


ALL = {"connections/main.yaml", "connectors/web.yaml", ".env", ".gitignore"}


def test_what_is_planned_is_what_is_written(tmp_path: Path) -> None:
    draft = drafted(tmp_path / "new" / "home")
    planned = draft.planned()
    assert not (tmp_path / "new").exists()
    assert set(draft.write()) == set(planned)
    assert names(tmp_path / "new" / "home") == ALL


def test_an_interruption_while_writing_waits_until_all_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    appear = module._appear

    def interrupted(temporary: Path, path: Path) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        appear(temporary, path)

    monkeypatch.setattr(module, "_appear", interrupted)
    with pytest.raises(KeyboardInterrupt):
        drafted(tmp_path).write()
    assert names(tmp_path) == ALL


def test_a_failure_while_writing_leaves_no_new_file_and_no_half_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    appear = module._appear

    def failing(temporary: Path, path: Path) -> None:
        if path.name == "web.yaml":
            raise OSError(28, "No space left on device")
        appear(temporary, path)

    monkeypatch.setattr(module, "_appear", failing)
    with pytest.raises(OSError, match="No space"):
        drafted(tmp_path).write()
    assert names(tmp_path) <= {".env"}


def test_a_file_that_came_meanwhile_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    appear = module._appear

    def raced(temporary: Path, path: Path) -> None:
        if path.name == "web.yaml":
            path.write_text("theirs")
        appear(temporary, path)

    monkeypatch.setattr(module, "_appear", raced)
    with pytest.raises(FileExistsError):
        drafted(tmp_path).write()
    assert (tmp_path / "connectors" / "web.yaml").read_text() == "theirs"
    assert not (tmp_path / "connections" / "main.yaml").exists()


def test_a_file_system_without_links_takes_the_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    drafted(tmp_path).write()
    assert names(tmp_path) == ALL
    with pytest.raises(PermissionError):
        module._appear(tmp_path / ".env", tmp_path / ".gitignore")


def test_an_env_file_keeps_what_it_holds_and_who_may_read_it(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("OTHER=kept")
    env.chmod(0o640)
    drafted(tmp_path).write()
    assert env.read_text() == "OTHER=kept\nJIRA_TOKEN=hush\n"
    assert stat.S_IMODE(env.stat().st_mode) == 0o640


def test_an_env_file_behind_a_link_stays_behind_it(tmp_path: Path) -> None:
    real, home = tmp_path / "secrets.env", tmp_path / "home"
    home.mkdir()
    real.write_text("")
    real.chmod(0o600)
    (home / ".env").symlink_to(real)
    drafted(home).write()
    assert (home / ".env").is_symlink()
    assert real.read_text() == "JIRA_TOKEN=hush\n"


def test_files_are_readable_as_the_umask_says_and_the_env_file_is_not(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        drafted(tmp_path).write()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "connectors/web.yaml").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


# --- forms ---------------------------------------------------------------------------------------------------
WAYS = [
    pytest.param(system, title, members, id=title)
    for system in SYSTEMS.values()
    for title, members in (system.ways or {system.title: system.example["connection"]}).items()
]


@pytest.mark.parametrize(("system", "title", "members"), WAYS)
def test_a_form_filled_in_with_its_own_examples_loads(system: Any, title: str, members: Any) -> None:
    document: dict[str, Any] = settled(system.connection, members)
    for blank in blanks(system.connection, members, name="there", system=system.name):
        assert blank.meaning, (title, blank.name)
        if blank.variable:
            assert blank.variable.startswith("THERE_")
            put(document, blank.path, f"env:{blank.variable}")
        else:
            assert blank.objection(blank.example) == ""
            put(document, blank.path, value_of(blank.field, blank.example))
    assert system.connection().load(document)


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=lambda one: one.name)
@pytest.mark.parametrize("side", ["from", "to"])
def test_what_is_needed_of_an_end_is_asked_for(system: Any, side: str) -> None:
    schema, example = declared(system, side)
    document: dict[str, Any] = {}
    for blank in blanks(schema, example, name="there", system=system.name):
        assert blank.chosen is not None, "a person should choose a place, not type it"
        assert not blank.group
        text = ",".join(blank.example) if blank.many else blank.example
        put(document, blank.path, value_of(blank.field, text))
    assert schema().load(document)


def test_variables_are_named_after_their_connection() -> None:
    assert variable_for("SLACK_SIGNING_SECRET", "slack", "slack") == "SLACK_SIGNING_SECRET"
    assert variable_for("SLACK_SIGNING_SECRET", "team-2", "slack") == "TEAM_2_SIGNING_SECRET"
