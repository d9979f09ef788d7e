"""Run the command line in this process, in a folder and an environment of its own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from workers.cli import main
from workers.process import offline_process, this_process

CONNECTIONS = """\
version: 1
instance: test
connections:
  jira:
    system: jira
    url: https://acme.atlassian.net
    auth: {email: bot@acme.example, token: env:JIRA_TOKEN}
  github:
    system: github
    auth: {token: env:GITHUB_TOKEN}
    webhook: {secret: env:GITHUB_SECRET}
"""
CONNECTOR = """\
version: 1
name: web-bugs
template: github-to-jira
from: {repositories: [acme/web]}
to: {project: WEB}
"""

VARIABLES = (
    *(
        "BROKER_URL",
        "STORE_URL",
        "CONNECTOR_HOME",
        "CONNECTOR_CONFIG",
        "CONNECTOR_CONFIG_SOURCE",
        "SENTRY_DSN",
        "FLOWER_BASIC_AUTH",
    ),
    *("FLOWER_AUTH", "FLOWER_UNAUTHENTICATED_API", "HEALTH_PORT", "RECEIVER_PORT", "LOG_LEVEL"),
    *("JIRA_TOKEN", "GITHUB_TOKEN", "GITHUB_SECRET"),
)


class Terminal:
    """A shell in a folder; every command must end with a sentence, never with a traceback."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._monkeypatch = monkeypatch
        for name in VARIABLES:
            monkeypatch.setenv(name, "")  # remembered, so that what a command sets is undone too
            monkeypatch.delenv(name)
        monkeypatch.chdir(home)

    def set(self, **variables: str) -> None:
        """Set environment variables."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def configure(self, connector: str = CONNECTOR) -> None:
        """Write a configuration."""
        self.write("connections/all.yaml", CONNECTIONS)
        self.write("connectors/web.yaml", connector)

    def __call__(self, *command: str | Path, code: int = 0, answers: str | None = None) -> Result:
        """Run a command, with lines of ``answers`` for what it asks; returns its result."""
        this_process.cache_clear()
        offline_process.cache_clear()
        # It holds the process that first needed it: whoever comes after would work with another test's servers.
        sys.modules.pop("workers.app", None)
        before = dict(os.environ)
        try:
            result = CliRunner().invoke(main, [str(one) for one in command], input=answers, prog_name="connector")
        finally:
            # --home and check PATH speak to what comes after them in the same process by the environment.
            for name in set(os.environ) - set(before):
                del os.environ[name]
            os.environ.update(before)
            # It is made of the servers of this command, and the next one may be told of none.
            sys.modules.pop("workers.app", None)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, f"{command}: {result.exit_code}\n{result.stdout}\n{result.stderr}"
        assert "Traceback" not in result.stderr
        return result

    def json(self, *command: str | Path, code: int = 0) -> Any:
        """Run a command with --json; returns the document."""
        return json.loads(self(*command, "--json", code=code).stdout)
