"""``connector shadow`` and ``promote``: what a pilot looks at, and the step from it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from redis import Redis

from connector.examining import Finding, Level
from tests.workers.commanding import CONNECTOR, Terminal
from workers.examination import Examined
from workers.stores.deliveries import Deliveries
from workers.stores.examinations import remember_examination

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


# --- promote and demote ------------------------------------------------------------------------------------
SHADOW = CONNECTOR + "mode: shadow   # until the pilot is over\n"
LIVE = CONNECTOR + "mode: live   # until the pilot is over\n"


def text(terminal: Terminal) -> str:
    return (terminal.home / "connectors/web.yaml").read_text()


def test_promoting_says_what_it_will_do_and_changes_one_word(terminal: Terminal, books: Deliveries) -> None:
    see(books)
    books.shadow({"events": 0}, entity="github:issue:1", held={"summary": "a"})
    path = terminal.home / "connectors/web.yaml"
    path.chmod(0o640)
    said = terminal("promote", "web-bugs", "--yes").stdout
    for part in (
        *("it will create about 5.0 items an hour", "will fail: Rejected (unknown_option), 1 events so far"),
        *(
            "held after 50 creations within 1h",
            "starts at now",
            "connectors/web.yaml:6: mode: shadow   # until the pilot is over → mode: live",
            "is live",
        ),
    ):
        assert part in said
    assert text(terminal) == LIVE
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in path.parent.iterdir()] == ["web.yaml"]
    assert books.shadowed("github:issue:1") is None
    (row,) = books.audit()
    assert (row["action"], row["file"], row["line"], row["seen"]) == ("promote", "connectors/web.yaml", 6, 12)
    assert "is live already" in terminal("promote", "web-bugs").stdout


def test_what_the_last_examination_found_is_told_before(terminal: Terminal, books: Deliveries) -> None:
    see(books)
    assert "was not examined yet" in terminal("promote", "web-bugs", "--dry-run").stdout
    found = Finding(Level.PROBLEM, ("mapping", "Severity"), "no such field", "name another one", "unknown_field")
    remember_examination(books, Examined(1, (found,)).packed())
    said = terminal("promote", "web-bugs", "--dry-run").stdout
    assert "does not fit its target: mapping.Severity: no such field; name another one" in said


def test_nothing_is_promoted_that_has_seen_nothing(terminal: Terminal, books: Deliveries) -> None:
    assert "has seen no event in shadow mode yet" in terminal("promote", "web-bugs", "--yes", code=1).stderr
    assert text(terminal) == SHADOW
    assert terminal.json("promote", "web-bugs", "--yes", "--force")["changed"] is True
    assert text(terminal) == LIVE
    assert [row["action"] for row in books.audit()] == ["promote"]


def test_a_dry_run_and_a_no_change_nothing(terminal: Terminal, books: Deliveries) -> None:
    see(books)
    assert "it will create about" in terminal("promote", "web-bugs", "--dry-run").stdout
    assert terminal.json("promote", "web-bugs", "--dry-run")["changed"] is False
    assert "nobody answered" in terminal("promote", "web-bugs", code=1).stderr
    assert "--json asks nothing" in terminal("promote", "web-bugs", "--json", code=2).stderr
    assert text(terminal) == SHADOW
    assert books.audit() == []


def test_a_file_that_cannot_be_written_is_left_with_what_to_write(
    terminal: Terminal, books: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    see(books)

    def refuse(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("workers.operating.modes.tempfile.mkstemp", refuse)
    said = terminal("promote", "web-bugs", "--yes", code=1).stderr
    assert "Read-only file system" in said
    assert "change its line 6 yourself to: mode: live" in said
    assert text(terminal) == SHADOW
    assert books.audit() == []


def test_a_mode_from_a_variable_is_left_to_a_person(terminal: Terminal, books: Deliveries) -> None:
    see(books)
    terminal.configure(CONNECTOR + "mode: ${CONNECTOR_MODE}\n")
    terminal.set(CONNECTOR_MODE="shadow")
    assert "connectors/web.yaml:6" in terminal("promote", "web-bugs", "--yes", code=1).stderr


def test_demoting_takes_it_back_also_where_no_store_runs(terminal: Terminal, books: Deliveries) -> None:
    terminal.configure()
    assert "writes nothing from then on" in terminal("demote", "web-bugs", "--yes").stdout
    assert text(terminal) == CONNECTOR.replace("name: web-bugs\n", "name: web-bugs\nmode: shadow\n")
    assert [row["action"] for row in books.audit()] == ["demote"]
    assert "is shadow already" in terminal("demote", "web-bugs").stdout
    terminal.configure()
    terminal.set(STORE_URL="", BROKER_URL="")
    assert "the audit has no row of it" in terminal("demote", "web-bugs", "--yes").stdout
    assert "mode: shadow" in text(terminal)


def test_a_paused_one_is_not_promoted_by_mistake(terminal: Terminal, books: Deliveries) -> None:
    see(books)
    terminal.configure(CONNECTOR + "mode: paused\n")
    assert "is paused in its file" in terminal("promote", "web-bugs", "--yes", code=2).stderr
    terminal("promote", "web-bugs", "--yes", "--force")
    assert "mode: live" in text(terminal)
