"""Two configurations are told apart field by field, by stable names, and without a credential."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.comparing import Comparison, Said, compare
from connector.loading import load, said
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from tests.workers.commanding import CONNECTIONS, CONNECTOR
from workers.files import ready_made

BUGS: dict[str, Any] = {
    "name": "bugs",
    "from": {"connection": "github"},
    "mapping": {"Summary": "title", "Priority": {"from": "labels", "first": {"p0": "Highest"}, "default": "Medium"}},
    "messages": [{"on": "issue.created", "text": "new"}],
}


def between(*, old: dict[str, Any] | None = None, new: dict[str, Any] | None = None) -> Comparison:
    before, after = old or BUGS, {**(old or BUGS), **(new or {})}
    return compare(Said(connectors={before["name"]: before}), Said(connectors={after["name"]: after}))


def words(found: Comparison) -> list[str]:
    return [field.words for one in (*found.connectors, *found.connections) for field in one.fields]


def test_what_says_the_same_is_no_difference() -> None:
    assert not between()
    assert not between(new={"version": 1})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mode": "shadow"}, ["mode: shadow (new)"]),
        ({"concurrency": True}, ["concurrency: true (new)"]),
        ({"from": {"connection": "dc"}}, ["from.connection: github → dc"]),
        (
            {"mapping": {"Summary": "title", "Priority": {**BUGS["mapping"]["Priority"], "default": "Low"}}},
            ["mapping.Priority.default: Medium → Low"],
        ),
        (
            {"mapping": {"Summary": "key", "Due": "due"}},
            [
                "mapping.Summary: title → key",
                'mapping.Priority: removed (was {"default": "Medium", "first": {"p0": "Highest"}, "from": "labels"})',
                "mapping.Due: due (new)",
            ],
        ),
        (
            {"messages": [{"on": "issue.created", "text": "New!"}, {"on": "issue.updated", "text": "…"}]},
            ["messages[0].text: new → New!", 'messages[1]: {"on": "issue.updated", "text": "…"} (new)'],
        ),
        ({"when": {"labels": ["a", "b"]}}, ['when: {"labels": ["a", "b"]} (new)']),
    ],
)
def test_each_changed_field_is_told(change: dict[str, Any], told: list[str]) -> None:
    found = between(new=change)
    assert [one.what for one in found.connectors] == ["changed"]
    assert words(found) == told


def test_a_rename_is_one_connector_and_tells_what_else_changed() -> None:
    found = between(new={"name": "defects", "renamed_from": ["bugs"], "mode": "shadow"})
    (one,) = found.connectors
    assert (one.name, one.uid, one.what, one.formerly) == ("defects", "bugs", "renamed", "bugs")
    assert [field.path for field in one.fields] == ["mode"]
    # The way back, and a second rename, are renames of the same one.
    later = {**BUGS, "name": "faults", "renamed_from": ["bugs", "defects"]}
    (back,) = between(old=later, new={"name": "defects", "renamed_from": "bugs"}).connectors
    assert (back.what, back.formerly, back.uid) == ("renamed", "faults", "bugs")


def test_a_rename_that_does_not_say_so_is_a_removal_and_an_addition() -> None:
    found = between(new={"name": "defects"})
    assert [(one.name, one.what) for one in found.connectors] == [("bugs", "removed"), ("defects", "added")]


def test_credentials_are_never_repeated() -> None:
    old = {"url": "https://a", "auth": {"token": "env:JIRA_TOKEN"}, "webhook": {"secret": ["env:ONE"]}}
    new = {"url": "https://b", "auth": {"token": "file:/run/secrets/jira"}, "proof": {"key": "env:KEY"}}
    found = compare(Said(connections={"jira": old}), Said(connections={"jira": new}))
    assert words(found) == [
        "url: https://a → https://b",
        "auth.token: changed (a credential)",
        "webhook: removed (a credential)",
        "proof: added (a credential)",
    ]
    shown = str([field.as_json() for one in found.connections for field in one.fields])
    assert "JIRA_TOKEN" not in shown
    assert "/run/secrets" not in shown


def test_the_path_of_a_hook_is_not_repeated() -> None:
    found = between(new={"owner": {"alert": "https://hooks.acme.example/T0/B0/geheim"}}, old={**BUGS, "owner": {}})
    assert words(found) == ["owner.alert: https://hooks.acme.example/… (new)"]


def test_a_large_table_is_counted_and_a_long_value_cut() -> None:
    people = {f"user{n}": f"id{n}" for n in range(200)}
    changed = {**{f"user{n}": f"new{n}" for n in range(20)}, **{f"user{n}": f"id{n}" for n in range(20, 199)}, "x": "y"}
    old = {**BUGS, "mapping": {"Assignee": {"from": "assignee", "people": people}}}
    new = {"mapping": {"Assignee": {"from": "assignee", "people": changed}}}
    assert words(between(old=old, new=new)) == [
        "mapping.Assignee.people: 200 entries → 200 entries: 1 added, 1 removed, 20 changed"
    ]
    (line,) = words(between(new={"description": "x" * 500}))
    assert len(line) < 120


def test_many_changed_targets_are_still_told_one_by_one() -> None:
    new = {"mapping": {**BUGS["mapping"], **{f"F{n}": "title" for n in range(30)}}}
    assert len(words(between(new=new))) == 30


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=3), JSON, max_size=4), st.data())
def test_there_is_a_difference_exactly_where_something_differs(document: dict[str, Any], data: st.DataObject) -> None:
    """The law that a plan stands on: what it does not tell is not there."""
    document.pop("name", None)
    other = data.draw(st.one_of(st.just(document), st.dictionaries(st.text(min_size=1, max_size=3), JSON, max_size=4)))
    found = compare(Said(connections={"a": document}), Said(connections={"a": other}))
    same = repr(document) == repr(other) or (document == other and str(document) == str(other))
    if same:
        assert not found
    if not found:
        assert document == other


def test_what_is_said_has_templates_merged_and_its_hash_tells_the_same() -> None:
    texts: dict[str, str | bytes] = {"connections/main.yaml": CONNECTIONS, "connectors/web-bugs.yaml": CONNECTOR}
    edited = {**texts, "connectors/web-bugs.yaml": CONNECTOR + "mapping: {Due: due}\n"}
    commented = {**texts, "connectors/web-bugs.yaml": CONNECTOR + "# only a comment\n"}
    before = said(texts, ready_made())
    assert "mapping" in before.connectors["web-bugs"]
    assert not compare(before, said(commented, ready_made()))
    assert words(compare(before, said(edited, ready_made()))) == ["mapping.Due: due (new)"]
    hashes = [load(one, SYSTEMS, TRANSFORMS, ready_made()).hash for one in (texts, commented, edited)]
    assert (hashes[0] == hashes[1], hashes[0] == hashes[2]) == (True, False)
