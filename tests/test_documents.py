"""YAML 1.2 is read as words, with lines; what could hurt is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.documents import MOST_BYTES, Document, Place, read, written

LOADERS = [pytest.param(yaml.SafeLoader, id="python"), pytest.param(yaml.CSafeLoader, id="libyaml")]


def value(text: str) -> Any:
    document, problems = read("a.yaml", text)
    assert not problems
    assert document is not None
    return document.value


def refusal(text: str | bytes, loader: Any = yaml.CSafeLoader) -> str:
    _, problems = read("a.yaml", text, loader)
    assert problems, "nothing was refused"
    return str(problems[0])


@pytest.mark.parametrize(
    "word", ["no", "off", "yes", "on", "y", "n", "2026-11-23", "010", "0x1F", "1_000", "12:30:00", ".inf", "0o17"]
)
def test_words_that_yaml_1_1_misreads_stay_text(word: str) -> None:
    assert value(f"a: {word}") == {"a": word}


def test_the_core_schema_reads_numbers_booleans_and_null() -> None:
    assert value("[1, -7, 2.5, 1e3, .5, true, False, null, ~, ]") == [1, -7, 2.5, 1000.0, 0.5, True, False, None, None]


def test_quoted_scalars_are_text() -> None:
    assert value("""['1', "true", 'null', '']""") == ["1", "true", "null", ""]


def test_keys_are_always_text() -> None:
    assert value("{true: a, 1: b, null: c}") == {"true": "a", "1": "b", "null": "c"}


@pytest.mark.parametrize("loader", LOADERS)
def test_every_value_knows_its_line(loader: Any) -> None:
    document, _ = read("a.yaml", "a: 1\nb:\n  - x\n  - y: 2\n", loader)
    assert document is not None
    assert document.place(("b", 1, "y")) == Place("a.yaml", 4)
    assert document.place(("b", 1, "missing")) == Place("a.yaml", 4)
    assert document.at("b", 1).place(("y",)) == Place("a.yaml", 4)
    assert written(("b", 1, "y")) == "b[1].y"


def bomb() -> str:
    rows = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        rows.append(f"{name}: &{name} [{', '.join(['*' + before] * 9)}]")
    return "\n".join(rows)


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (bomb(), "a.yaml:4: holds more than"),
        ("[" * 5_000, "is nested deeper than"),
        ("- " * 5_000, "is nested deeper than"),
        ("a: &x [*x]", "contains itself"),
        ("a: *x", "a.yaml:1:"),
        ("a: !!python/object/apply:os.system [id]", "tags are not allowed"),
        ("a: !!str 1", "tags are not allowed"),
        ("b: 2\na: 1\na: 2", "a.yaml:3: a: stands twice; first in line 2"),
        ("a: {b: 1, b: 2}", "stands twice"),
        ("a: 1\n---\nb: 2", "several documents"),
        ("a: &x {b: 1}\nc:\n  <<: *x", "merge keys"),
        ("a: 9999999999999999999", "too large to be meant"),
        ("a: 1e999", "too large to be meant"),
        ("? [a]\n: 1", "a key must be text"),
        ("a: [1,", "a.yaml:"),
        ("a: \x07", "a character that YAML does not allow"),
        (b"a: \xff", "a.yaml:1: is not UTF-8"),
        ("#" * (MOST_BYTES + 1), "is larger than 256 KB"),
    ],
)
def test_what_could_hurt_is_refused_with_its_line(text: str | bytes, why: str, loader: Any) -> None:
    assert why in refusal(text, loader)


def test_an_anchor_used_a_few_times_is_welcome() -> None:
    assert value("a: &x [1]\nb: *x\nc: *x") == {"a": [1], "b": [1], "c": [1]}


def test_a_deep_alias_counts_where_it_is_used() -> None:
    rows = ["a0: &a0 {x: {x: {x: {x: {x: {x: {x: {x: 1}}}}}}}}"]
    rows += [f"a{n}: &a{n} {{x: {{x: {{x: {{x: {{x: *a{n - 1}}}}}}}}}}}" for n in range(1, 9)]
    assert "nested deeper" in refusal("\n".join(rows))


def test_an_empty_file_is_no_problem() -> None:
    assert read("a.yaml", "# nothing yet\n")[1] == []


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz", min_size=1, max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcxyz", min_size=1, max_size=4), plain, max_size=5))
@settings(max_examples=100)
def test_json_means_the_same_in_yaml(found: dict[str, Any]) -> None:
    assert value(json.dumps(found, ensure_ascii=False)) == found  # YAML has no surrogate pairs


@given(st.text(max_size=200))
@settings(max_examples=150)
def test_no_text_crashes_the_reader(text: str) -> None:
    document, problems = read("a.yaml", text)
    assert problems or isinstance(document, Document)
