"""``connector usage``: what connectors and teams used, for people, scripts and sheets."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from redis import Redis

from tests.workers.commanding import CONNECTOR, Terminal
from workers.stores.deliveries import Deliveries, Fresh
from workers.stores.usage import CALLS, CPU, SENT, add, begin_day


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey_url: str) -> Terminal:
    made = Terminal(tmp_path, monkeypatch)
    made.configure(CONNECTOR + "owner: {team: web}\n")
    made.write("connectors/api.yaml", CONNECTOR.replace("web-bugs", "api-bugs") + "owner: {team: api}\n")
    made.set(STORE_URL=valkey_url, BROKER_URL="redis://127.0.0.1:1/1")
    with Redis.from_url(valkey_url) as client:
        for uid in ("web-bugs", "api-bugs"):
            books = Deliveries(client, uid)
            books.enter()
            begin_day(books)
            books.accept([Fresh("d1", "e1", "github:issue:1", "issue.created", "acme/web#1", b"x")])
        add(client, {"web-bugs": {CPU: 1_500_000, CALLS + "jira": 3, SENT: 2_500}})
    return made


def test_connectors_are_told_with_a_sum(terminal: Terminal) -> None:
    told = terminal("usage").stdout
    assert "web-bugs" in told
    assert "1.50" in told
    assert "2.5 kB" in told
    assert [line.split()[1] for line in told.splitlines() if "all" in line.split()[:2]][0:1] != []


def test_a_team_is_told_alone(terminal: Terminal) -> None:
    told = terminal("usage", "--team", "api", "--by", "team").stdout
    assert "api" in told
    assert "web" not in told


def test_scripts_get_a_row_for_each_connector_and_day(terminal: Terminal) -> None:
    (row,) = terminal.json("usage", "--connector", "web-bugs")
    assert (row["connector"], row["team"], row["events"], row["calls"], row["cpu"]) == ("web-bugs", "web", 1, 3, 1.5)


def test_sheets_get_the_same(terminal: Terminal) -> None:
    rows = list(csv.DictReader(io.StringIO(terminal("usage", "--csv").stdout)))
    assert {(row["connector"], row["events"]) for row in rows} == {("web-bugs", "1"), ("api-bugs", "1")}
    assert rows[0]["day"].count("-") == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--since", "91d"), "1d to 90d"),
        (("--since", "0d"), "1d to 90d"),
        (("--since", "yesterday"), "a number of days"),
        (("--team", "nobody"), "there are: api, web"),
        (("--connector", "web-bug"), "did you mean 'web-bugs'"),
        (("--connector", "web-bugs", "--team", "api"), "belongs to web"),
        (("--csv", "--json"), "either"),
        (("--by", "month"), "month"),
    ],
)
def test_what_is_not_understood_is_refused(options: tuple[str, ...], said: str, terminal: Terminal) -> None:
    assert said in terminal("usage", *options, code=2).stderr


def test_without_servers_it_says_so(terminal: Terminal) -> None:
    terminal.set(STORE_URL="", BROKER_URL="")
    terminal("usage", code=3)


def test_capacity_says_what_is_needed_and_what_was_not_known(terminal: Terminal) -> None:
    told = terminal("capacity", "--events-per-day", "1000").stdout
    assert "1 worker process of 16 threads" in told
    assert "first too little" in told
    assert "too few events in the last 7 days" in told
    assert "api-bugs, web-bugs" in told


def test_capacity_ends_with_1_where_something_is_too_little(terminal: Terminal) -> None:
    got = terminal.json("capacity", "--events-per-day", "100000000", code=1)
    assert got["first"]["binds_at"] < 100_000_000
    assert got["processes"] > 100
    assert got["measured"] == {"api-bugs": 0, "web-bugs": 0}


def test_capacity_refuses_what_makes_no_sense(terminal: Terminal) -> None:
    terminal("capacity", code=2)
    terminal("capacity", "--events-per-day", "0", code=2)
    terminal("capacity", "--events-per-day", "10", "--peak-factor", "0.5", code=2)
    assert "did you mean" in terminal("capacity", "--events-per-day", "10", "--connector", "web-bug", code=2).stderr
