"""The .env of a folder: the environment wins over it, nobody else may read it, a shell reads it alike."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import ConfigError, Unauthorized
from connector.ports import SecretRef
from workers.env_file import added, filled, line, read
from workers.files import Secrets


def write(folder: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path = folder / ".env"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read(path)
    return str(caught.value)


def test_the_environment_wins_and_what_it_lacks_is_filled_in(tmp_path: Path) -> None:
    write(tmp_path, "# ours\nJIRA_TOKEN=from-file\nexport GITHUB_TOKEN='it is # quoted'\nEMPTY=\nLOG_LEVEL=DEBUG\n")
    got = filled({"CONNECTOR_HOME": str(tmp_path), "JIRA_TOKEN": "from-outside", "LOG_LEVEL": ""})
    assert got["JIRA_TOKEN"] == "from-outside"
    assert got["GITHUB_TOKEN"] == "it is # quoted"
    assert got["LOG_LEVEL"] == "DEBUG"


@pytest.mark.parametrize(
    ("outside", "inside"), [("STORE_URL", "STORE_URL_FILE"), ("STORE_URL_FILE", "STORE_URL")], ids=["direct", "file"]
)
def test_a_variable_given_outside_in_either_form_hides_both_forms_of_the_file(
    tmp_path: Path, outside: str, inside: str
) -> None:
    write(tmp_path, f"{inside}=x\n")
    assert inside not in filled({"CONNECTOR_HOME": str(tmp_path), outside: "y"})


def test_a_folder_without_one_is_fine(tmp_path: Path) -> None:
    assert filled({"CONNECTOR_HOME": str(tmp_path)}) == {"CONNECTOR_HOME": str(tmp_path)}


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o666])
def test_one_that_others_may_read_or_write_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, "JIRA_TOKEN=hush\n", mode)
    said = refused(path)
    assert f"chmod 600 {path}" in said
    assert "hush" not in said


def test_one_for_a_group_of_operators_is_taken(tmp_path: Path) -> None:
    assert read(write(tmp_path, "JIRA_TOKEN=hush\n", 0o640)) == {"JIRA_TOKEN": "hush"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("GOOD=1\nJIRA_TOKEN hush\n", "2: is not NAME=value"),
        ("GOOD=1\n\nJIRA TOKEN=hush\n", "3: is not NAME=value"),
        ("2BAD=hush\n", "1: is not NAME=value"),
        ("CONNECTOR_HOME=/elsewhere\n", "1: CONNECTOR_HOME: says where this file is"),
        (b"JIRA_TOKEN=\xff\xfe\n", "is not UTF-8 text"),
        ("A=" + "x" * (1024 * 1024), "is too large"),
    ],
)
def test_what_cannot_be_read_is_named_by_line_and_never_repeated(tmp_path: Path, text: str | bytes, told: str) -> None:
    said = refused(write(tmp_path, text))
    assert told in said
    assert "hush" not in said


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert "cannot be read" in refused(tmp_path / ".env")


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(write(tmp_path, "no\nGOOD=1\nalso no\n"))
    assert [one.line for one in caught.value.problems] == [1, 3]


def test_a_credential_added_later_is_found_without_a_restart(tmp_path: Path) -> None:
    environment = {"CONNECTOR_HOME": str(tmp_path)}
    secrets = Secrets(environment, refill=lambda: filled(environment))
    with pytest.raises(Unauthorized, match="JIRA_TOKEN is not set"):
        secrets(SecretRef("env", "JIRA_TOKEN"))
    path = write(tmp_path, "JIRA_TOKEN=fresh\n", 0o644)
    with pytest.raises(Unauthorized, match="chmod 600"):
        secrets(SecretRef("env", "JIRA_TOKEN"))
    path.chmod(0o600)
    assert secrets(SecretRef("env", "JIRA_TOKEN")).reveal() == "fresh"


# --- writing -----------------------------------------------------------------------------------------------
VALUES = ["plain-1_2.3", "", "a b", "it's", 'say "x"', "a$b`c\\d", "#x", "ü€", "a\\b", "=", "C:\\", "a\\\\b", "'\"$"]


@pytest.mark.parametrize("value", VALUES)
def test_what_is_written_is_read_alike_by_us_and_by_a_shell_or_refused(tmp_path: Path, value: str) -> None:
    try:
        text = line("X", value)
    except ValueError:
        assert value in {"C:\\", "a\\\\b", "'\"$"}
        return
    path = write(tmp_path, text)
    assert read(path) == {"X": value}
    shell = subprocess.run(["sh", "-c", f'. {path}; printf %s "$X"'], capture_output=True, text=True, check=True)
    assert shell.stdout == value


@given(st.text(max_size=30))
def test_whatever_is_written_is_read_again_or_refused(value: str) -> None:
    from io import StringIO

    from dotenv.parser import parse_stream

    try:
        text = line("X", value)
    except ValueError:
        return
    assert [one.value for one in parse_stream(StringIO(text))] == [value]


@pytest.mark.parametrize("value", ["two\nlines", "bell\a", "\x1b[0m"])
def test_what_no_file_could_hold_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(ValueError, match="file:/path") as caught:
        line("X", value)
    assert value not in str(caught.value)


def test_adding_keeps_what_is_there_and_fills_in_what_is_empty() -> None:
    text = "# ours\nexport A=kept\nB=\nC = # said below"
    assert (
        added(text, {"A": "new", "B": "now", "D": "more"}) == "# ours\nexport A=kept\nB=now\nC = # said below\nD=more\n"
    )
