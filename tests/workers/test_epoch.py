"""How far the books had come is remembered outside the store, by all processes of a home together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workers.epoch import Epoch


def test_what_one_process_knew_the_next_one_knows(tmp_path: Path) -> None:
    path = tmp_path / ".connector" / "written.json"
    first, beside = Epoch(path), Epoch(path)
    first.marks.saw("bugs", 7)
    beside.marks.saw("bugs", 5)
    beside.marks.saw("news", 3)
    first.keep()
    beside.keep()
    after = Epoch(path)
    assert after.marks.all() == {"bugs": 7, "news": 3}
    assert after.last_seen("bugs") > 0
    assert after.last_seen("nobody") == 0


def test_a_lower_count_is_forgotten_at_once(tmp_path: Path) -> None:
    epoch = Epoch(tmp_path / "written.json")
    epoch.marks.saw("bugs", 7)
    epoch.marks.saw("bugs", 6)
    assert epoch.marks.of("bugs") == 7
    assert epoch.marks.of("nobody") == 0


def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "written.json"
    epoch = Epoch(path)
    epoch.keep()
    assert not path.exists()
    epoch.marks.saw("bugs", 1)
    epoch.keep()
    before = path.stat().st_mtime_ns
    epoch.keep()
    assert path.stat().st_mtime_ns == before
    epoch.forget("bugs")
    assert Epoch(path).marks.all() == {}


@pytest.mark.parametrize("text", ["", "{", json.dumps({"version": 99, "connectors": {}})])
def test_a_file_that_cannot_be_read_begins_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "written.json"
    path.write_text(text)
    epoch = Epoch(path)
    assert epoch.marks.all() == {}
    epoch.marks.saw("bugs", 1)
    epoch.keep()
    assert Epoch(path).marks.all() == {"bugs": 1}


def test_a_disk_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "written.new").mkdir()
    epoch = Epoch(tmp_path / "written.json")
    epoch.marks.saw("bugs", 1)
    epoch.keep()
    assert "cannot be written" in caplog.text
    (tmp_path / "written.new").rmdir()
    epoch.keep()
    assert Epoch(tmp_path / "written.json").marks.all() == {"bugs": 1}


def test_what_others_of_the_home_have_written_down_is_learnt(tmp_path: Path) -> None:
    path = tmp_path / "written.json"
    one, other = Epoch(path), Epoch(path)
    other.marks.saw("bugs", 9)
    other.keep()
    one.keep()
    assert one.marks.of("bugs") == 9
