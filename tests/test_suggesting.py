"""A suggested line is one that loads, and whose values the target takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from connector.documents import read
from connector.grammar_mapping import Rules
from connector.listed import Listed
from connector.mapping import MISSING, Rule
from connector.suggesting import MOST_OPTIONS, lines
from tests.systems.direct import Bench
from tests.systems.github.scene import scene as github
from tests.systems.jira.places import place
from tests.systems.slack.scene import scene as slack


def rules(*suggested: str) -> tuple[Rule, ...]:
    """Load suggested lines as a configuration would."""
    document, problems = read("mapping.yaml", "\n".join(suggested))
    assert document is not None
    assert not problems
    loaded: tuple[Rule, ...] = Rules().deserialize(document.value)
    return loaded


def options(*names: str, **more: Any) -> dict[str, Any]:
    return {"takes": "option", "options": [{"id": str(n), "name": name, **more} for n, name in enumerate(names)]}


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (Listed("summary", "Zusammenfassung", {"takes": "line"}), "Zusammenfassung: title"),
        (
            Listed("priority", "Priority", options("High", "Low")),
            "Priority: {from: priority, map: {High: High, Low: Low}}",
        ),
        (
            Listed("c1", "Severity", options("Major!", "Minor one")),
            "Severity: {from: labels, first: {major: Major!, minorone: Minor one}}",
        ),
        (Listed("c2", "Docs", {"takes": "link"}), "Docs: url"),
        (Listed("c3", "yes", {"takes": "number"}), "'yes': {value: 1}"),
        (Listed("c6", "Code", options("1e3", "No")), "Code: {from: labels, first: {'1e3': '1e3', 'no': 'No'}}"),
        (Listed("c4", "Sprint", {"takes": "any"}), ""),
        (Listed("c5", "Team", {"takes": "option", "options": []}), ""),
    ],
)
def test_a_line_fits_what_the_field_takes(row: Listed, line: str) -> None:
    assert lines([row]) == {row.id: line}


def test_statuses_are_chosen_by_category() -> None:
    choices = [{"id": "1", "name": "Offen", "category": "new"}, {"id": "2", "name": "Fertig", "category": "done"}]
    row = Listed("status", "Status", {"takes": "option", "options": choices})
    assert lines([row])["status"] == "Status: {from: state_category, map: {new: Offen, active: Offen, done: Fertig}}"


def test_fields_of_one_name_are_written_by_id() -> None:
    suggested = lines([Listed("c1", "Twin", {"takes": "link"}), Listed("c2", "twin", {"takes": "link"})])
    assert suggested == {"c1": "c1: url", "c2": "c2: url"}


def test_a_long_list_of_options_is_cut() -> None:
    row = Listed("c1", "Country", options(*(f"Land {number}" for number in range(300))))
    (rule,) = rules(lines([row])["c1"])
    assert rule.first is not None
    assert len(rule.first) == MOST_OPTIONS


@pytest.mark.parametrize(
    ("here", "target", "query"),
    [
        (place(), {"project": "WEB", "type": "Bug"}, {"project": "WEB", "type": "Bug"}),
        (place("data-center"), {"project": "WEB", "type": "Bug"}, {"project": "WEB", "type": "Bug"}),
        (github(), {"repository": "acme/web"}, {"repository": "acme/web"}),
        (slack(), {"channel": "#alerts"}, {}),
    ],
    ids=["jira-cloud", "jira-data-center", "github", "slack"],
)
def test_every_line_for_a_real_field_loads_and_its_own_values_are_taken(
    here: Bench, target: Mapping[str, Any], query: Mapping[str, str]
) -> None:
    system = here.system
    assert system.target is not None
    assert system.target_schema is not None
    into = system.target_schema().load(dict(target))
    suggested = [line for line in lines(system.lists["fields"](here.site, query)).values() if line]
    assert len(suggested) > 1
    for rule in rules(*suggested):
        values = [rule.value] if rule.value is not MISSING else []
        values += [*(rule.table or {}).values(), *(rule.first or {}).values()]
        more = {"Text": {"format": "plain", "content": "x"}} if system.name == "slack" else {}
        for value in values:
            system.target.shape(here.site, into, {**more, rule.target: value}, None)
