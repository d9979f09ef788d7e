"""Editors and readers are told the grammar that is in force."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connector import grammar, grammar_mapping
from connector.documents import read
from connector.reference import json_schema, reference
from connector.registry import SYSTEMS
from tests.configuring import TEMPLATES

SCHEMA = json_schema(SYSTEMS)
CONNECTION = "version: 1\nconnections: {github: {system: github, auth: {token: env:X}, http: {total: 10s}}}\n"
CONNECTOR = """\
version: 1
name: bugs
from: {connection: github, repositories: [acme/web]}
to: {connection: jira, project: WEB}
mapping: {Summary: title, Status: {from: state, map: {open: To Do}}, Who: {from: assignee, people: staff.csv}}
comments: true
messages: {on: issue.*, text: x}
poll: off
concurrency: 3
"""


def problems(text: str) -> list[str]:
    document, _ = read("a.yaml", text)
    assert document is not None
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document.value)]


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", [CONNECTION, CONNECTOR, CONNECTION + "connectors: [{name: a, template: x}]\n"])
def test_what_loads_is_valid(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_template_is_valid_but_for_its_name(name: str) -> None:
    assert problems(TEMPLATES[name].decode() + "\nname: mine\n") == []


@pytest.mark.parametrize(
    "text",
    [
        CONNECTION.replace("system: github", "system: githb"),
        CONNECTION.replace("env:X", "ghp_x"),
        CONNECTION.replace("token:", "tokn:"),
        CONNECTION.replace("10s", "10"),
        CONNECTION.replace("version: 1", "version: 2"),
        CONNECTOR.replace("name: bugs", "name: Bugs!"),
        CONNECTOR.replace("comments:", "coments:"),
        CONNECTOR.replace("concurrency: 3", "concurrency: 300"),
        CONNECTOR.replace("repositories", "repos"),
        CONNECTOR.replace("map:", "mapp:"),
        CONNECTOR.replace("comments: true", "comments: {audience: nobody}"),
        CONNECTOR.replace("issue.*", "issue.vanished"),
    ],
)
def test_what_is_wrong_is_invalid(text: str) -> None:
    assert problems(text) != []


def fields(schema: Any) -> set[str]:
    return {field.data_key or name for name, field in schema.fields.items()}


def test_the_reference_names_every_key_and_explains_it() -> None:
    page = reference(SYSTEMS)
    schemas = [grammar.ConnectorSchema(), grammar_mapping.RuleSchema(), grammar.WhenSchema(), grammar.HttpSchema()]
    for system in SYSTEMS.values():
        schemas.append(system.connection())  # type: ignore[arg-type]  # a plain schema will do
        schemas += [schema() for schema in (system.source, system.target_schema) if schema is not None]  # type: ignore[misc]
    for schema in schemas:
        for key in fields(schema):
            rows = [row for row in page.splitlines() if row.startswith(f"| `{key}` |")]
            assert rows, key
            assert all(row.count("|") - row.count("\\|") == 4 for row in rows), rows
            assert all(not row.endswith("|  |") for row in rows), f"{key} has no description"
