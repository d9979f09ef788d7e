"""The pipelines that we show do what they say: their commands run over a base and a change of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from redis import Redis

from tests.workers.commanding import CONNECTIONS, CONNECTOR, Terminal
from workers.stores.published import Published

CI: Final = Path(__file__).resolve().parents[2] / "deploy" / "ci"
FILES: Final = ("github-actions.yml", "gitlab-ci.yml")


def scripts(found: Any) -> Iterator[str]:
    """Yield every piece of shell in a pipeline."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key == "run":
                yield value
            elif key == "script":
                yield from value
            else:
                yield from scripts(value)
    elif isinstance(found, list):
        for one in found:
            yield from scripts(one)


def commands(name: str) -> list[list[str]]:
    """Return the words of each of our commands in a pipeline, in order."""
    pipeline = yaml.safe_load((CI / name).read_text(encoding="utf-8"))
    text = "\n".join(scripts(pipeline)).replace("\\\n", " ")
    return [shlex.split(one) for one in re.findall(r"\bconnector (?:check|plan|apply)[^>\n]*", text)]


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Return a shell in a checkout whose base lies below it, and at other places under the names of the pipelines."""
    made = Terminal(tmp_path, monkeypatch)
    made.write("base/connections/main.yaml", CONNECTIONS)
    made.write("base/connectors/web-bugs.yaml", CONNECTOR)
    made.write("connections/main.yaml", CONNECTIONS)
    made.write("connectors/web-bugs.yaml", CONNECTOR + "concurrency: 9\n")
    return made


def at(terminal: Terminal, words: list[str]) -> list[str]:
    """Return a command as it is run here: what containers mount is in the shell's folder."""
    here = {"/config": str(terminal.home), "/base": str(terminal.home / "base")}
    return [here.get(word, word) for word in words[1:]]


@pytest.mark.parametrize("name", FILES)
def test_each_pipeline_checks_plans_and_applies(name: str) -> None:
    found = [words[1] for words in commands(name)]
    assert found[0] == "check"
    assert found[-1] == "apply"
    assert "plan" in found


@pytest.mark.parametrize("name", FILES)
def test_what_a_request_runs_needs_no_servers_and_no_credentials(name: str, terminal: Terminal) -> None:
    told = [terminal(*at(terminal, words)).stdout for words in commands(name) if words[1] != "apply"]
    assert told[-1].startswith("### Connector plan")
    assert "concurrency: 9 (new)" in told[-1]


@pytest.mark.parametrize("name", FILES)
def test_what_the_main_branch_runs_applies_without_asking(name: str, terminal: Terminal, valkey_url: str) -> None:
    terminal.set(STORE_URL=valkey_url, BROKER_URL="redis://127.0.0.1:1/0")
    (words,) = [words for words in commands(name) if words[1] == "apply"]
    terminal(*at(terminal, words))
    with Redis.from_url(valkey_url) as store:
        held = Published(store).held()
    assert held is not None
    assert held.message


@pytest.mark.parametrize("name", FILES)
def test_no_pipeline_holds_a_credential(name: str) -> None:
    text = (CI / name).read_text(encoding="utf-8")
    assert re.findall(r"(?:BROKER|STORE)_URL: (?!\$\{\{ secrets\.)\S+", text) == []
    assert "redis://" not in text
