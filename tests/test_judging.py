"""A connector is held against a lock as the target itself would judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest

from connector.compiling import fed
from connector.config import Config
from connector.documents import written
from connector.errors import Rejected
from connector.examining import Finding, Level
from connector.judging import STALE, against, unsure
from connector.loading import load
from connector.lock import Entry, Lock, kept, questions
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from tests.systems.direct import Bench
from tests.systems.github.scene import scene as github
from tests.systems.jira.places import place
from tests.systems.slack.scene import scene as slack
from workers.files import ready_made

TODAY = date(2026, 11, 24)
CONNECTIONS = """\
version: 1
connections:
  jira: {system: jira, url: https://acme.example, auth: {email: a@acme.example, token: env:T}}
  jira-copy: {system: jira, flavour: data-center, url: https://jira.example, auth: {token: env:T}}
  github: {system: github, auth: {token: env:T}}
  slack: {system: slack, auth: {token: env:T}}
"""
WAYS = {
    "jira": "from: {connection: github, repositories: [acme/web]}\nto: {connection: jira, project: WEB, type: Bug}\n",
    "github": "from: {connection: jira, project: WEB}\nto: {connection: github, repository: acme/web}\n",
    "slack": "from: {connection: jira, project: WEB}\nto: {connection: slack, channel: '#alerts'}\n",
}


@dataclass
class Desk:
    """A configuration of one connector, and the sites that a lock of it is taken from."""

    sites: Mapping[str, Bench] = field(
        default_factory=lambda: {
            "jira": place(),
            "jira-copy": place("data-center"),
            "github": github(),
            "slack": slack(),
        }
    )

    def config(self, text: str) -> Config:
        texts = {"connections.yaml": CONNECTIONS, "one.yaml": f"version: 1\nname: one\n{text}"}
        return load(texts, SYSTEMS, TRANSFORMS, ready_made())

    def lock(self, config: Config, taken: date = TODAY) -> Lock:
        return Lock(
            {
                one: Entry(
                    taken,
                    kept(
                        one,
                        SYSTEMS[config.connections[one.connection].system].lists[one.kind](
                            self.sites[one.connection].site, one.query
                        ),
                    ),
                )
                for one in questions(config, SYSTEMS)
            }
        )

    def findings(self, text: str) -> list[Finding]:
        config = self.config(text)
        return list(against(config, self.lock(config), SYSTEMS, config.connectors["one"]))

    def told(self, text: str, level: Level = Level.PROBLEM) -> list[str]:
        return [f"{written(one.path)}: {one.text}; {one.act}" for one in self.findings(text) if one.level is level]


# --- what is said, and where -----------------------------------------------------------------------------------
def test_a_wrong_field_and_a_wrong_option_are_told_with_what_was_meant() -> None:
    mapping = "mapping:\n  Summary: title\n  Severty: {value: Major}\n  Severity: {from: labels, first: {a: Major, b: Miner}}\n"
    assert Desk().told(WAYS["jira"] + mapping) == [
        "mapping.Severty: WEB / Bug has no such field; did you mean 'Severity'?",
        "mapping.Severity.first.b: 'Miner' is no choice of Severity; there are Major, Minor; did you mean 'Minor'?",
    ]


def test_a_rule_that_gives_what_the_field_cannot_take_is_told() -> None:
    (told,) = Desk().told(WAYS["jira"] + "mapping:\n  Summary: title\n  Story Points: title\n")
    assert told.startswith("mapping.Story Points: takes a number, and the rule gives a line of free text")


def test_a_status_may_be_a_status_or_a_category_and_references_are_compared_too() -> None:
    desk = Desk()
    good = (
        "mapping:\n  Summary: title\n  Status: {from: state, map: {open: in review, closed: done, x: indeterminate}}\n"
    )
    bad = "mapping:\n  Summary: title\n  status: {value: {status: Doen, resolution: Fixed}}\n"
    assert desk.told(WAYS["jira"] + good + "references: {status: {merged: Closed}}\n") == []
    told = desk.told(WAYS["jira"] + bad + "references: {status: {merged: Clozed}}\n")
    assert [one.split(" is no choice")[0] for one in told] == [
        "mapping.status.value: 'Doen'",
        "references.status.merged: 'Clozed'",
    ]


def test_fields_of_one_name_must_be_told_apart() -> None:
    (told,) = Desk().told(WAYS["jira"] + "mapping:\n  Summary: title\n  Twin: title\n")
    assert "several fields of WEB / Bug have this name; write one of customfield_10012, customfield_10013" in told
    assert Desk().told(WAYS["jira"] + "mapping:\n  Summary: title\n  customfield_10012: title\n") == []


def test_a_required_field_must_be_fed_by_who_creates() -> None:
    desk = Desk()
    desk.sites["jira"].sandbox.require("customfield_10002")
    (told,) = desk.told(WAYS["jira"] + "mapping:\n  Summary: title\n")
    assert told.startswith("mapping: Severity is required of what is created, and the mapping does not feed it")
    maybe = "mapping:\n  Summary: title\n  Severity: {from: labels, first: {p0: Major}}\n"
    assert desk.told(WAYS["jira"] + maybe) == []
    assert ["may give nothing" in one for one in desk.told(WAYS["jira"] + maybe, Level.WARNING)] == [True]
    assert desk.findings(WAYS["jira"] + "create: false\nmapping:\n  Due date: due\n") == []


def test_a_field_that_is_only_updated_may_stand_on_the_edit_screen_alone() -> None:
    text = WAYS["jira"] + "create: false\nmapping:\n  Customer: title\n"
    assert Desk().told(text) == []
    assert ["no such field" in one for one in Desk().told(text, Level.WARNING)] == [True]


def test_labels_that_are_not_there_are_doubted() -> None:
    (told,) = Desk().told(
        WAYS["github"] + "mapping:\n  Title: title\n  Labels: {value: [bug, enhancment]}\n", Level.WARNING
    )
    assert "'enhancment' is new to Labels" in told
    assert "did you mean 'enhancement'?" in told
    (told,) = Desk().told(WAYS["jira"] + "when: {labels: [bgu]}\nmapping:\n  Summary: title\n", Level.WARNING)
    assert told == "when.labels: there is no label 'bgu'; did you mean 'bug'?"


def test_types_of_the_source_and_channels_are_compared() -> None:
    source = "from: {connection: jira, project: WEB, types: [bug, Epik]}\n"
    target = "to: {connection: slack, channel: '#alrts'}\nmapping:\n  Text: body\n"
    told = Desk().told(source + target)
    assert [one.split(": ")[0] for one in told] == ["from.types", "to.channel"]
    assert "'Epik'; there are Bug, Story, Sub-task, Task" in told[0]


def test_a_channel_that_is_named_by_id_is_not_looked_up() -> None:
    config = Desk().config(
        "from: {connection: jira, project: WEB}\nto: {connection: slack, channel: C0000009}\nmapping:\n  Text: title\n"
    )
    assert [one.kind for one in questions(config, SYSTEMS)] == ["fields"]


TWO_WAY = """\
from: {repositories: [acme/web]}
to: {project: WEB}
back: {from: {project: WEB}, to: {repository: acme/web}}
"""


def test_both_sides_of_a_two_way_connector_are_compared() -> None:
    desk = Desk()
    text = f"template: github-jira-two-way\n{TWO_WAY}mapping:\n  Priority: {{direction: '->', value: Hihg}}\n"
    text += (
        "  Status: {from: state, map: {open: To Do, closed: Done}, back: {from: state_category, map: {new: opened}}}\n"
    )
    questions_asked = [(one.connection, one.kind) for one in questions(desk.config(text), SYSTEMS)]
    assert questions_asked == [("github", "fields"), ("github", "labels"), ("jira", "fields")]
    assert [one.partition(";")[0] for one in desk.told(text)] == [
        "mapping.Priority.value: 'Hihg' is no choice of Priority",
        "mapping.Status: 'opened' is no choice of State",
    ]
    (told,) = desk.told(
        f"template: github-jira-two-way\n{TWO_WAY}".replace("{project: WEB}, to", "{project: WEB, types: [Bgu]}, to")
    )
    assert told.startswith("back.from.types: there is no issue type 'Bgu'")


@pytest.mark.parametrize("template", sorted(ready_made()))
def test_nothing_is_wrong_with_a_ready_made_connector(template: str) -> None:
    ends = {
        "github-to-jira": "from: {repositories: [acme/web]}\nto: {project: WEB}\n",
        "jira-to-github-status": "from: {project: WEB}\nto: {repository: acme/web}\n",
        "jira-to-slack": "from: {project: WEB}\nto: {channel: '#alerts'}\n",
        "github-jira-two-way": TWO_WAY,
        "jira-to-jira": "from: {project: WEB}\nto: {project: WEB}\nback: {from: {project: WEB}, to: {project: WEB}}\n",
    }
    found = Desk().findings(f"template: {template}\n{ends[template]}")
    assert [one for one in found if one.level is Level.PROBLEM] == []


# --- what is not known -------------------------------------------------------------------------------------------
def test_what_the_lock_does_not_know_is_said_and_not_judged() -> None:
    config = Desk().config(WAYS["jira"] + "mapping:\n  Anything: title\n")
    assert list(against(config, Lock({}), SYSTEMS, config.connectors["one"])) == []
    (told,) = unsure(config, Lock({}), SYSTEMS, TODAY)
    assert told == "knows nothing of the fields of jira (project WEB, type Bug)"


@pytest.mark.parametrize(("age", "told"), [(STALE, 0), (STALE + timedelta(days=1), 1)])
def test_an_old_lock_is_said_to_be_old(age: timedelta, told: int) -> None:
    desk = Desk()
    config = desk.config(WAYS["jira"] + "mapping:\n  Summary: title\n")
    assert len(list(unsure(config, desk.lock(config, TODAY - age), SYSTEMS, TODAY))) == told


# --- the target agrees -------------------------------------------------------------------------------------------
RULES = {
    "jira": (
        "Summary: title",
        "summary: title",
        "sUMMARY: title",
        "Due Date: {value: 2026-11-24}",
        "duedate: {value: 2026-11-24}",
        "Severity: {value: major}",
        "Severity: {value: '10501'}",
        "Severity: {value: {value: Major}}",
        "Severity: {value: Mayor}",
        "customfield_10002: {value: Minor}",
        "customfield_99999: {value: Minor}",
        "Platforms: {value: [Linux, Windows]}",
        "Platforms: {value: [Linux, Amiga]}",
        "Region: {value: Europe / Berlin}",
        "Region: {value: Europe / Tokyo}",
        "Region: {value: [Asia, Tokyo]}",
        "Region: {value: Mars}",
        "Priority: {from: priority, map: {a: Highest, b: Lowest}}",
        "Priority: {from: priority, map: {a: Hihgest}}",
        "Priority: {from: priority, default: Nope}",
        "Components: {value: Frontend}",
        "Components: {value: [Frontend, Nope]}",
        "Labels: {value: [anything]}",
        "Status: {value: Done}",
        "State: {value: to do}",
        "Status: {value: Waiting}",
        "Twin: {value: x}",
        "Creator: {value: x}",
        "No such field: {value: x}",
        "Story Points: {value: 3}",
    ),
    "github": (
        "Title: {value: x}",
        "Summary: {value: x}",
        "Titel: {value: x}",
        "Labels: {value: [bug, brand-new]}",
        "Milestone: {value: V1.0}",
        "Milestone: {value: v7}",
        "State: {value: closed}",
        "state: {value: {state: closed, state_reason: not_planned}}",
        "State: {value: shut}",
        "State Reason: {value: completed}",
        "State-Reason: {value: tired}",
        "Assignee: {value: bob}",
    ),
}


@pytest.mark.parametrize(
    ("name", "rule"), [(name, rule) for name, some in RULES.items() for rule in some], ids=lambda one: one
)
def test_the_lock_and_the_target_judge_alike(name: str, rule: str) -> None:
    desk = Desk()
    text = f"{WAYS[name]}mapping:\n  {rule}\n"
    config = desk.config(text)
    connector = config.connectors["one"]
    target = SYSTEMS[name].target
    assert target is not None
    (one,) = connector.mapping
    refused = False
    for value in [named.value for named in fed(one).named] or [{"format": "plain", "content": "x"}]:
        try:
            target.shape(desk.sites[name].site, connector.target.settings, {one.target: value}, None)
        except Rejected:
            refused = True
    problems = [found for found in desk.findings(text) if found.level is Level.PROBLEM]
    assert any(not found.cause.startswith("required:") for found in problems) is refused
