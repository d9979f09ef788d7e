"""Each transform does what its own example says, and refuses arguments that cannot be at once."""

from __future__ import annotations

import doctest
import time
import tracemalloc
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector import arguments, declare, phrases
from connector.errors import Rejected
from connector.transforms import TRANSFORMS, lists, steps, text, values


def made(name: str, /, **given: Any) -> Any:
    return arguments.made(name, given, TRANSFORMS)


@pytest.mark.parametrize("module", [text, lists, values, phrases, declare])
def test_the_examples_are_true(module: Any) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_shows_an_example(name: str) -> None:
    assert f">>> {name}(" in (TRANSFORMS[name].__doc__ or "")


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("lowr", {}, "there is no transform 'lowr'; did you mean 'lower'?"),
        ("truncate", {}, "truncate needs length"),
        ("truncate", {"lenght": 3}, "did you mean 'length'?"),
        ("truncate", {"length": "3"}, "length must be a whole number, not '3'"),
        ("truncate", {"length": True}, "length must be a whole number"),
        ("truncate", {"length": 0}, "length must lie between"),
        ("truncate", {"length": 10**9}, "length must lie between"),
        ("truncate", {"length": 3, "unit": "words"}, "unit must be chars or utf16 or bytes"),
        ("lower", {"": 1}, "lower takes no arguments"),
        ("join", {"": 3}, "separator must be text"),
        ("prefix", {"text": "x" * 1_001}, "is longer than"),
        ("split", {"separator": ""}, "must not be empty"),
        ("replace", {"old": "", "new": "x"}, "must not be empty"),
        ("regex", {"pattern": "(", "replace": ""}, "is not a pattern of RE2"),
        ("regex", {"pattern": r"(a)\1", "replace": ""}, "is not a pattern of RE2"),
        ("regex", {"pattern": "(a)", "replace": r"\2"}, "names group 2"),
        ("extract", {"pattern": "(?=a)"}, "is not a pattern of RE2"),
        ("date", {"to": "%c"}, "must be iso, date or a pattern"),
        ("date", {"to": "tomorrow"}, "must be iso, date or a pattern"),
        ("date", {"zone": "Mars/Olympus"}, "there is no time zone"),
        ("date", {"zone": "../../etc/passwd"}, "there is no time zone"),
        ("keep", {}, "give either items or pattern"),
        ("keep", {"items": ["a"], "pattern": "b"}, "give either items or pattern"),
        ("keep", {"items": [1]}, "items must be a list"),
        ("lookup", {"table": []}, "table must be a mapping"),
        ("person", {"part": "phone"}, "part must be id or name or login or email"),
    ],
)
def test_arguments_are_checked_before_any_event(name: str, given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError) as caught:
        arguments.made(name, given, TRANSFORMS)
    assert why in str(caught.value)


def test_text_steps_go_through_lists_and_leave_nothing_alone() -> None:
    assert made("upper")(["a", None, "b"]) == ["A", None, "B"]
    assert made("upper")(None) is None


def test_text_steps_write_people_and_numbers_out() -> None:
    assert made("upper")({"login": "octocat", "name": "Mona"}) == "MONA"
    assert made("prefix", text="#")(12) == "#12"


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", "2026-11-31T00:00:00Z", 1e300, {"a": 1}])
def test_what_is_no_date_is_rejected_by_name(value: Any) -> None:
    with pytest.raises(Rejected, match="is not a date") as caught:
        made("date")(value)
    assert caught.value.cause == "transform:date"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-29T01:30:00Z", "2026-03-29 03:30"),
        ("2026-10-25T00:30:00Z", "2026-10-25 02:30"),
        ("2026-10-25T01:30:00.000+0000", "2026-10-25 02:30"),
        (1_767_225_600, "2026-01-01 01:00"),
        (1_767_225_600_000, "2026-01-01 01:00"),
        ("2026-11-23T10:00:00", "2026-11-23 11:00"),
        (None, None),
        ("", None),
    ],
)
def test_times_move_into_a_zone_across_daylight_saving(value: Any, expected: Any) -> None:
    assert made("date", to="%Y-%m-%d %H:%M", zone="Europe/Berlin")(value) == expected


