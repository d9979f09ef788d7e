"""``connector init --yes`` asks nothing: what is missing is told at once, and nothing is written that would not work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.workers.commanding import Terminal
from tests.workers.neighbourhood import TOKENS, Neighbourhood, neighbourhood
from workers.files import ready_made
from workers.setting_up.given import system_named


@pytest.fixture(scope="module", params=["cloud", "data-center"])
def around(request: pytest.FixtureRequest) -> Iterator[Neighbourhood]:
    with neighbourhood(request.param) as found:
        yield found


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, monkeypatch)


def flags(around: Neighbourhood, **more: str) -> list[str]:
    given = {
        "github.url": around.url("github"),
        "github.http.private_addresses": "127.0.0.0/8",
        "jira.url": around.url("jira"),
        "jira.http.private_addresses": "127.0.0.0/8",
        "from.repositories": "acme/web, acme/api",
        "to.project": "WEB",
        **({"jira.flavour": "data-center"} if around.context else {"jira.auth.email": "bot@example.com"}),
        **{name.replace("__", "."): value for name, value in more.items()},
    }
    return [one for name, value in given.items() for one in ("--set", f"{name}={value}")]


def files(home: Path) -> list[str]:
    return sorted(str(one.relative_to(home)) for one in home.rglob("*") if one.is_file())


def test_everything_comes_from_flags_and_the_environment(terminal: Terminal, around: Neighbourhood) -> None:
    terminal.set(**TOKENS)
    said = terminal("init", "--yes", *flags(around)).stdout
    assert "ok  connection github: is acme-bot" in said
    assert files(terminal.home) == ["connections/main.yaml", "connectors/github-to-jira.yaml"]
    document = yaml.safe_load((terminal.home / "connectors/github-to-jira.yaml").read_text())
    assert document["from"]["repositories"] == ["acme/web", "acme/api"]
    assert "1 connector(s)" in terminal("check", "--live").stdout


@pytest.mark.parametrize("template", sorted(ready_made()))
def test_every_ready_made_connector_can_be_set_up(terminal: Terminal, template: str) -> None:
    ends = yaml.safe_load(ready_made()[template])
    given = []
    for side, part in (("from", "source"), ("to", "target")):
        connection = ends[side]["connection"]
        system = system_named(connection)
        for name, value in system.example[part].items():
            given += ["--set", f"{side}.{name}={','.join(value) if isinstance(value, list) else value}"]
        if system.name == "jira":
            given += ["--set", f"{connection}.url=https://acme.atlassian.net"]
            given += ["--set", f"{connection}.auth.email=bot@acme.example"]
    terminal("init", "--yes", "--no-probe", "--template", template, *given)
    assert "1 connector(s)" in terminal("check").stdout


def test_a_two_way_connector_knows_its_places_from_both_sides(terminal: Terminal, around: Neighbourhood) -> None:
    terminal.set(**TOKENS)
    terminal("init", "--yes", "--template", "github-jira-two-way", *flags(around))
    document = yaml.safe_load((terminal.home / "connectors/github-jira-two-way.yaml").read_text())
    assert document["back"] == {"from": {"project": "WEB"}, "to": {"repository": "acme/web"}}


def test_all_that_is_missing_is_told_at_once(terminal: Terminal) -> None:
    said = terminal("init", "--yes", code=2).stderr
    for name in ("jira.url", "jira.auth.email", "from.repositories", "to.project", "GITHUB_TOKEN", "JIRA_TOKEN"):
        assert name in said
    assert files(terminal.home) == []


def test_what_would_not_work_is_not_written_unless_it_is_wanted(terminal: Terminal, around: Neighbourhood) -> None:
    terminal.set(GITHUB_TOKEN="ghp_wrong", JIRA_TOKEN="jira-bot-token")
    result = terminal("init", "--yes", *flags(around), code=1)
    assert "Unauthorized" in result.stdout
    assert files(terminal.home) == []
    terminal("init", "--yes", "--no-probe", *flags(around))
    assert len(files(terminal.home)) == 2


def test_a_place_that_is_not_there_is_found_before_anything_is_written(
    terminal: Terminal, around: Neighbourhood
) -> None:
    terminal.set(**TOKENS)
    result = terminal("init", "--yes", *flags(around, to__project="NOPE"), code=1)
    assert "NOPE" in result.stdout
    assert files(terminal.home) == []


def test_a_credential_on_the_command_line_is_refused_and_not_repeated(
    terminal: Terminal, around: Neighbourhood
) -> None:
    terminal.set(**TOKENS)
    for pair in ("github.auth.token=ghp_hunter2", "ghp_hunter2", "jira.auth.password=hunter2"):
        said = terminal("init", "--yes", *flags(around), "--set", pair, code=2)
        assert "hunter2" not in said.stdout + said.stderr
    assert files(terminal.home) == []


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--set", "jria.url=https://x.example"), "did you mean 'jira'"),
        (("--set", "jira.ulr=https://x.example"), "did you mean 'url'"),
        (("--set", "jira=x"), "is not WORD.PATH=VALUE"),
        (("--set", "to.project=web"), "must be a project key"),
        (("--name", "Not OK"), "must start with a letter"),
        (("--from", "Not OK"), "must start with a letter"),
        (("--ask",), "contradicts"),
        (("--template", "jira-to-slack", "--template", "github-to-jira"), "one template at a time"),
    ],
)
def test_flags_that_make_no_sense_are_refused(
    terminal: Terminal, around: Neighbourhood, more: tuple[str, ...], told: str
) -> None:
    terminal.set(**TOKENS)
    assert told in terminal("init", "--yes", *flags(around), *more, code=2).stderr
    assert files(terminal.home) == []


def test_answers_without_anybody_to_ask_for_the_rest_are_refused(terminal: Terminal) -> None:
    assert "or --yes" in terminal("init", "--set", "to.project=WEB", code=2).stderr


def test_a_connection_that_is_there_is_used_again(terminal: Terminal, around: Neighbourhood) -> None:
    terminal.set(**TOKENS)
    terminal("init", "--yes", *flags(around))
    slack = ("--set", f"slack.url={around.url('slack')}", "--set", "slack.http.private_addresses=127.0.0.1/32")
    places = ("--set", "from.project=WEB", "--set", "to.channel=#general")
    terminal("init", "--yes", "--template", "jira-to-slack", "--name", "news", *slack, *places)
    assert files(terminal.home)[-2:] == ["connectors/github-to-jira.yaml", "connectors/news.yaml"]
    assert yaml.safe_load((terminal.home / "connections/slack.yaml").read_text())["connections"].keys() == {"slack"}
    said = terminal("init", "--yes", "--template", "jira-to-slack", "--name", "news", *places, code=2).stderr
    assert "there is a connector 'news' already" in said
