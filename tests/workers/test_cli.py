"""Every command says what it does, and what is wrong in a sentence with the right exit code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from connector.config import Config, Owner
from tests.workers.commanding import CONNECTIONS, CONNECTOR, Terminal
from tests.workers.office import bugs
from workers.cli import main
from workers.cli.run import _serving, cannot_listen
from workers.files import ready_made


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, monkeypatch)


def commands(group: click.Group = main, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield every command there is, with those below it."""
    for name, command in sorted(group.commands.items()):
        yield (*above, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*above, name))


ALL = list(commands())
NEED_SERVERS = [
    ("work",),
    ("receive",),
    ("schedule",),
    ("flower",),
    ("deliveries",),
    ("audit",),
    ("doctor",),
    ("rebuild",),
    ("plan",),
    ("apply", "--yes"),
    ("versions",),
    ("rollback", "--yes"),
    ("dead", "list"),
    ("dead", "show", "abc"),
    ("dead", "replay", "--all"),
    ("dead", "discard", "abc", "--reason", "why"),
    ("dead", "bury", "web-bugs", "--gate", "cause:1", "--reason", "why"),
    ("pause", "web-bugs"),
    ("resume", "web-bugs"),
    ("shadow", "report", "web-bugs"),
    ("promote", "web-bugs"),
    ("mapping", "history", "web-bugs"),
    ("sync", "web-bugs", "--since", "2026-01-01"),
]


# --- help ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_every_command_explains_itself_and_each_of_its_options(command: tuple[str, ...], terminal: Terminal) -> None:
    said = terminal(*command, "--help").stdout
    assert said.startswith("Usage: connector " + " ".join(command))
    found: click.Command = main
    for name in command:
        assert isinstance(found, click.Group)
        found = found.commands[name]
    assert found.help
    for option in found.params:
        if isinstance(option, click.Option):
            assert option.help, option.name


def test_the_commands_that_the_product_promises_are_there() -> None:
    promised = "init check up receive work schedule flower preview events sync deliveries audit doctor demo"
    assert {(name,) for name in promised.split()} <= set(ALL)
    assert {("dead", name) for name in ("list", "show", "replay", "discard")} <= set(ALL)


def test_exit_codes_are_documented() -> None:
    from workers import cli

    assert cli.__doc__
    for code in ("0 done", "1 it failed", "2 bad usage", "3 broker or store"):
        assert code in " ".join(cli.__doc__.split())


