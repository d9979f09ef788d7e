"""The clock's ticks survive servers that are away: nothing is reported as a bug, the next tick comes anyway."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workers.demo.stage import free_port

CONNECTIONS = """\
version: 1
instance: ticks
connections:
  github: {system: github, auth: {token: env:TOKEN}, webhook: {secret: env:TOKEN}}
  jira: {system: jira, url: https://acme.example, auth: {email: bot@acme.example, token: env:TOKEN}}
"""
CONNECTOR = (
    "version: 1\nname: web\ntemplate: github-to-jira\nfrom: {repositories: [acme/web]}\nto: {project: WEB}\n"
    'owner: {alert: "https://hooks.example/x"}\n'
)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("app.tick", "no poll is sent, the next tick will"),
        ("app.alert", "no owner is told, the next look will"),
        ("app.trim", "nothing is trimmed, the next round will"),
        ("app.drift.watch", "nothing is examined, the next round will"),
        ("app.tending.webhooks", "no webhook is looked after, the next look will"),
    ],
)
def test_a_tick_without_a_store_is_no_bug(tmp_path: Path, task: str, said: str) -> None:
    for name, text in (("connections", CONNECTIONS), ("connectors", CONNECTOR)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "all.yaml").write_text(text)
    servers = {name: f"redis://127.0.0.1:{free_port()}/0" for name in ("BROKER_URL", "STORE_URL")}
    script = f"import workers.app as app; app.start_logs(app.process.settings); {task}()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            **servers,
            "CONNECTOR_HOME": str(tmp_path),
            "TOKEN": "x",
            "PUBLIC_URL": "https://jc.example",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stderr
