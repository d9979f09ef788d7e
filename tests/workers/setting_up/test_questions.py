"""``connector init`` asks, tries what it is told, and writes everything at the end, over nothing."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.workers.commanding import Terminal
from tests.workers.neighbourhood import Neighbourhood, neighbourhood
from tests.workers.peers import Peer, certificates


@pytest.fixture(scope="module", params=["cloud", "data-center"])
def around(request: pytest.FixtureRequest) -> Iterator[Neighbourhood]:
    with neighbourhood(request.param) as found:
        found.issue("Broken", "bug", "p0")
        found.issue("Nobody wants this one")
        yield found


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, monkeypatch)


def github(around: Neighbourhood, token: str = "ghp_bot") -> list[str]:  # noqa: S107 - of a sandbox
    return ["Enterprise", around.url("github"), token, "", "y"]


def jira(around: Neighbourhood) -> list[str]:
    if around.context:
        return ["personal access", around.url("jira"), "jira-bot-token", "", "y"]
    return ["Jira Cloud", around.url("jira"), "bot@example.com", "jira-bot-token", "", "y"]


PLACES = ["acme/web", "WEB", "Bug", ""]


def lines(*answers: str) -> str:
    return "".join(f"{one}\n" for one in answers)


def first_run(around: Neighbourhood) -> str:
    return lines("github-to-jira", *github(around), *jira(around), *PLACES, "y")


def files(home: Path) -> dict[str, bytes]:
    return {str(one.relative_to(home)): one.read_bytes() for one in sorted(home.rglob("*")) if one.is_file()}


# --- the first one -------------------------------------------------------------------------------------------
def test_what_it_writes_works_at_once_and_nothing_was_sent(terminal: Terminal, around: Neighbourhood) -> None:
    before = around.effects()
    said = terminal("init", "--ask", answers=first_run(around)).stdout
    assert "is acme-bot" in said
    assert "Broken" in said, "the newest item that the connector wants is shown, not the newest"
    assert set(files(terminal.home)) == {
        ".env",
        ".gitignore",
        "connections/main.yaml",
        "connectors/github-to-jira.yaml",
    }
    # Everything from here on finds its credentials in .env.
    assert "1 connector(s) over 2 connection(s)" in terminal("check", "--live").stdout
    found = {
        one["event"]["entity"]: one["verdict"] for one in terminal.json("preview", "github-to-jira", "--last", "5")
    }
    assert found == {"acme/web#1": "create", "acme/web#2": "skip"}
    assert around.effects() == before


def test_credentials_stand_in_the_env_file_alone_and_only_its_owner_may_read_it(
    terminal: Terminal, around: Neighbourhood
) -> None:
    result = terminal("init", "--ask", answers=first_run(around))
    assert stat.S_IMODE((terminal.home / ".env").stat().st_mode) == 0o600
    written = files(terminal.home)
    for secret in ("ghp_bot", "jira-bot-token"):
        assert [name for name, content in written.items() if secret.encode() in content] == [".env"]
        assert secret not in result.stdout + result.stderr
    assert b".env" in written[".gitignore"]


def test_what_the_template_says_is_not_said_again(terminal: Terminal, around: Neighbourhood) -> None:
    terminal("init", "--ask", answers=first_run(around))
    document = yaml.safe_load((terminal.home / "connectors/github-to-jira.yaml").read_text())
    assert document == {
        "version": 1,
        "name": "github-to-jira",
        "template": "github-to-jira",
        "mode": "shadow",
        "from": {"connection": "github", "repositories": ["acme/web"]},
        "to": {"connection": "jira", "project": "WEB"},
    }


# --- one more ------------------------------------------------------------------------------------------------
def test_the_next_run_adds_and_changes_nothing_that_is_there(terminal: Terminal, around: Neighbourhood) -> None:
    terminal("init", "--ask", answers=first_run(around))
    before = files(terminal.home)
    said = terminal(
        *("init", "--ask", "--template", "jira-to-slack", "--set", f"slack.url={around.url('slack')}"),
        answers=lines("jira", "xoxb-sandbox", "", "y", "WEB", "general", "", "y"),
    ).stdout
    after = files(terminal.home)
    assert {name: after[name] for name in before if name != ".env"} == {
        name: content for name, content in before.items() if name != ".env"
    }
    assert set(after) - set(before) == {"connections/slack.yaml", "connectors/jira-to-slack.yaml"}
    assert after[".env"] == before[".env"] + b"SLACK_TOKEN=xoxb-sandbox\n"
    assert "a new connection" in said
    assert "2 connector(s) over 3 connection(s)" in terminal("check", "--live").stdout


def test_a_second_of_the_same_kind_gets_names_of_its_own(terminal: Terminal, around: Neighbourhood) -> None:
    terminal("init", "--ask", answers=first_run(around))
    again = lines("github-to-jira", "a new connection", "github-eu", *github(around), "jira", *PLACES, "y")
    terminal("init", "--ask", answers=again)
    assert (terminal.home / "connectors/github-to-jira-2.yaml").exists()
    assert "GITHUB_EU_TOKEN=ghp_bot\n" in (terminal.home / ".env").read_text()
    assert "token: env:GITHUB_EU_TOKEN" in (terminal.home / "connections/github-eu.yaml").read_text()
    assert "2 connector(s) over 3 connection(s)" in terminal("check", "--live").stdout


# --- mistakes ------------------------------------------------------------------------------------------------
def test_a_wrong_credential_is_told_and_entered_again_with_the_rest_kept(
    terminal: Terminal, around: Neighbourhood
) -> None:
    again = ["Enterprise", "", "ghp_bot", ""]
    answers = lines("github-to-jira", *github(around, "ghp_wrong"), "again", *again, "y", *jira(around), *PLACES, "y")
    said = terminal("init", "--ask", answers=answers).stdout
    assert "Unauthorized" in said
    assert f"[{around.url('github')}]" in said
    assert "GITHUB_TOKEN=ghp_bot\n" in (terminal.home / ".env").read_text()


def test_an_answer_that_makes_no_sense_is_refused_where_it_is_given(terminal: Terminal, around: Neighbourhood) -> None:
    wrong = ["Enterprise", "ftp://nowhere", around.url("github"), "", "ghp_bot", "", "y"]
    said = terminal("init", "--ask", answers=lines("nonsense", "github-to-jira", *wrong), code=1).stdout
    assert "nothing here is called 'nonsense'" in said
    assert "must be an http(s) URL" in said
    assert "is needed" in said


@pytest.mark.parametrize("far", range(0, 17, 2))
def test_who_stops_half_way_leaves_nothing_behind(terminal: Terminal, around: Neighbourhood, far: int) -> None:
    answers = first_run(around).splitlines()
    result = terminal("init", "--ask", answers=lines(*answers[: min(far, len(answers) - 1)]), code=1)
    assert "nothing was written" in result.stderr
    assert files(terminal.home) == {}


def test_who_does_not_agree_to_the_files_gets_none(terminal: Terminal, around: Neighbourhood) -> None:
    answers = lines(*first_run(around).splitlines()[:-1], "n")
    assert "nothing was written" in terminal("init", "--ask", answers=answers, code=1).stderr
    assert files(terminal.home) == {}


def test_a_credential_of_the_environment_is_used_and_not_written_down(
    terminal: Terminal, around: Neighbourhood
) -> None:
    terminal.set(GITHUB_TOKEN="ghp_bot")
    hub = ["Enterprise", around.url("github"), "", "y"]
    said = terminal("init", "--ask", answers=lines("github-to-jira", *hub, *jira(around), *PLACES, "y")).stdout
    assert "taken from the environment variable GITHUB_TOKEN" in said
    assert "GITHUB_TOKEN" not in (terminal.home / ".env").read_text()


def test_a_credential_of_the_environment_that_does_not_do_can_be_replaced(
    terminal: Terminal, around: Neighbourhood
) -> None:
    terminal.set(GITHUB_TOKEN="ghp_wrong")
    hub = ["Enterprise", around.url("github"), "", "y", "again", "Enterprise", "", "ghp_bot", "", "y"]
    terminal("init", "--ask", answers=lines("github-to-jira", *hub, *jira(around), *PLACES, "y"))
    assert "GITHUB_TOKEN_2=ghp_bot\n" in (terminal.home / ".env").read_text()
    assert "1 connector(s)" in terminal("check", "--live").stdout


def test_a_private_authority_can_be_named(terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = certificates(tmp_path_factory.mktemp("authority"))
    me = json.dumps({"id": 1, "login": "acme-bot"}).encode()
    said = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(me), me)
    nonsense = str(terminal.write("nonsense.pem", "no certificate"))
    with Peer(said, tls=authority.server()) as peer:
        hub = ["Enterprise", peer.url, "ghp_bot", "", "y", "/nowhere.pem", nonsense, authority.ca_file]
        out = terminal("init", "--ask", answers=lines("github-to-jira", *hub), code=1).stdout
    assert "name the authority" in out
    assert "/nowhere.pem holds no certificates: No such file" in out
    assert f"{nonsense} holds no certificates" in out
    assert "is acme-bot (1)" in out


def test_a_folder_that_is_wrong_already_is_mended_first(terminal: Terminal) -> None:
    terminal.write("connections/a.yaml", "version: 2\n")
    assert "connections/a.yaml" in terminal("init", "--ask", code=2).stderr


def test_a_file_that_folders_would_hide_is_named(terminal: Terminal) -> None:
    terminal.configure()
    terminal.write("mine.yaml", (terminal.home / "connections/all.yaml").read_text())
    for folder in ("connections", "connectors"):
        for path in (terminal.home / folder).iterdir():
            path.unlink()
        (terminal.home / folder).rmdir()
    terminal.write("values.yaml", "replicas: 2\n")
    said = terminal("init", "--ask", code=2).stderr
    assert "mine.yaml: would no longer be read" in said
    assert "values.yaml" not in said


def test_an_env_file_that_others_may_read_is_refused_before_anything_is_asked(terminal: Terminal) -> None:
    terminal.write(".env", "A=b\n").chmod(0o644)
    result = terminal("init", "--ask", code=2)
    assert "chmod 600" in result.stderr
    assert "What do you want" not in result.stdout
