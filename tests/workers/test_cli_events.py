"""``connector events``: every payload is read, ignored with a reason, or refused in one sentence."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from connector.event import Kind
from connector.systems.github.recorded import implied
from tests.workers.commanding import Terminal

FOLDERS = {
    "github-octokit": "github",
    "jira-mobitel": "jira",
    "jira-pinpoint": "jira",
    "jira-zulip": "jira",
    "slack-java-sdk": "slack",
}
ISSUE: dict[str, Any] = {
    "action": "opened",
    "issue": {
        "id": 11,
        "node_id": "I_11",
        "number": 7,
        "title": "Broken",
        "body": "It is **broken**.",
        "state": "open",
        "html_url": "https://github.com/acme/web/issues/7",
        "user": {"id": 1, "login": "alice", "type": "User"},
        "labels": [],
        "assignees": [],
        "created_at": "2026-11-24T07:00:00Z",
        "updated_at": "2026-11-24T07:00:00Z",
        "comments": 0,
    },
    "repository": {"id": 1, "full_name": "acme/web", "name": "web", "private": False},
    "sender": {"id": 1, "login": "alice", "type": "User"},
}


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, monkeypatch)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_reference_payload_is_read_or_ignored_with_a_reason(
    folder: str, terminal: Terminal, reference_data: Path
) -> None:
    system = FOLDERS[folder]
    read = 0
    for path in sorted((reference_data / "webhooks" / folder).rglob("*.json")):
        header = ("--header", f"X-GitHub-Event: {path.stem}") if system == "github" else ()
        got = terminal.json("events", "--system", system, path, *header)
        assert got["events"] or got["ignored"], path
        for event in got["events"]:
            read += 1
            assert event["id"]
            assert Kind(event["kind"])
            assert event["entity"]["id"]
            assert datetime.fromisoformat(event["at"]).tzinfo is not None
    # Slack's are masked: not even their types are left, so all that can be asked is a reason.
    assert read > 0 or system == "slack"


def test_a_github_body_saved_without_headers_means_the_same(terminal: Terminal, reference_data: Path) -> None:
    for path in sorted((reference_data / "webhooks" / "github-octokit").glob("*.json")):
        told = terminal.json("events", "--system", "github", path, "--header", f"X-GitHub-Event: {path.stem}")
        found = terminal.json("events", "--system", "github", path)
        assert found["events"] == told["events"], path


def test_the_event_of_a_body_is_never_guessed_wrong(reference_data: Path) -> None:
    for path in sorted((reference_data / "webhooks" / "github-octokit").glob("*.json")):
        for body in json.loads(path.read_bytes()):
            assert implied(body).get("x-github-event", path.stem) == path.stem


def test_a_body_that_fits_no_event_exactly_stays_without_one() -> None:
    assert implied(ISSUE) == {"x-github-event": "issues"}
    assert implied({**ISSUE, "something_new": {}}) == {}
    assert implied([ISSUE]) == {}
    assert implied("issues") == {}


def test_a_header_wins_over_what_the_body_looks_like(terminal: Terminal) -> None:
    path = terminal.write("body.json", json.dumps(ISSUE))
    got = terminal.json("events", "--system", "github", path, "--header", "x-github-event: star")
    assert got == {"events": [], "ignored": "no event for 'star'"}


def test_the_shape_of_an_event_for_scripts(terminal: Terminal) -> None:
    path = terminal.write("body.json", json.dumps(ISSUE))
    (event,) = terminal.json("events", "--system", "github", path)["events"]
    assert {"id", "kind", "entity", "at", "sub", "actor", "change", "data", "partial", "marker"} == set(event)
    assert event["entity"] == {
        "type": "issue",
        "id": event["entity"]["id"],
        "key": "acme/web#7",
        "url": "https://github.com/acme/web/issues/7",
        "scope": "acme/web",
    }
    assert event["data"]["title"] == "Broken"


def test_several_bodies_in_one_file_are_all_read(terminal: Terminal) -> None:
    other = {**ISSUE, "issue": {**ISSUE["issue"], "id": 12, "number": 8}}
    path = terminal.write("bodies.json", json.dumps([ISSUE, other, {"zen": "x", "hook_id": 1, "hook": {}}]))
    got = terminal.json("events", "--system", "github", path)
    assert [event["entity"]["key"] for event in got["events"]] == ["acme/web#7", "acme/web#8"]
    assert got["ignored"] == "ping"


def test_a_form_of_github_is_read_with_its_content_type(terminal: Terminal) -> None:
    from urllib.parse import urlencode

    path = terminal.write("form.txt", urlencode({"payload": json.dumps(ISSUE)}))
    headers = ("--header", "Content-Type: application/x-www-form-urlencoded", "--header", "X-GitHub-Event: issues")
    got = terminal.json("events", "--system", "github", path, *headers)
    assert [event["entity"]["key"] for event in got["events"]] == ["acme/web#7"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        (b"hello", "is not JSON"),
        (b'{"a": ', "is not JSON"),
        (b"\xff\xfe\xfa", "is not JSON"),
        (b'{"a": "\xff"}', "is not JSON"),
        (b"\x00", "is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "nested too deeply"),
        (b'{"a": 1, "a": 2}', "two members of one name"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": 1e999}', "more than 64 bits"),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else "",
)
@pytest.mark.parametrize("system", ["github", "jira", "slack"])
def test_what_is_no_payload_is_refused_in_one_sentence(
    system: str, content: bytes, says: str, terminal: Terminal
) -> None:
    path = terminal.write("body.json", content)
    said = terminal("events", "--system", system, path, code=2).stderr
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("content", ["[]", "{}", "null", "7", '"issue"', "[1]", "true"])
@pytest.mark.parametrize("system", ["github", "jira", "slack"])
def test_json_that_is_no_webhook_is_ignored_or_called_unreadable(system: str, content: str, terminal: Terminal) -> None:
    path = terminal.write("body.json", content)
    result = terminal("events", "--system", system, path, "--json", code=0 if content == "{}" else 1)
    got = json.loads(result.stdout)
    assert got["events"] == []
    assert got["ignored"] or got["unreadable"]


def test_one_unreadable_body_does_not_hide_the_others(terminal: Terminal) -> None:
    path = terminal.write("bodies.json", json.dumps([{**ISSUE, "issue": "?"}, ISSUE]))
    got = terminal.json("events", "--system", "github", path, code=1)
    assert len(got["events"]) == 1
    assert "issue" in got["unreadable"]


def test_half_a_character_crashes_nothing(terminal: Terminal) -> None:
    text = json.dumps([{**ISSUE, "issue": {**ISSUE["issue"], "title": "x"}}]).replace('"x"', r'"\ud83d Broken"')
    path = terminal.write("body.json", text)
    assert len(terminal.json("events", "--system", "github", path)["events"]) == 1
    terminal("events", "--system", "github", path)


def test_a_payload_cannot_command_the_terminal(terminal: Terminal) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2Jacme/web"
    body = {**ISSUE, "repository": {**ISSUE["repository"], "full_name": hostile}}
    path = terminal.write("body.json", json.dumps(body))
    result = terminal("events", "--system", "github", path, "--header", "X-GitHub-Event: \x1b[31missues")
    assert "\x1b" not in result.stdout
    # A bidirectional override would show one thing and mean another.
    path = terminal.write("body.json", json.dumps({**body, "action": "\u202egpj.exe"}))
    assert "\u202e" not in terminal("events", "--system", "github", path).stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--system", "githb", "body.json"), "githb"),
        (("--system", "github", "missing.json"), "missing.json"),
        (("--system", "github", "."), "directory"),
        (("body.json",), "--system"),
        (("--system", "github"), "PAYLOAD"),
        (("--system", "github", "--header", "nonsense", "body.json"), "'nonsense' is not NAME:VALUE"),
        (("--system", "github", "--header", ":x", "body.json"), "':x' is not NAME:VALUE"),
    ],
)
def test_a_mistake_in_the_command_is_named(arguments: tuple[str, ...], says: str, terminal: Terminal) -> None:
    terminal.write("body.json", json.dumps(ISSUE))
    assert says in terminal("events", *arguments, code=2).stderr
