"""A credential is told apart by what it may do: too little, enough, more than it should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workers.commanding import Terminal
from tests.workers.neighbourhood import TOKENS, Neighbourhood, neighbourhood

FILES = """\
version: 1
instance: test
connections:
  jira:
    system: jira
    url: {jira}
    auth: {{email: bot@example.com, token: env:JIRA_TOKEN}}
    http: {{private_addresses: [127.0.0.0/8]}}
  slack:
    system: slack
    url: {slack}
    auth: {{token: env:SLACK_TOKEN}}
    http: {{private_addresses: [127.0.0.0/8]}}
connectors:
  - {{name: news, template: jira-to-slack, from: {{project: WEB}}, to: {{channel: "#general"}}}}
"""


@pytest.fixture(scope="module")
def around() -> Iterator[Neighbourhood]:
    with neighbourhood() as found:
        yield found


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, around: Neighbourhood) -> Terminal:
    there = Terminal(tmp_path, monkeypatch)
    there.set(**TOKENS)
    there.write("connector.yaml", FILES.format(jira=around.url("jira"), slack=around.url("slack")))
    return there


def findings(terminal: Terminal, code: int = 0) -> list[Any]:
    return [one for one in terminal.json("check", "--live", code=code)["findings"] if one["what"] == "connection slack"]


def test_what_a_credential_may_do_beyond_need_is_a_warning(terminal: Terminal, around: Neighbourhood) -> None:
    sandbox: Any = around.served.sandboxes["slack"]
    before = set(sandbox.scopes)
    sandbox.scopes |= {"admin.users:write", "files:write"}
    try:
        (told,) = [one["text"] for one in findings(terminal) if one["level"] == "warning"]
    finally:
        sandbox.scopes = before
    assert "admin.users:write" in told
    assert "files:write" in told
    assert not [needed for needed in ("chat:write", "users:read", "channels:history") if needed in told.split(", ")]


def test_what_it_lacks_is_a_problem_that_names_the_scope(terminal: Terminal, around: Neighbourhood) -> None:
    sandbox: Any = around.served.sandboxes["slack"]
    before = set(sandbox.scopes)
    sandbox.scopes.discard("chat:write")
    try:
        (told,) = [one["text"] for one in findings(terminal, code=1) if one["level"] == "problem"]
    finally:
        sandbox.scopes = before
    assert "lacks the scope chat:write" in told
