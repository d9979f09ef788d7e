"""The audit file stays open, and a row is never written where nobody looks for it any more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workers.wiring import AuditFile


def rows(path: Path) -> list[int]:
    return [json.loads(line)["n"] for line in path.read_text().splitlines()]


def test_rows_follow_one_another_in_one_open_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "audit.jsonl"
    write = AuditFile(path)
    for n in range(3):
        write({"n": n, "who": "Zoë"})
    assert rows(path) == [0, 1, 2]
    assert "Zoë" in path.read_text(encoding="utf-8")
    fds = [str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink() and one.exists()]
    assert fds.count(str(path)) == 1


@pytest.mark.parametrize("how", ["moved", "removed", "replaced"])
def test_a_file_that_was_rotated_away_is_begun_anew(tmp_path: Path, how: str) -> None:
    path = tmp_path / "audit.jsonl"
    write = AuditFile(path)
    write({"n": 1})
    if how == "removed":
        path.unlink()
    else:
        path.rename(tmp_path / "audit.1")
    if how == "replaced":
        path.touch()
    write({"n": 2})
    assert rows(path) == [2]


def test_a_folder_that_cannot_be_written_stops_nothing_and_heals(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "here" / "audit.jsonl"
    (tmp_path / "here").write_text("a file where the folder should be")
    write = AuditFile(path)
    write({"n": 1})
    assert "cannot be written" in caplog.text
    (tmp_path / "here").unlink()
    write({"n": 2})
    assert rows(path) == [2]
