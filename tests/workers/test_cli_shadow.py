"""``connector shadow`` and ``promote``: what a pilot looks at, and the step from it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from redis import Redis

from tests.workers.commanding import CONNECTOR, Terminal
from workers.stores.deliveries import Deliveries

SEEN = {
    "events": 12,
    "merged": 2,
    "writes": 15,
    "outcome:would": 8,
    "outcome:skipped": 1,
    "outcome:refused": 1,
    "would:create": 5,
    "would:update": 3,
    "reads:jira": 9,
    "field:new:Summary": 5,
    "field:changed:Summary": 3,
    "refused:Rejected:unknown_option": 1,
    "lost:Description: a panel": 2,
    "skipped:filtered: when.labels: none of bug": 1,
    "lag:3": 10,
}
REFUSED = {
    "at": 0,
    "delivery": "d1",
    "key": "acme/web#7",
    "kind": "issue.created",
    "outcome": "refused",
    "why": "Priority: there is no option",
    "cause": "Rejected:unknown_option",
    "actions": {},
    "fields": {"Priority": "refused"},
    "losses": [],
    "config": "h1",
}


@pytest.fixture
def books(valkey_url: str) -> Deliveries:
    return Deliveries(Redis.from_url(valkey_url), "web-bugs")


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey_url: str) -> Terminal:
    made = Terminal(tmp_path, monkeypatch)
    made.configure(CONNECTOR + "mode: shadow   # until the pilot is over\n")
    made.set(STORE_URL=valkey_url, BROKER_URL="redis://127.0.0.1:1/1")
    return made


def see(books: Deliveries) -> None:
    books.shadow(SEEN, example={**REFUSED, "at": int(time.time() * 1000)})


def test_a_report_tells_people_what_would_have_been(terminal: Terminal, books: Deliveries) -> None:
    see(books)
    said = terminal("shadow", "report", "web-bugs").stdout
    for part in (
        *("8 would be written, 1 skipped, 1 refused, 2 told by a later one", "5 create, 3 update", "2.0 API calls"),
        *("half within 1 s", "Rejected (unknown_option)", "Description: a panel", "filtered: when.labels"),
        *("acme/web#7", "Priority: there is no option"),
    ):
        assert part in said


def test_a_report_for_scripts_and_for_files(terminal: Terminal, books: Deliveries) -> None:
    see(books)
    got = terminal.json("shadow", "report", "web-bugs", "--since", "2h")
    assert got["mode"] == "shadow"
    assert got["would"] == {"create": 5, "update": 3}
    assert got["share"] == pytest.approx(8 / 9)
    assert terminal("shadow", "report", "web-bugs", "--markdown").stdout.startswith("# What web-bugs would have done")


def test_a_report_without_events_says_so(terminal: Terminal) -> None:
    said = terminal("shadow", "report", "web-bugs").stdout
    assert "has seen no event in shadow mode" in said
    assert "its mode is shadow" in said
