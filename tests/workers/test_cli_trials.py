"""``connector test`` runs the cases beside the connectors, and writes one from a recorded payload."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.workers.commanding import Terminal

CASES = """\
version: 1
cases:
  # kept
  - name: A bug is made
    event: {kind: issue.created, data: {title: Broken, state: open, labels: [bug, p1]}}
    expect: {fields: {Summary: Broken, Priority: High}}
"""


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal(tmp_path, monkeypatch)
    made.configure()
    return made


@pytest.fixture
def payload(terminal: Terminal) -> Path:
    """A webhook body of GitHub, as a sandbox sends it."""
    from tests.systems.github.scene import act, scene

    here = scene()
    body = {"title": "Checkout fails", "labels": ["bug", "p0"], "body": "Steps"}
    act(here, "POST", "/repos/acme/web/issues", body)
    (hook, *_) = here.sandbox.hooks(here.clock())
    return terminal.write("recorded/opened.json", hook.body)


def test_cases_pass_offline_and_the_loader_passes_them_over(terminal: Terminal) -> None:
    terminal.write("connectors/web.test.yaml", CASES)
    assert "1 passed, 0 failed" in terminal("test").stdout
    assert terminal.json("check")["connectors"] == ["web-bugs"]


def test_a_failing_case_is_shown_as_a_diff_with_its_place(terminal: Terminal) -> None:
    terminal.write("connectors/web.test.yaml", CASES.replace("High}", "Low}"))
    shown = terminal("test", code=1).stdout
    for part in ("FAIL  web-bugs: A bug is made", "connectors/web.test.yaml:4", "fields.Priority", "- Low", "+ High"):
        assert part in shown
    (found,) = terminal.json("test", code=1)
    assert (found["passed"], found["line"]) == (False, 4)
    assert found["differences"] == [{"what": "fields.Priority", "expected": "Low", "got": "High"}]


def test_a_file_of_cases_that_cannot_be_is_bad_usage(terminal: Terminal) -> None:
    terminal.write("connectors/web.test.yaml", CASES.replace("expect:", "expct:"))
    said = terminal("test", code=2).stderr
    assert "connectors/web.test.yaml:6: cases[0].expct: unknown key; did you mean 'expect'?" in said


def test_a_connector_in_one_file_has_its_cases_beside_it(terminal: Terminal, payload: Path) -> None:
    text = (terminal.home / "connectors/web.yaml").read_text().removeprefix("version: 1\n")
    (terminal.home / "connectors/web.yaml").unlink()
    inside = "".join(f"    {line}\n" for line in text.splitlines())
    terminal.write("connectors.yaml", f"version: 1\nconnectors:\n  -\n{inside}")
    terminal.write("connectors.test.yaml", CASES)
    terminal("test", "--record", "web-bugs", payload)
    assert "2 passed" in terminal("test").stdout


def test_only_the_named_connectors_are_tested(terminal: Terminal) -> None:
    terminal.write("connectors/web.test.yaml", CASES)
    assert "did you mean 'web-bugs'?" in terminal("test", "web-bgus", code=2).stderr
    assert "1 passed" in terminal("test", "web-bugs").stdout


def test_without_a_case_there_is_nothing_to_run(terminal: Terminal) -> None:
    assert "there is no case to run" in terminal("test", code=2).stderr


def test_a_recorded_payload_becomes_a_case_that_passes(terminal: Terminal, payload: Path) -> None:
    terminal.write("connectors/web.test.yaml", CASES)
    terminal("test", "--record", "web-bugs", payload, "--name", "Opened with p0")
    text = (terminal.home / "connectors/web.test.yaml").read_text()
    assert text.startswith(CASES), "what people wrote stays as it is"
    assert "file: ../recorded/opened.json" in text
    assert "Priority: Highest" in text
    assert "2 passed, 0 failed" in terminal("test").stdout
    # From now on a change of the mapping is seen.
    connector = (terminal.home / "connectors/web.yaml").read_text()
    terminal.write("connectors/web.yaml", connector + "mapping: {Summary: {value: x}}\n")
    assert "fields.Summary" in terminal("test", code=1).stdout


def test_a_payload_from_elsewhere_is_copied_beside_the_cases(
    terminal: Terminal, payload: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "opened.json"
    elsewhere.write_bytes(payload.read_bytes())
    terminal("test", "--record", "web-bugs", elsewhere)
    assert (terminal.home / "connectors/payloads/opened.json").read_bytes() == payload.read_bytes()
    assert "1 passed" in terminal("test").stdout
    elsewhere.write_text("{}")
    assert "is another" in terminal("test", "--record", "web-bugs", elsewhere, code=2).stderr


def test_a_payload_that_cannot_be_used_says_why(terminal: Terminal) -> None:
    case = "version: 1\ncases:\n  - {name: a, event: {file: gone.json}, expect: {skip: x}}\n"
    terminal.write("connectors/web.test.yaml", case)
    assert "there is no file gone.json" in terminal("test", code=1).stdout
    terminal.write("connectors/gone.json", "{")
    assert "gone.json is not JSON" in terminal("test", code=1).stdout
    terminal.write("connectors/gone.json", json.dumps({"zen": "x"}))
    assert "the payload holds no event" in terminal("test", code=1).stdout


def test_a_payload_in_place_is_read_too(terminal: Terminal, payload: Path) -> None:
    document = json.loads(payload.read_bytes())
    case = {"name": "a", "event": {"payload": document}, "expect": {"fields": {"Summary": "Checkout fails"}}}
    terminal.write("connectors/web.test.yaml", json.dumps({"version": 1, "cases": [case]}))
    assert "1 passed" in terminal("test").stdout


def test_results_are_written_for_ci_systems(terminal: Terminal) -> None:
    second = "  - {name: never, event: {kind: issue.created, data: {title: x}}, expect: {creates: true}}\n"
    terminal.write("connectors/web.test.yaml", CASES + second)
    terminal("test", "--junit", "report.xml", code=1)
    suite = ET.fromstring((terminal.home / "report.xml").read_bytes())  # noqa: S314 - we wrote it
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    failure = suite.find("testcase[@name='never']/failure")
    assert failure is not None
    assert "when.labels" in (failure.text or "")
