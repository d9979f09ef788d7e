"""A case is planned as a delivery is, and what is not as expected is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.cases import Case, Expected, cases
from connector.config import Config
from connector.errors import Problem, Rejected
from connector.loading import load
from connector.registry import SYSTEMS
from connector.system import Inbound, System
from connector.transforms import TRANSFORMS
from connector.trial import Outcome, differences, tried
from tests.systems.examining import CONNECTIONS
from workers.cli.recording import as_yaml
from workers.files import ready_made, ready_made_cases
from workers.tools import tools

CONNECTOR = """\
version: 1
name: web
from: {connection: github, repositories: [acme/web]}
to: {connection: jira, project: WEB}
when: {labels: bug}
mapping:
  Summary: title
  Description: body
  Severity: {from: labels, map: {bug: Major}}
  Due date: due
comments: true
"""
FILES = {"web": "connectors/web.yaml"}


def config(text: str = CONNECTOR) -> Config:
    return load({"c.yaml": CONNECTIONS, "connectors/web.yaml": text}, SYSTEMS, TRANSFORMS, ready_made())


def written(event: str, expect: str = "{skip: x}", more: str = "") -> str:
    return f"version: 1\ncases:\n  - name: one\n    event: {event}\n{more}    expect: {expect}\n"


def case_of(text: str) -> Case:
    found, problems = cases({"connectors/web.test.yaml": text}, FILES)
    assert problems == []
    return found[0]


def nothing(_case: Case, _system: System) -> Sequence[Inbound]:
    return ()


def outcome(event: str, more: str = "", text: str = CONNECTOR) -> Outcome:
    return tried(config(text), SYSTEMS, tools(), case_of(written(event, more=more)), nothing)


def differing(event: str, expect: str, more: str = "") -> list[str]:
    one = case_of(written(event, expect, more))
    return [found.what for found in differences(one.expected, tried(config(), SYSTEMS, tools(), one, nothing))]


BUG = "{kind: issue.created, data: {title: Broken, body: 'a **b**', labels: [bug]}}"


# --- what comes of it ----------------------------------------------------------------------------------------
def test_an_issue_is_mapped_and_rich_text_is_told_as_markdown() -> None:
    found = outcome(BUG)
    assert found == Outcome(
        fields={"Summary": "Broken", "Description": "a **b**", "Severity": ["Major"]},
        absent=("Due date",),
        creates=True,
    )
    assert outcome(BUG, "    linked: true\n").creates is False


def test_filters_scopes_and_impossible_values_are_told_as_a_delivery_would() -> None:
    assert "when.labels" in outcome("{kind: issue.created, data: {title: x, labels: [ui]}}").skip
    assert "acme/other" in outcome("{kind: issue.created, scope: acme/other, data: {title: x, labels: [bug]}}").skip
    assert "'ui' is not in its table" in outcome("{kind: issue.created, data: {title: x, labels: [bug, ui]}}").error


def test_comments_are_added_edited_and_removed() -> None:
    said = "{title: x, comment: {body: Hi, author: {name: Ann}}}"
    added = outcome(f"{{kind: comment.created, data: {said}}}", "    linked: true\n")
    assert added.comment is not None
    assert added.comment.endswith("Hi")
    deletes = CONNECTOR.replace("comments: true", "comments: {deletes: true}")
    assert outcome(f"{{kind: comment.deleted, data: {said}}}", "    linked: true\n", deletes).removes


def test_what_a_target_cannot_hold_is_a_loss() -> None:
    task = "{kind: issue.created, data: {title: x, labels: [bug], body: '- [ ] later'}}"
    assert outcome(task).losses == ()
    slack = CONNECTOR.replace("connection: jira, project: WEB", "connection: slack, channel: '#web'")
    slack = slack.partition("mapping:")[0] + "mapping: {Text: body}\n"
    assert outcome(task, text=slack).losses == ("task list shown as a list: Slack has none",)


def test_an_event_of_the_other_side_needs_another_side() -> None:
    with pytest.raises(Rejected, match="two-way"):
        outcome(BUG, "    side: to\n")


# --- comparing -----------------------------------------------------------------------------------------------
def test_what_is_as_expected_differs_in_nothing() -> None:
    expect = "{fields: {Summary: Broken, Description: 'a **b**'}, absent: [Due date], creates: true, losses: []}"
    assert differing(BUG, expect) == []


@pytest.mark.parametrize(
    ("expect", "what"),
    [
        ("{fields: {Summary: Whole}}", ["fields.Summary"]),
        ("{fields: {Summry: Broken}}", ["fields.Summry"]),
        ("{absent: [Summary]}", ["absent.Summary"]),
        ("{creates: false}", ["creates"]),
        ("{messages: [Hello]}", ["messages"]),
        ("{comment: Hello}", ["comment"]),
        ("{removes: true}", ["removes"]),
        ("{named: [WEB-1]}", ["named"]),
        ("{losses: [all of it]}", ["losses"]),
        ("{skip: when.labels}", ["skip"]),
        ("{error: not in its table}", ["error"]),
        ("{skip: x, fields: {Summary: y}}", ["skip", "fields.Summary"]),
    ],
)
def test_every_expectation_can_fail(expect: str, what: list[str]) -> None:
    assert differing(BUG, expect) == what


def test_a_skip_or_an_error_that_nobody_expects_is_a_failure() -> None:
    other = "{kind: issue.created, data: {title: x, labels: [ui]}}"
    assert differing(other, "{losses: []}") == ["skip"]
    assert differing("{kind: issue.created, data: {title: x, labels: [bug, ui]}}", "{losses: []}") == ["error"]


def test_a_difference_is_shown_line_by_line() -> None:
    (one,) = differences(Expected(fields={"A": "one\ntwo"}), Outcome(fields={"A": "one\n2"}))
    assert one.lines() == ["  one", "- two", "+ 2"]


def test_white_space_that_a_yaml_block_adds_is_no_difference() -> None:
    assert list(differences(Expected(fields={"A": "one\ntwo\n"}), Outcome(fields={"A": "one  \ntwo"}))) == []


WORDS = st.text(st.characters(codec="utf-8"), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=5,
)
FIELDS = st.dictionaries(st.text("abcXYZ ", min_size=1, max_size=8), VALUES, max_size=4)


@given(
    fields=FIELDS,
    absent=st.lists(WORDS, max_size=2).map(tuple),
    messages=st.lists(WORDS, max_size=2).map(tuple),
    comment=st.none() | WORDS,
    losses=st.lists(WORDS, max_size=2).map(tuple),
    flags=st.tuples(st.booleans(), st.booleans()),
)
def test_what_is_recorded_passes_whatever_it_is(  # noqa: PLR0917 - one parameter a part
    fields: dict[str, Any],
    absent: tuple[str, ...],
    messages: tuple[str, ...],
    comment: str | None,
    losses: tuple[str, ...],
    flags: tuple[bool, bool],
) -> None:
    got = Outcome(
        fields=fields,
        absent=tuple(one for one in absent if one not in fields),
        creates=flags[0],
        removes=flags[1],
        messages=messages,
        comment=comment,
        losses=losses,
    )
    case = {"name": "a", "event": {"kind": "issue.created"}, "expect": got.said()}
    text = as_yaml({"version": 1, "cases": [case]})
    assert list(differences(case_of(text).expected, got)) == []


# --- the file ------------------------------------------------------------------------------------------------
def wrong(text: str, files: Any = None) -> list[Problem]:
    found, problems = cases({"connectors/web.test.yaml": text}, FILES if files is None else files)
    assert found == []
    return problems


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (written(BUG, "{feilds: {Summary: x}}"), 5, "did you mean 'fields'?"),
        (written("{kind: issue.made}"), 4, "must be one of"),
        (written("{}"), 4, "give a file, a payload, or kind"),
        (written("{file: a.json, data: {title: x}}"), 4, "give one of file, payload, or kind and data"),
        (written("{kind: issue.created, data: {titel: x}}"), 4, "did you mean 'title'?"),
        (written("{kind: issue.created, at: yesterday}"), 4, "a time with a zone"),
        (written(BUG, "{skip: ''}"), 5, "Shorter than minimum length 1"),
        (written(BUG, "{messages: Hello}"), 5, "must be a list"),
        ("version: 1\ncases: []\n", 2, "Length must be"),
        ("version: 1\ncases: {a: b\n", 3, "is not YAML"),
        ("- 1\n", 1, "must be a mapping"),
        ("version: 1\nconnector: nope\ncases: [{name: a, event: {kind: issue.created}, expect: {skip: x}}]\n", 2, "no connector"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_is_told_with_its_line(text: str, line: int, said: str) -> None:
    (problem, *_) = wrong(text)
    assert (problem.file, problem.line) == ("connectors/web.test.yaml", line)
    assert said in problem.message


def test_cases_belong_to_the_connector_beside_them() -> None:
    assert case_of(written(BUG)).connector == "web"
    assert "no file beside" in wrong(written(BUG), {"web": "connectors/other.yaml"})[0].message
    both = {"web": "connectors/web.yaml", "more": "connectors/web.yaml"}
    assert "no file beside" in wrong(written(BUG), both)[0].message


# --- the ready-made ones -------------------------------------------------------------------------------------
ENDS = {
    "github-to-jira": "from: {repositories: [acme/web]}\nto: {project: WEB}\n",
    "jira-to-github-status": "from: {project: WEB}\nto: {repository: acme/web}\n",
    "jira-to-slack": "from: {project: WEB}\nto: {channel: '#web'}\n",
    "github-jira-two-way": "from: {repositories: [acme/web]}\nto: {project: WEB}\n"
    "back: {from: {project: WEB}, to: {repository: acme/web}}\n",
}


@pytest.mark.parametrize("template", sorted(ready_made_cases()))
def test_the_cases_of_a_ready_made_connector_pass(template: str) -> None:
    loaded = config(f"version: 1\nname: web\ntemplate: {template}\n{ENDS[template]}")
    found, problems = cases({"connectors/web.test.yaml": ready_made_cases()[template]}, FILES)
    assert problems == []
    assert len(found) >= 2
    for one in found:
        assert list(differences(one.expected, tried(loaded, SYSTEMS, tools(), one, nothing))) == [], one.name


def test_cases_are_no_connectors() -> None:
    assert not [name for name in ready_made() if "test" in name]
    texts = {"c.yaml": CONNECTIONS, "connectors/web.yaml": CONNECTOR, "connectors/web.test.yaml": "cases: nonsense"}
    assert list(load(texts, SYSTEMS, TRANSFORMS, {}).connectors) == ["web"]
