"""The lock holds names and ids, reads back as it was written, and says what it is where it cannot be read."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import ConfigError
from connector.listed import Listed, Takes
from connector.lock import MOST_OPTIONS, Entry, Lock, Question, dumped, kept, loaded

TAKEN = date(2026, 11, 24)
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)
facts = st.fixed_dictionaries(
    {},
    optional={
        "takes": st.sampled_from([one.value for one in Takes]),
        "required": st.just(value=True),
        "aliases": st.lists(words, min_size=1, max_size=3),
        "options": st.lists(st.fixed_dictionaries({"id": words, "name": words}), max_size=4),
    },
)
rows = st.lists(st.builds(Listed, words, words, facts), max_size=5, unique_by=lambda one: one.id)
entries = st.dictionaries(
    st.builds(Question, words, st.sampled_from(["fields", "labels"]), st.sampled_from([(), (("project", "WEB"),)])),
    st.builds(lambda some: Entry(TAKEN, tuple(some)), rows),
    max_size=4,
)


@given(entries)
def test_a_lock_reads_back_as_it_was_written(some: dict[Question, Entry]) -> None:
    lock = Lock(some)
    assert loaded("x", dumped(lock).encode()) == lock


@given(entries)
def test_the_same_answers_are_written_the_same(some: dict[Question, Entry]) -> None:
    again = dict(reversed(list(some.items())))
    assert dumped(Lock(some)) == dumped(Lock(again))


def test_only_names_and_ids_are_kept() -> None:
    question = Question("jira", "fields", (("project", "WEB"),))
    row = Listed(
        "c1",
        "Severity",
        {
            "takes": Takes.OPTION,
            "type": "option (select)",
            "screens": ["create"],
            "required": False,
            "options": [{"id": "1", "name": "Major", "self": "https://acme.example/1", "by": "ada@acme.example"}],
        },
    )
    assert kept(question, [row]) == (
        Listed("c1", "Severity", {"takes": "option", "options": [{"id": "1", "name": "Major"}]}),
    )


def test_a_list_of_people_can_not_be_kept() -> None:
    with pytest.raises(KeyError):
        kept(Question("jira", "users"), [Listed("1", "Ada")])


def test_only_the_channel_that_is_used_is_kept() -> None:
    some = [Listed("C1", "#alerts", {"member": True}), Listed("C2", "#layoffs")]
    assert kept(Question("slack", "channels", (("channel", "#alerts"),)), some) == (Listed("C1", "#alerts"),)


def test_a_field_with_very_many_options_is_kept_without_them() -> None:
    options = [{"id": str(number), "name": f"n{number}"} for number in range(MOST_OPTIONS + 1)]
    (row,) = kept(Question("jira", "fields"), [Listed("c1", "Customer", {"takes": Takes.OPTION, "options": options})])
    assert row.facts == {"takes": "option"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "must be a mapping"),
        (b"version: 2\nlists: []\n", "version: must be 1"),
        (b"version: 1\n", "lists: is required"),
        (
            b"version: 1\nlists: [{connection: a, list: users, of: {}, taken: '2026-11-24', rows: []}]\n",
            "lists[0].list",
        ),
        (b"version: 1\nlists: [{connection: a, list: fields, of: {}, taken: now, rows: []}]\n", "lists[0].taken"),
        (
            b"version: 1\nlists: [{connection: a, list: fields, of: {}, taken: '2026-11-24', rows: [{id: '1'}]}]\n",
            "lists[0].rows[0].name: is required",
        ),
        (b"version: 1\nlists:\n<<<<<<< HEAD\n- a\n=======\n", "x:4: is not YAML"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"version: 1\nlists: &a [*a]\n", "*a contains itself"),
        (b"- " * 100_000, "is nested deeper"),
        (b"!!python/object/apply:os.system [ls]", "tags are not allowed"),
    ],
)
def test_what_is_no_lock_is_said_to_be_with_the_way_to_mend_it(text: bytes, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded("x", text)
    (problem,) = caught.value.problems
    assert told in str(problem)
    assert "write it anew with connector snapshot" in problem.message