# --- what is wrong with the command ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("dead", "nonsense"), "No such command 'nonsense'"),
        (("--home", "nowhere", "check"), "nowhere is no folder"),
        (("up", "--workers", "0"), "0 is not in the range"),
        (("receive", "--port", "99999"), "99999 is not in the range"),
        (("work", "--threads", "many"), "'many' is not a valid integer"),
        (("dead", "replay"), "say which"),
        (("dead", "discard", "--reason", "x"), "say which"),
        (("dead", "discard", "abc", "--reason", " "), "the reason must not be empty"),
        (("dead", "discard", "abc"), "--reason"),
        (("sync", "web-bugs"), "either --since DATE or --jql QUERY"),
        (("sync", "web-bugs", "--since", "2026-01-01", "--jql", "x"), "either --since DATE or --jql QUERY"),
        (("sync", "web-bugs", "--since", "yesterday"), "'yesterday' is no date"),
        (("init", "--template", "nonsense"), "there is no template 'nonsense'"),
        (("show", "web-bug"), "did you mean 'web-bugs'?"),
        (("preview", "zzz", "acme/web#1"), "there are: web-bugs"),
        (("preview", "web-bugs", "missing.json"), "there is no file missing.json"),
        (("check", "nowhere"), "there is no nowhere"),
        (("shadow", "report", "web-bugs", "--since", "yesterday"), "must be a time span"),
        (("shadow", "report", "web-bugs", "--since", "90d"), "must lie between 1m and 14d"),
        (("shadow", "report", "web-bugs", "--markdown", "--json"), "either --markdown or --json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_named_and_ends_with_2(command: tuple[str, ...], says: str, terminal: Terminal) -> None:
    terminal.configure()
    assert says in terminal(*command, code=2).stderr


# --- without servers -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", NEED_SERVERS, ids=" ".join)
def test_without_servers_a_command_says_how_to_start_them_and_ends_with_3(
    command: tuple[str, ...], terminal: Terminal
) -> None:
    terminal.configure()
    said = terminal(*command, code=3).stderr
    assert "connector up" in said
    assert str(terminal.home) in said
    assert said.count("\n") == 1


def test_a_folder_without_a_configuration_says_what_belongs_there(terminal: Terminal) -> None:
    said = terminal("check", code=2).stderr
    assert "connections/*.yaml and connectors/*.yaml" in said
    assert "connector init" in said
    terminal("up", code=2)


def test_a_configuration_folder_that_is_not_there_is_named(terminal: Terminal) -> None:
    terminal.set(CONNECTOR_CONFIG="elsewhere")
    assert "there is no such folder" in terminal("check", code=2).stderr


def test_a_variable_that_cannot_be_is_named_before_anything_else(terminal: Terminal) -> None:
    terminal.configure()
    terminal.set(RECEIVER_PORT="many", LOG_LEVEL="LOUD", BROKER_URL="redis://127.0.0.1:1", SENTRY_DSN="nonsense")
    said = terminal("up", code=2).stderr
    for name in ("RECEIVER_PORT", "LOG_LEVEL", "STORE_URL", "SENTRY_DSN"):
        assert name in said
    assert "4 problem(s)" in said


def test_a_connector_is_shown_with_its_table_of_people(terminal: Terminal) -> None:
    terminal.configure(CONNECTOR + "mapping:\n  Assignee: {from: assignee, people: staff.csv}\n")
    terminal.write("connectors/staff.csv", "from,to\nann,5b10\n")
    assert yaml.safe_load(terminal("show", "web-bugs").stdout)["mapping"]["Assignee"]["people"] == {"ann": "5b10"}
    assert terminal.json("show", "web-bugs")["mapping"]["Assignee"]["people"] == {"ann": "5b10"}


# --- check ----------------------------------------------------------------------------------------------------
def test_check_prints_every_problem_with_file_line_and_path(terminal: Terminal) -> None:
    terminal.write("connections/all.yaml", CONNECTIONS.replace("auth: {token: env:GITHUB_TOKEN}", "auth: {tokn: x}"))
    terminal.write("connectors/one.yaml", CONNECTOR.replace("project: WEB", "project: web site"))
    terminal.write("connectors/two.yaml", "version: 1\nname: two\nname: again\n")
    terminal.write("connectors/three.yaml", "version: [1\n")
    terminal.write("connectors/four.yaml", CONNECTOR.replace("web-bugs", "four").replace("acme/web", "") + "spd: 1\n")
    said = terminal("check", code=2).stderr
    for place in ("connections/all.yaml:10", "connectors/one.yaml:5", "connectors/two.yaml:3", "connectors/three.yaml"):
        assert place in said
    assert re.search(r"connectors/four\.yaml:\d+: spd", said)
    document = terminal.json("check", code=2)
    assert len(document["problems"]) >= 5
    for problem in document["problems"]:
        assert set(problem) == {"file", "line", "path", "message"}
        assert problem["message"]
    told = re.search(r"(\d+) problem\(s\)", said)
    assert told
    assert int(told[1]) == len(document["problems"])


@pytest.mark.parametrize(
    "content",
    [
        b"version: 1\nname: \xff\xfe\n",
        b"\x00\x01\x02",
        b"a: &a [x]\nb: [*a, *a, *a]\nc: !!python/object/apply:os.system [id]\n",
        b"- just\n- a list\n",
        b"just a word\n",
        b"{" * 5000,
        b"version: 1\nname: x\ntemplate: nonsense\n",
        b"version: 99\nname: x\n",
        b"version: 1\nname: ${HOME}\n",
        b"x" * 3_000_000,
    ],
    ids=lambda content: repr(content[:20]),
)
def test_a_file_that_cannot_be_is_refused_with_its_name(content: bytes, terminal: Terminal) -> None:
    terminal.configure()
    terminal.write("connectors/bad.yaml", content)
    assert "connectors/bad.yaml" in terminal("check", code=2).stderr


def test_a_file_that_cannot_be_read_is_named(terminal: Terminal) -> None:
    terminal.configure()
    (terminal.home / "connectors" / "gone.yaml").symlink_to(terminal.home / "nowhere.yaml")
    assert re.search(r"connectors/gone\.yaml.*cannot be read", terminal("check", code=2).stderr)


def test_a_sound_configuration_passes_and_says_what_polling_cannot_see(terminal: Terminal) -> None:
    terminal.configure(
        CONNECTOR.replace("github-to-jira", "jira-to-github-status")
        .replace("project", "repository")
        .replace("{repositories: [acme/web]}", "{project: WEB}")
        .replace("repository: WEB", "repository: acme/web")
    )
    result = terminal("check")
    assert "1 connector(s) over 2 connection(s)" in result.stdout
    assert "connection jira has no webhook and is only polled" in result.stdout
    assert terminal.json("check")["problems"] == []


def test_one_file_can_be_checked_by_itself(terminal: Terminal) -> None:
    terminal.configure()
    bad = terminal.write("connectors/bad.yaml", "version: 1\nnme: x\n")
    assert "bad.yaml" in terminal("check", bad, code=2).stderr


def test_check_live_names_a_credential_that_is_not_there(terminal: Terminal) -> None:
    terminal.configure()
    said = terminal("check", "--live", code=1).stdout
    assert "problem  connection github: Unauthorized: the environment variable GITHUB_TOKEN is not set" in said
    assert "problem  connection jira: Unauthorized: the environment variable JIRA_TOKEN is not set" in said


# --- others ------------------------------------------------------------------------------------------------------
def test_init_writes_what_check_accepts_and_overwrites_nothing(terminal: Terminal) -> None:
    for name in sorted(ready_made()):
        folder = terminal.home / name
        said = terminal("init", "--template", name, folder).stdout
        assert "wrote" in said
        assert "1 connector(s)" in terminal("--home", folder, "check").stdout
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert "kept" in terminal("init", "--template", name, folder).stdout
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_init_into_a_place_that_cannot_be_written_is_said(terminal: Terminal) -> None:
    terminal.write("file", "not a folder")
    said = terminal("init", terminal.home / "file" / "below", code=1).stderr
    assert said.startswith("connector: ")
    assert said.count("\n") == 1


def test_show_prints_the_connector_with_its_template(terminal: Terminal) -> None:
    terminal.configure()
    document = terminal.json("show", "web-bugs")
    assert document["to"]["project"] == "WEB"
    assert document["mapping"]["Summary"] == "title"
    assert "Summary: title" in terminal("show", "web-bugs").stdout


def test_a_preview_that_cannot_ask_says_why(terminal: Terminal) -> None:
    terminal.configure()
    assert "GITHUB_TOKEN is not set" in terminal("preview", "web-bugs", "acme/web#1", code=1).stderr


def test_the_audit_file_is_read_past_a_torn_line(terminal: Terminal) -> None:
    terminal.configure()
    terminal.write(
        ".connector/audit.jsonl", '{"at": "1", "action": "create", "connector": "web-bugs"}\n{"at": "2", "ac'
    )
    result = terminal("audit", "--file", "--json")
    assert result.stdout.strip() == '[{"at": "1", "action": "create", "connector": "web-bugs"}]'
    assert "audit.jsonl:2 is no row" in result.stderr
    assert terminal.json("audit", "other", "--file") == []


def test_sandboxes_that_cannot_be_served_say_why(terminal: Terminal) -> None:
    import socket

    assert "no address like" in terminal("sandbox", "--webhooks", "nonsense", code=2).stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "is in use" in terminal("sandbox", "--port", port, code=1).stderr


def test_a_port_that_others_hold_is_known_before() -> None:
    import socket

    with socket.socket() as peer:
        peer.bind(("127.0.0.1", 0))
        port = peer.getsockname()[1]
        assert cannot_listen("127.0.0.1", port) == f"port {port} on 127.0.0.1 is in use by another program"
    assert cannot_listen("127.0.0.1", port) == ""
    assert "cannot listen on 192.0.2.1" in cannot_listen("192.0.2.1", port)
    assert "cannot listen on no.such.host.invalid" in cannot_listen("no.such.host.invalid", port)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--connectors", "web-bug"), "no such connector: web-bug; there are: web-bugs"),
        (("--team", "pay,web"), "no such team with connectors: pay; there are: web"),
    ],
)
def test_a_worker_for_nobody_does_not_start(
    options: tuple[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Config("test", {}, {"web-bugs": bugs(name="web-bugs", owner=Owner("web"))}, hash="h")
    given = {"--connectors": "", "--team": "", options[0]: options[1]}
    with pytest.raises(SystemExit) as ended:
        _serving(config, given["--connectors"], given["--team"])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
