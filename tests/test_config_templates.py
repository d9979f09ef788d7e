"""The ready-made connectors load unedited, mean what they say, and can be overridden key by key."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from connector.config import Audience, Config, Connector
from connector.errors import ConfigError
from connector.event import Kind
from connector.loading import load, resolved
from connector.mapping import apply
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from connector.wording import render
from tests.configuring import TEMPLATES

CONNECTIONS = json.dumps(
    {
        "version": 1,
        "instance": "test",
        "connections": {
            name: {
                "system": system.name,
                **{key: one for key, one in system.example["connection"].items() if key != "webhook"},
            }
            for name, system in (*SYSTEMS.items(), *((f"{name}-copy", system) for name, system in SYSTEMS.items()))
        },
    }
)
ENDS = {
    "jira-to-slack": ("{project: WEB}", "{channel: C0123456789}"),
    "github-to-jira": ("{repositories: [acme/web]}", "{project: WEB}"),
    "jira-to-github-status": ("{project: WEB}", "{repository: acme/web}"),
    "jira-to-jira": ("{project: WEB}", "{project: WEB}\nback: {from: {project: WEB}, to: {project: WEB}}"),
    "github-jira-two-way": (
        "{repositories: [acme/web]}",
        "{project: WEB}\nback: {from: {project: WEB}, to: {repository: acme/web}}",
    ),
}


def texts(template: str, more: str = "") -> dict[str, str | bytes]:
    if set(re.findall(r"connection: ([a-z]+)(?:-copy)?", TEMPLATES[template].decode())) - SYSTEMS.keys():
        pytest.skip(f"{template} is for a system that is not registered")
    source, target = ENDS[template]
    said = f"version: 1\nname: mine\ntemplate: {template}\nfrom: {source}\nto: {target}\n{more}"
    return {"connections/test.yaml": CONNECTIONS, "connectors/mine.yaml": said}


def configured(template: str, more: str = "") -> Config:
    return load(texts(template, more), SYSTEMS, TRANSFORMS, TEMPLATES)


def made(template: str, more: str = "") -> Connector:
    return configured(template, more).connectors["mine"]


def mapped(connector: Connector, **seen: Any) -> dict[str, Any]:
    return dict(apply(connector.mapping, seen, TRANSFORMS, render).values)


@pytest.mark.parametrize("template", sorted(ENDS))
def test_a_template_needs_only_the_two_ends(template: str) -> None:
    found = configured(template)
    assert found.warnings == ()
    assert found.connectors["mine"].template == template


def test_there_is_a_test_for_every_template() -> None:
    assert set(ENDS) == set(TEMPLATES)


@pytest.mark.parametrize("template", sorted(ENDS))
def test_what_a_template_cannot_know_is_asked_for(template: str) -> None:
    texts(template)  # skips what is not registered
    alone = {"connections/test.yaml": CONNECTIONS, "mine.yaml": f"version: 1\nname: mine\ntemplate: {template}\n"}
    with pytest.raises(ConfigError) as caught:
        load(alone, SYSTEMS, TRANSFORMS, TEMPLATES)
    asked = {"from", "to", "back"} if b"direction: two-way" in TEMPLATES[template] else {"from", "to"}
    assert {problem.path.partition(".")[0] for problem in caught.value.problems} == asked


# --- what they mean -----------------------------------------------------------------------------------
def test_a_labelled_github_issue_becomes_a_jira_issue() -> None:
    bugs = made("github-to-jira")
    assert bugs.when.labels == {"bug"}
    assert mapped(bugs, title="Grey", body=None, labels=["p2", "bug", "p0"], state="open") == {
        "Summary": "Grey",
        "Description": None,
        "Priority": "Highest",
        "Status": "To Do",
    }
    assert mapped(bugs, title="Grey", labels=["bug"], state="closed") == {"Summary": "Grey", "Status": "Done"}
    assert bugs.references is not None
    assert bugs.references.status == {"created": "In Progress", "merged": "Done"}
    assert (bugs.comments.copied, bugs.comments.audience) == (True, Audience.PUBLIC)


def test_the_way_back_creates_nothing_and_brings_state_by_category() -> None:
    back = made("jira-to-github-status")
    assert (back.creates, back.relates) == (False, False)
    assert mapped(back, state="In Review", state_category="active") == {"State": "open"}
    assert mapped(back, state="Erledigt", state_category="done") == {"State": "closed"}
    assert back.comments.audience is Audience.PUBLIC


def test_a_jira_issue_is_one_message_with_a_thread() -> None:
    slack = made("jira-to-slack")
    issue = {
        "key": "WEB-12",
        "url": "https://acme.atlassian.net/browse/WEB-12",
        "title": "Button is *grey*",
        "type": "Bug",
        "state": "In Progress",
        "assignee": {"id": "1", "name": "Mona"},
    }
    assert mapped(slack, **issue)["Text"]["content"] == (
        "**[WEB-12](<https://acme.atlassian.net/browse/WEB-12>)** Button is \\*grey\\*\nBug · **In Progress** · Mona"
    )
    (message,) = slack.messages
    assert message.on == {Kind.ISSUE_UPDATED}
    assert message.changed == {"state"}
    seen = {**issue, "change": {"state": {"from": "To Do", "to": "In Progress"}}, "actor": {"name": "Ann"}}
    assert render(message.text, seen)["content"] == "To Do → **In Progress** by Ann"
    assert render(message.text, issue)["content"] == "**In Progress**"
    said = {"author": {"name": "Ann"}, "body": {"format": "markdown", "content": "Done?"}}
    assert render(slack.comments.text, {**issue, "comment": said})["content"] == "**Ann** commented:\n\nDone?"
    assert set(slack.expire) == {"message"}


# --- overriding -----------------------------------------------------------------------------------------
def test_keys_are_overridden_one_by_one() -> None:
    bugs = made("github-to-jira", "mapping:\n  Priority: {default: Medium}\n  Team: {value: Web}\n")
    rules = {rule.target: rule for rule in bugs.mapping}
    assert rules["Priority"].first == {"p0": "Highest", "p1": "High", "p2": "Medium", "p3": "Low"}
    assert rules["Priority"].default == "Medium"
    assert rules["Team"].value == "Web"
    assert list(rules)[:2] == ["Summary", "Description"]


def test_null_takes_a_key_away() -> None:
    bugs = made("github-to-jira", "mapping: {Priority: null, Status: {map: {closed: null}}}\nreferences: null\n")
    rules = {rule.target: rule for rule in bugs.mapping}
    assert "Priority" not in rules
    assert rules["Status"].table == {"open": "To Do"}
    assert bugs.references is None


def test_lists_and_words_are_replaced() -> None:
    bugs = made("github-to-jira", "when: {labels: [defect]}\nreferences: {fields: [title]}\nmapping: {Summary: key}\n")
    assert bugs.when.labels == {"defect"}
    assert bugs.references is not None
    assert bugs.references.fields == ("title",)
    assert bugs.mapping[0].path == "key"


def test_a_problem_in_an_override_has_the_users_line() -> None:
    with pytest.raises(ConfigError) as caught:
        configured("github-to-jira", "mapping:\n  Status: {map: {open: To Do}, transform: [lowr]}\n")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.path) == ("connectors/mine.yaml", 7, "mapping.Status.transform[0]")


def test_a_problem_in_a_template_has_the_templates_line() -> None:
    broken = {**TEMPLATES, "github-to-jira": TEMPLATES["github-to-jira"].replace(b"labels: bug", b"lables: bug")}
    with pytest.raises(ConfigError) as caught:
        load(texts("github-to-jira"), SYSTEMS, TRANSFORMS, broken)
    (problem,) = caught.value.problems
    assert problem.file == "template github-to-jira"
    assert problem.line > 1


def test_a_resolved_connector_shows_template_and_overrides_together() -> None:
    found = resolved(texts("github-to-jira", "when: {labels: defect}\n"), "mine", TEMPLATES)
    assert found["when"] == {"labels": "defect"}
    assert found["to"] == {"connection": "jira", "type": "Bug", "project": "WEB"}
    assert found["mapping"]["Summary"] == "title"
    assert "description" not in found


def test_a_resolved_connector_means_the_same_without_its_template() -> None:
    import yaml

    before = made("github-to-jira")
    plain = {
        key: value for key, value in resolved(texts("github-to-jira"), "mine", TEMPLATES).items() if key != "template"
    }
    files = {"connections/test.yaml": CONNECTIONS, "connectors/mine.yaml": yaml.safe_dump(plain, sort_keys=False)}
    after = load(files, SYSTEMS, TRANSFORMS, {}).connectors["mine"]
    assert (after.mapping, after.when, after.target, after.references) == (
        before.mapping,
        before.when,
        before.target,
        before.references,
    )


def test_an_unknown_connector_cannot_be_resolved() -> None:
    with pytest.raises(ConfigError, match="there is no connector 'mien'; did you mean 'mine'"):
        resolved(texts("github-to-jira"), "mien", TEMPLATES)


def test_the_two_way_template_flows_back_in_the_words_of_its_source() -> None:
    connector = made("github-jira-two-way")
    assert connector.back is not None
    assert [rule.target for rule in connector.back.mapping] == ["title", "body", "labels", "state"]
    assert mapped(connector.back, title="A", labels=["x"], state_category="done")["state"] == "closed"
    assert "state" not in mapped(connector.back, state_category="undefined")
    assert not connector.back.creates
    assert connector.back.comments.audience is Audience.PUBLIC