def test_a_plain_date_stays_where_it_is_in_any_zone() -> None:
    assert made("date", to="date", zone="America/Los_Angeles")("2026-11-23") == "2026-11-23"


@pytest.mark.parametrize("value", ["nan", "inf", "1e400", "twelve", "9" * 30])
def test_what_no_field_could_hold_is_no_number(value: str) -> None:
    with pytest.raises(Rejected, match="is not a number"):
        made("number")(value)


def test_a_catastrophic_pattern_takes_no_time() -> None:
    step = made("regex", pattern="(a+)+$", replace="x")
    begun = time.process_time()
    step("a" * 50_000 + "!")
    made("keep", pattern="(a|aa)+")(["a" * 50_000 + "!"])
    assert time.process_time() - begun < 1.0


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("replace", {"old": "a", "new": "b" * 1_000}, "a" * 60_000),
        ("join", {"separator": "x" * 1_000}, ["a"] * 60_000),
        ("prefix", {"text": "x"}, "a" * 1_000_000),
        ("regex", {"pattern": "a", "replace": "b" * 1_000}, "a" * 100_000),
    ],
)
def test_no_step_makes_a_text_that_no_field_could_take(name: str, given: dict[str, Any], value: Any) -> None:
    with pytest.raises(Rejected) as caught:
        made(name, **given)(value)
    assert caught.value.cause == "transform:size"


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("replace", {"old": "a", "new": "b" * 1_000}, "a" * 60_000),
        ("join", {"separator": "x" * 1_000}, ["a"] * 60_000),
    ],
)
def test_what_would_be_too_long_is_not_even_built(name: str, given: dict[str, Any], value: Any) -> None:
    step = made(name, **given)
    tracemalloc.start()
    try:
        with pytest.raises(Rejected):
            step(value)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_unique_tells_equal_people_from_different_ones() -> None:
    assert made("unique")([{"id": "1"}, {"id": "2"}, {"id": "1"}]) == [{"id": "1"}, {"id": "2"}]


def test_rich_text_becomes_plain_where_a_step_needs_text() -> None:
    rich = {"format": "markdown", "content": "It **should** be green."}
    assert made("upper")(rich) == "IT SHOULD BE GREEN."
    assert made("plain")(rich) == "It should be green."
    assert made("markdown")(rich) == "It **should** be green."


@given(st.text(max_size=60), st.integers(1, 40), st.sampled_from(phrases.UNITS), st.sampled_from(["…", "", "..."]))
@settings(max_examples=200)
def test_a_cut_text_fits_and_is_a_beginning(value: str, length: int, unit: str, ellipsis: str) -> None:
    cut = phrases.cut(value, length, unit, ellipsis)
    assert phrases.size(cut, unit) <= length
    assert value.startswith(cut.removesuffix(ellipsis)) or value == cut


def test_a_cut_never_parts_a_letter_from_its_accent() -> None:
    decomposed = unicodedata.normalize("NFD", "né")
    assert phrases.cut(decomposed, 2, "chars", "") == "n"


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "login", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
GIVEN: dict[str, dict[str, Any]] = {
    "truncate": {"length": 3},
    "replace": {"old": "a", "new": "b"},
    "regex": {"pattern": "a", "replace": "b"},
    "extract": {"pattern": "a"},
    "prefix": {"text": "x"},
    "suffix": {"text": "x"},
    "concat": {"items": ["x"]},
    "keep": {"items": ["x"]},
    "drop": {"items": ["x"]},
    "default_if_empty": {"value": 1},
    "lookup": {"table": {"a": 1}},
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_needs_only_known_arguments(name: str) -> None:
    made(name, **GIVEN.get(name, {}))


@given(st.sampled_from(sorted(TRANSFORMS)), ANY)
@settings(max_examples=300)
def test_a_step_answers_or_rejects_any_json(name: str, value: Any) -> None:
    try:
        made(name, **GIVEN.get(name, {}))(value)
    except Rejected as rejected:
        assert str(rejected)  # noqa: PT017  rejecting is one of the two right answers
    assert steps.text_of(value) is not None
