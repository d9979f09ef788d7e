"""A real terminal: menus that are moved through with keys, credentials that do not show, Ctrl-C that leaves nothing."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.commanding import VARIABLES
from tests.workers.neighbourhood import Neighbourhood, neighbourhood

pexpect = pytest.importorskip("pexpect", reason="it plays the person at the terminal")
if not hasattr(pexpect, "spawn"):
    pytest.skip("there are no pseudo-terminals here", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[3]
DOWN, ENTER, CTRL_C = "\x1b[B", "\r", "\x03"


@pytest.fixture(scope="module")
def around() -> Iterator[Neighbourhood]:
    with neighbourhood() as found:
        found.issue("Broken", "bug")
        yield found


class Person:
    """Somebody at a terminal, who waits for a question before answering."""

    def __init__(self, home: Path, *arguments: str, term: str = "xterm") -> None:
        environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        # A terminal would answer where its cursor is; this one has nobody to do that.
        environment |= {"TERM": term, "PYTHONPATH": str(ROOT), "PROMPT_TOOLKIT_NO_CPR": "1", "COLUMNS": "200"}
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "workers.cli", "init", *arguments],
            cwd=str(home),
            env=environment,
            dimensions=(50, 200),
            encoding="utf-8",
            timeout=20,
        )
        self.seen = ""

    def asked(self, question: str) -> None:
        self.child.expect_exact(question)
        self.seen += self.child.before + self.child.after

    def answers(self, question: str, keys: str) -> None:
        self.asked(question)
        self.child.send(keys)

    def ends(self) -> int:
        self.child.expect(pexpect.EOF)
        self.seen += self.child.before
        self.child.close()
        return int(self.child.exitstatus)


def files(home: Path) -> set[str]:
    return {str(one.relative_to(home)) for one in home.rglob("*") if one.is_file()}


def test_a_person_gets_to_a_connector_with_arrows_and_typing(tmp_path: Path, around: Neighbourhood) -> None:
    person = Person(tmp_path)
    person.answers("What do you want to connect", ENTER)  # the first is marked
    person.answers("Which one", DOWN + ENTER)
    person.answers("url:", around.url("github") + ENTER)
    person.answers("auth.token:", "ghp_bot" + ENTER)
    person.answers("webhook.secret:", ENTER)
    person.answers("May github reach it", ENTER)
    person.asked("is acme-bot")
    person.answers("Which one", ENTER)
    person.answers("url:", around.url("jira") + ENTER)
    person.answers("auth.email:", "bot@example.com" + ENTER)
    person.answers("auth.token:", "jira-bot-token" + ENTER)
    person.answers("webhook.secret:", ENTER)
    person.answers("May jira reach it", ENTER)
    person.answers("repositories:", "web" + " " + ENTER)  # typing narrows the list, space marks
    person.answers("project:", "WEB" + ENTER)
    person.answers("type:", ENTER)
    person.answers("Name of the connector", ENTER)
    person.asked("Broken")
    person.answers("Write these files", ENTER)
    assert person.ends() == 0
    assert files(tmp_path) == {".env", ".gitignore", "connections/main.yaml", "connectors/github-to-jira.yaml"}
    assert (tmp_path / ".env").read_text() == "GITHUB_TOKEN=ghp_bot\nJIRA_TOKEN=jira-bot-token\n"
    written = (tmp_path / "connectors/github-to-jira.yaml").read_text()
    assert "- acme/web" in written
    assert "project: WEB" in written
    for secret in ("ghp_bot", "jira-bot-token"):
        assert secret not in person.seen


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_ctrl_c_at_a_question_leaves_nothing_and_says_so(tmp_path: Path, around: Neighbourhood, term: str) -> None:
    person = Person(tmp_path, "--template", "github-to-jira", term=term)
    person.answers("Which one", (DOWN + ENTER) if term == "xterm" else "2\n")
    person.answers("url", around.url("github") + ENTER)
    person.answers("auth.token", "ghp_bot" + (ENTER if term == "xterm" else "\n"))
    person.answers("webhook.secret", CTRL_C)
    assert person.ends() == 1
    assert "nothing was written" in person.seen
    assert "Traceback" not in person.seen
    assert files(tmp_path) == set()


def test_a_terminal_without_menus_is_asked_line_by_line_and_shows_no_credential(
    tmp_path: Path, around: Neighbourhood
) -> None:
    person = Person(
        tmp_path, "--template", "github-to-jira", "--set", f"github.url={around.url('github')}", term="dumb"
    )
    person.answers("auth.token", "ghp_bot\n")
    person.answers("webhook.secret", "\n")
    person.answers("May github reach it", "\n")
    person.asked("is acme-bot")
    person.answers("number or name", CTRL_C)
    assert person.ends() == 1
    assert "ghp_bot" not in person.seen
    assert not re.search("\x1b\\[[0-9;]*[A-HJKf]", person.seen), "a dumb terminal moves no cursor"
