"""Paths tell *not said* from *empty*; no expression takes long."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import Rejected
from connector.expression import MISSING, compile_condition, compile_read, heads

VIEW: dict[str, Any] = {
    "title": "Button is grey",
    "labels": ["ui", "p1"],
    "milestone": None,
    "raw": {"issue": {"milestone": None, "user": {"login": "octocat"}, "tags": [{"n": 1}, {"n": 2}]}},
}


def read(text: str, view: dict[str, Any] = VIEW) -> Any:
    return compile_read(text)(view)


def test_a_plain_path_is_followed() -> None:
    assert read("raw.issue.user.login") == "octocat"


def test_an_absent_key_is_missing_and_an_empty_one_is_none() -> None:
    assert read("due") is MISSING
    assert read("raw.issue.nothing.deep") is MISSING
    assert read("milestone") is None


def test_what_lies_below_an_empty_value_is_empty() -> None:
    assert read("raw.issue.milestone.title") is None


def test_an_expression_over_an_absent_key_is_missing() -> None:
    assert read("assignees[0].login") is MISSING
    assert read("join(', ', assignees)") is MISSING
    assert read("assignees[?bot] | [0]") is MISSING


def test_an_expression_that_finds_nothing_in_a_known_list_is_none() -> None:
    assert read("labels[?starts_with(@, 'area/')] | [0]") is None
    assert read("join(', ', milestone)") is None


def test_a_fallback_reads_whichever_side_is_there() -> None:
    assert read("due || title") == "Button is grey"


def test_a_wrong_type_is_rejected_with_the_expression() -> None:
    with pytest.raises(Rejected, match="starts_with"):
        read("starts_with(labels, 'x')")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("a[", "is not a JMESPath expression"),
        ("lenght(labels)", "there is no function lenght"),
        ("!" * 900 + "a", "nested"),
        ("||".join(["a"] * 200), "nested deeper"),
        ("a" * 1_001, "is longer than"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_when_it_is_compiled(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        compile_read(text)


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("labels", True),
        ("milestone", False),
        ("due", False),
        ("contains(labels, 'ui')", True),
        ("labels[0] == 'p9'", False),
        ("`0`", True),
    ],
)
def test_conditions_follow_jmespaths_truth(text: str, *, truth: bool) -> None:
    assert compile_condition(text)(VIEW) is truth


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a.b.c", {"a"}),
        ("a[?b == 'x'].c | [0]", {"a"}),
        ("join(', ', a[*].b) || c", {"a", "c"}),
        ("{x: a, y: [b, c.d]}", {"a", "b", "c"}),
        ("!a && (b == c)", {"a", "b", "c"}),
        ("sort_by(a, &b)[0]", {"a"}),
        ("`1`", set()),
        ("a.*.b", {"a"}),
        ("a.[b, c]", {"a"}),
    ],
)
def test_an_expression_knows_the_names_it_starts_from(text: str, names: set[str]) -> None:
    assert heads(text) == names


@pytest.fixture(scope="module")
def five_megabytes() -> dict[str, Any]:
    items = [
        {"id": number, "tags": ["a" * 60, "b"], "sub": [{"x": one} for one in range(6)]} for number in range(36_000)
    ]
    found = {"raw": {"items": items}}
    assert len(json.dumps(found)) > 5_000_000
    return found


@pytest.mark.parametrize(
    "text",
    [
        "raw.items[].sub[].x",
        "raw.items[*].sub[*].x",
        "raw.items[?sub[?x == `3`]].id | [0]",
        "raw.items[].[@, @, @, @][].[@, @, @, @][].[@, @, @, @][]",
        "raw | " + " | ".join(["[@, @][]"] * 30),
        " | ".join(["[@, @]"] * 30),
        " | ".join(["[raw.items, raw.items]"] * 2) + " | to_string(@)",
        "[[@, @] | [@, @] | [@, @] | [@, @] | [@, @] | [@, @]] == [[@, @] | [@, @] | [@, @] | [@, @] | [@, @] | [@, @]]",
        "join('x', raw.items[].tags[].[@, @, @][])",
        "sort_by(raw.items, &to_string(@))[0].id",
        "raw.items[*].sub[*].x | [0] | sort(@)",
        "map(&to_string(@), raw.items)",
        "max_by(raw.items, &length(sub)).id",
    ],
)
def test_five_megabytes_are_answered_or_refused_within_a_second(text: str, five_megabytes: dict[str, Any]) -> None:
    expression = compile_read(text)
    begun = time.process_time()
    with contextlib.suppress(Rejected):
        expression(five_megabytes)
    assert time.process_time() - begun < 1.0


def test_doubling_is_refused_rather_than_built() -> None:
    with pytest.raises(Rejected, match="too long"):
        read("labels | " + " | ".join(["[@, @][]"] * 30))


def test_a_deeply_nested_payload_is_refused_by_functions_that_would_recurse() -> None:
    deep: Any = "end"
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(Rejected, match="nested too deeply"):
        read("to_string(raw)", {"raw": deep})


KEYS = st.sampled_from("abc")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["x", ""]),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=8,
)
EXPRESSIONS = [
    *(
        "a",
        "a.b",
        "a.b.c",
        "a[0]",
        "a[*].b",
        "a[]",
        "a[?b].c",
        "a || b",
        "a && b",
        "!a",
        "a.*",
        "[a, b]",
        "{x: a, y: b}",
    ),
    *("a == b", "a[0] == b[0]", "length(not_null(a, `[]`) || `[]`)", "type(a)", "a | [0]", "a[-1:]", "to_array(b)[].c"),
]


@given(st.dictionaries(KEYS, JSON, max_size=3), st.sampled_from(EXPRESSIONS))
@settings(max_examples=200)
def test_bounded_evaluation_agrees_with_jmespath(view: dict[str, Any], text: str) -> None:
    try:
        expected = jmespath.search(text, view)
    except jmespath.exceptions.JMESPathError:
        return
    found = read(text, view)
    assert (None if found is MISSING else found) == expected
