"""A version is named by what it writes, and keeps no person."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from connector.grammar import ConnectorSchema
from connector.loading import load
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from connector.versions import BESIDE, kept, tables, version_of
from tests.configuring import TEMPLATES
from tests.test_editing import CONNECTIONS, HEAD

WEB = HEAD + "from: {repositories: [acme/web]}\nto: {project: WEB}\n"
DOCUMENT: dict[str, Any] = {
    "name": "web",
    "from": {"connection": "github", "repositories": ["acme/web"]},
    "to": {"connection": "jira", "project": "WEB", "type": "Bug"},
    "mapping": {"Summary": "title"},
}


def test_every_key_that_is_left_out_is_one_of_a_connector() -> None:
    known = {field.data_key or name for name, field in ConnectorSchema().fields.items()}
    assert known >= BESIDE


def test_what_changes_no_write_changes_no_version() -> None:
    for key in BESIDE - {"name"}:
        assert version_of({**DOCUMENT, key: "anything"}) == version_of(DOCUMENT), key


@pytest.mark.parametrize("change", [{"mapping": {"Summary": "key"}}, {"when": {"labels": "bug"}}, {"new": 1}])
def test_what_changes_a_write_changes_the_version(change: dict[str, Any]) -> None:
    assert version_of({**DOCUMENT, **change}) != version_of(DOCUMENT)


def test_a_table_of_people_is_kept_by_its_name_only() -> None:
    text = WEB + (
        "mapping:\n"
        "  Assignee: {from: assignee, people: staff.csv}\n"
        "  Reporter: {from: reporter, people: {ann: '5b10'}}\n"
    )

    def loaded(table: str) -> Any:
        texts = {"c.yaml": CONNECTIONS, "web.yaml": text, "staff.csv": table}
        return load(texts, SYSTEMS, TRANSFORMS, TEMPLATES).connectors["web"]

    one, other = loaded("from,to\nann,5b10\n"), loaded("from,to\nann,5b10\nbob,5b11\n")
    document = kept(one.document)
    assert document["mapping"]["Assignee"]["people"] == "staff.csv"
    assert document["mapping"]["Reporter"]["people"] == {"(1 people, not kept)": ""}
    assert "5b10" not in repr(document)
    assert "name" not in document
    assert one.made_by != other.made_by
    assert tables(one.document)["Reporter"] == tables(other.document)["Reporter"]
    assert tables(other.document)["Assignee"].startswith("2 people")
    assert tables({"mapping": None}) == {}
    copied = asdict(one)["document"]  # as whoever looks through a configuration does
    assert copied["mapping"]["Assignee"]["people"] == {"ann": "5b10"}


def test_a_changed_template_is_another_version() -> None:
    changed = {**TEMPLATES, "github-to-jira": TEMPLATES["github-to-jira"].replace(b"Summary: title", b"Summary: key")}
    assert changed != TEMPLATES
    versions = {
        load({"c.yaml": CONNECTIONS, "web.yaml": WEB}, SYSTEMS, TRANSFORMS, one).connectors["web"].made_by
        for one in (TEMPLATES, changed)
    }
    assert len(versions) == 2
