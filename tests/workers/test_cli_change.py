"""``connector plan``, ``apply``, ``versions`` and ``rollback`` as they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from tests.workers.commanding import CONNECTIONS, CONNECTOR, Terminal
from tests.workers.stores.books import letter
from workers.cli import change
from workers.publishing import Followed
from workers.stores.client import time_of
from workers.stores.deliveries import Deliveries
from workers.stores.published import Follower, Published

OTHER = CONNECTOR.replace("web-bugs", "api-bugs").replace("acme/web", "acme/api")


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey_url: str) -> Terminal:
    made = Terminal(tmp_path, monkeypatch)
    # Nothing is rung here, so there need be no broker.
    made.set(STORE_URL=valkey_url, BROKER_URL="redis://127.0.0.1:1/0", CONNECTOR_CONFIG_SOURCE="store", USER="ann")
    made.write("connections/main.yaml", CONNECTIONS)
    made.write("connectors/web-bugs.yaml", CONNECTOR)
    return made


@pytest.fixture
def store(valkey_url: str) -> Redis:
    return Redis.from_url(valkey_url)


def waiting(store: Redis, uid: str, count: int) -> Deliveries:
    books = Deliveries(store, uid)
    books.enter()
    books.accept([letter(number, f"git:issue:{number}") for number in range(count)])
    return books


def test_a_plan_in_words(terminal: Terminal) -> None:
    first = terminal("plan").stdout
    assert "nothing → " in first
    assert "instance" not in first
    assert "+ connector web-bugs: added" in first
    assert "+ connection github: added" in first
    assert "used by web-bugs" in first
    terminal("apply", "--yes")
    assert "nothing would change" in terminal("plan").stdout
    terminal.write("connectors/web-bugs.yaml", CONNECTOR + "concurrency: 9\nmapping: {Due: due}\n")
    terminal.write("connections/main.yaml", CONNECTIONS.replace("env:JIRA_TOKEN", "env:OTHER_TOKEN"))
    told = terminal("plan").stdout
    assert "~ connector web-bugs: changed\n    " in told
    assert "    concurrency: 9 (new)\n" in told
    assert "    mapping.Due: due (new)\n" in told
    assert "    auth.token: changed (a credential)\n" in told
    assert "OTHER_TOKEN" not in told
    assert "connectors: 1 changed; 1 connection differs" in told


def test_what_check_warns_of_is_told_here_too(terminal: Terminal) -> None:
    terminal.write("connectors/empty.yaml", "# nothing yet\n")
    assert "warning: connectors/empty.yaml:1: holds nothing" in terminal("plan").stderr


def test_a_plan_for_scripts(terminal: Terminal, store: Redis) -> None:
    terminal("apply", "--yes")
    waiting(store, "web-bugs", 2)
    assert terminal.json("plan")["changes"] is False
    terminal("plan", "--exit-code")
    terminal.write("connectors/web-bugs.yaml", CONNECTOR + "concurrency: 9\n")
    assert terminal("plan", "--exit-code", code=change.CHANGES).stdout
    told = terminal.json("plan")
    (one,) = told["connectors"]
    assert (told["version"], one["change"], one["open"]["in_flight"]) == (1, "changed", 2)
    assert one["fields"] == [{"path": "concurrency", "before": None, "after": "9", "words": "concurrency: 9 (new)"}]


def test_a_plan_against_a_folder_needs_no_servers(terminal: Terminal, tmp_path: Path) -> None:
    for name in ("STORE_URL", "BROKER_URL"):
        terminal.set(**{name: ""})
    (tmp_path / "before" / "connectors").mkdir(parents=True)
    (tmp_path / "before" / "connectors" / "main.yaml").write_text(OTHER)
    (tmp_path / "before" / "connections.yaml").write_text(CONNECTIONS)
    told = terminal.json("plan", "--against", "before")
    assert [(one["name"], one["change"], one["open"]) for one in told["connectors"]] == [
        ("api-bugs", "removed", None),
        ("web-bugs", "added", None),
    ]
    terminal("plan", "--against", "nowhere", code=2)


def test_a_plan_for_a_comment_quotes_what_files_say(terminal: Terminal) -> None:
    terminal("apply", "--yes")
    terminal.write("connectors/web-bugs.yaml", CONNECTOR + "description: '@everyone ![x](https://a/b.png) <b>'\n")
    told = terminal("plan", "--markdown").stdout
    assert told.startswith("### Connector plan\n")
    assert "- **~ connector web-bugs: changed**" in told
    assert "@everyone" not in told
    assert "![x]" not in told
    assert "\\<b\\>" in told


@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes")])
def test_a_bad_configuration_is_told_with_all_problems_and_changes_nothing(
    command: tuple[str, ...], terminal: Terminal, store: Redis
) -> None:
    terminal.write("connectors/web-bugs.yaml", CONNECTOR + "colour: blue\nshape: round\n")
    told = terminal(*command, code=2).stderr
    assert "connectors/web-bugs.yaml:6" in told
    assert "2 problem(s)" in told
    assert Published(store).held() is None
    terminal(*command, "nowhere", code=2)


def test_apply_publishes_says_so_and_does_nothing_twice(terminal: Terminal) -> None:
    done = terminal("apply", "--yes", "--message", "the first")
    assert "version 1 (" in done.stdout
    assert "no process follows published versions" in done.stdout
    assert "nothing would change" in terminal("apply", "--yes").stdout
    assert terminal.json("apply", "--yes") == {**terminal.json("plan"), "applied": False}
    told = terminal.json("versions")
    assert [(one["number"], one["by"], one["message"]) for one in told["versions"]] == [(1, "ann", "the first")]
    assert "the first" in terminal("versions").stdout


def test_without_a_yes_nothing_is_changed(terminal: Terminal, store: Redis) -> None:
    assert "Apply this?" in terminal("apply", code=1).stdout  # nobody answers
    terminal("apply", "--json", code=2)
    assert Published(store).held() is None
    assert "nothing is published yet" in terminal("versions").stdout


def test_rollback_puts_an_earlier_version_in_force_again(terminal: Terminal) -> None:
    terminal("rollback", "--yes", code=2)
    first = terminal.json("apply", "--yes")["hash"]
    terminal("rollback", "--yes", code=2)
    terminal.write("connectors/web-bugs.yaml", CONNECTOR + "concurrency: 9\n")
    second = terminal.json("apply", "--yes")["hash"]
    assert "is in force already" in terminal("rollback", second, "--yes", code=2).stderr
    assert "no version 0f0f" in terminal("rollback", "0f0f", "--yes", code=2).stderr
    done = terminal("rollback", first[:6], "--yes")
    assert f"version 3 ({first}) is in force" in done.stdout
    assert "concurrency: removed (was 9)" in done.stdout
    assert terminal.json("rollback", "--yes")["hash"] == second
    told = terminal.json("versions")["versions"]
    assert [one["hash"] for one in told] == [second, first, second, first]
    assert told[1]["message"] == "back to version 1"
    # Each of them is in the audit's file, with who did it.
    rows = terminal.json("audit", "--file")
    assert {row["action"] for row in rows} == {"apply", "rollback"}


def test_removing_what_has_work_needs_a_word(terminal: Terminal, store: Redis) -> None:
    terminal.write("connectors/api-bugs.yaml", OTHER)
    terminal("apply", "--yes")
    books = waiting(store, "api-bugs", 2)
    (terminal.home / "connectors" / "api-bugs.yaml").unlink()
    told = terminal("plan")
    assert "- connector api-bugs: removed" in told.stdout
    assert "2 open deliveries" in told.stdout
    assert "--drain delivers them first" in told.stderr
    assert "api-bugs (2)" in terminal("apply", "--yes", code=1).stderr
    terminal("apply", "--yes", "--drain", "--abandon", code=2)
    assert "start workers" in terminal("apply", "--yes", "--drain", code=1).stderr
    terminal("apply", "--yes", "--abandon")
    assert books.counts()["in_flight"] == 2
    terminal.write("connectors/api-bugs.yaml", OTHER)
    assert "its 2 parked deliveries go on" in terminal("plan").stderr


def test_who_refuses_a_version_is_told(terminal: Terminal, store: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change, "PATIENCE", 0.5)
    terminal("apply", "--yes")
    old = Follower("w1", "work", time_of(store), 1, "h", newest=2, refused="connectors/web-bugs.yaml:6: colour")
    Published(store).announce(old)
    terminal.write("connectors/web-bugs.yaml", CONNECTOR + "concurrency: 9\n")
    done = terminal("apply", "--yes", code=1)
    assert "version 2 (" in done.stdout
    assert "0 of 1 processes follow it" in done.stdout
    assert "work w1 works with version 1 and refuses 2: connectors/web-bugs.yaml:6: colour" in done.stderr
    assert "refuses 2" in terminal("plan").stderr
    assert "refuses 2" in terminal("status").stderr
    assert "colour" in terminal("versions").stdout


def test_status_tells_which_version_is_in_force(terminal: Terminal, store: Redis) -> None:
    terminal("apply", "--yes")
    assert "version 1 (" in terminal("status").stdout
    followed = Followed(Published(store))
    followed.role = "work"
    followed.source().follow()
    followed.tell(followed.read())
    assert "1 of 1 processes follow it" in terminal("status").stdout


def test_what_is_in_force_is_shown_as_it_was_published(terminal: Terminal) -> None:
    terminal("apply", "--yes")
    terminal.write("connectors/web-bugs.yaml", CONNECTOR + "concurrency: 9\n")
    assert "concurrency" not in terminal.json("show", "web-bugs")


def test_files_that_are_followed_are_compared_with_while_nothing_is_published(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.set(CONNECTOR_CONFIG_SOURCE="folder")
    assert "processes follow these files themselves" in terminal("plan").stdout
    (tmp_path / "next" / "connectors").mkdir(parents=True)
    (tmp_path / "next" / "connections.yaml").write_text(CONNECTIONS)
    (tmp_path / "next" / "connectors" / "a.yaml").write_text(CONNECTOR + "concurrency: 9\n")
    assert "concurrency: 9 (new)" in terminal("plan", "next").stdout
    assert "they need CONNECTOR_CONFIG_SOURCE=store" in terminal("apply", "next", "--yes").stdout
