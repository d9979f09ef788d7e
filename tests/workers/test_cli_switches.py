"""``connector stop`` and ``start``: whom they mean is said before anything is stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from tests.workers.commanding import CONNECTOR, Terminal
from workers.stores.stops import stops


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey_url: str) -> Terminal:
    made = Terminal(tmp_path, monkeypatch)
    made.configure(CONNECTOR + "owner: {team: web}\n")
    made.write("connectors/api.yaml", CONNECTOR.replace("web-bugs", "api-bugs") + "owner: {team: api}\n")
    # The broker is not asked: nothing waits, so nobody rings.
    made.set(STORE_URL=valkey_url, BROKER_URL="redis://127.0.0.1:1/1", USER="ann")
    return made


def test_a_team_is_stopped_shown_and_started(terminal: Terminal, valkey_url: str) -> None:
    assert "stopped: web-bugs" in terminal("stop", "--team", "web", "--reason", "an incident").stdout
    with Redis.from_url(valkey_url) as client:
        assert list(stops(client)) == ["team:web"]
    states = {one["connector"]: (one["state"], one["why"]) for one in terminal.json("status")}
    assert states["web-bugs"][0] == "stopped"
    assert "with team web" in states["web-bugs"][1]
    assert "an incident" in states["web-bugs"][1]
    assert states["api-bugs"][0] == "running"
    assert "connector start --team web" in terminal("resume", "web-bugs", code=1).stderr
    assert "goes on: web-bugs" in terminal("start", "--team", "web").stdout
    assert {one["state"] for one in terminal.json("status")} == {"running"}


def test_scripts_are_told_what_was_stopped(terminal: Terminal) -> None:
    got = terminal.json("stop", "--all", "--reason", "an incident")
    assert (got["scope"], got["reason"], sorted(got["stopped"])) == ("all", "an incident", ["api-bugs", "web-bugs"])
    assert sorted(terminal.json("start", "--all")["started"]) == ["api-bugs", "web-bugs"]


def test_stop_stands_in_the_audit(terminal: Terminal) -> None:
    terminal("stop", "--connector", "web-bugs", "--reason", "an incident")
    (row,) = terminal.json("audit", "web-bugs")
    assert (row["action"], row["reason"], row["scope"]) == ("stop", "an incident", "connector:web-bugs")


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("stop", "--reason", "x"), 2, "give one of --connector, --team and --all"),
        (("stop", "--all", "--team", "web", "--reason", "x"), 2, "give one of"),
        (("stop", "--all"), 2, "--reason"),
        (("stop", "--all", "--reason", " "), 2, "must not be empty"),
        (("stop", "--team", "wbe", "--reason", "x"), 2, "there are: api, web"),
        (("stop", "--connector", "web-bug", "--reason", "x"), 2, "did you mean 'web-bugs'"),
        (("start", "--team", "web"), 1, "team:web is not stopped; stopped are: none"),
        (("start",), 2, "give one of"),
    ],
)
def test_what_names_nobody_stops_nobody(
    command: tuple[str, ...], code: int, said: str, terminal: Terminal, valkey_url: str
) -> None:
    assert said in terminal(*command, code=code).stderr
    with Redis.from_url(valkey_url) as client:
        assert stops(client) == {}


def test_what_is_not_stopped_is_told_with_what_is(terminal: Terminal) -> None:
    terminal("stop", "--team", "api", "--reason", "theirs")
    assert "team:api" in terminal("start", "--all", code=1).stderr
