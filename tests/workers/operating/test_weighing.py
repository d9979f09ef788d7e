"""Values are put so that a person can weigh them: by name, as words, with what was changed of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from connector.link import Link
from connector.merge import Conflict
from workers.operating.questions import Question
from workers.operating.weighing import LARGEST, compared, given, weighed
from workers.sides import NEVER, in_words


def asked(**more: Any) -> Question:
    known: dict[str, Any] = {"wants": "a", "holds": "b", "wanted": "c", "held": "c", **more}
    conflict = Conflict(name="Summary", why="both", at="2027-01-15T08:00:00+00:00", **known)
    connector: Any = SimpleNamespace(name="pair")
    return Question(connector, Link("git:issue:1", "jira:issue:2"), conflict)


def document(*words: str) -> dict[str, Any]:
    return {
        "type": "doc",
        "version": 1,
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": one}]} for one in words],
    }


def test_texts_are_compared_word_by_word() -> None:
    assert compared("the old words", "the new words") == (
        ("same", "the "), ("gone", "old"), ("new", "new"), ("same", " words"),
    )  # fmt: skip
    assert compared("What both like", "Bob again") == (("gone", "What both like"), ("new", "Bob again"))
    assert compared("", "all of it") == (("new", "all of it"),)
    assert compared("same", "same") == (("same", "same"),)


def test_long_texts_are_compared_by_line_and_the_longest_not_at_all() -> None:
    before = "".join(f"line {number} is long\n" for number in range(600))
    pieces = compared(before, before.replace("line 7 is", "line 7 was"))
    assert ("gone", "line 7 is long\n") in pieces
    assert ("new", "line 7 was long\n") in pieces
    endless = "x\n" * 3000
    assert compared(endless, endless + "y") == (("same", endless + "y"),)


def test_an_id_is_told_by_its_name() -> None:
    told = weighed(asked(wants={"id": "1"}, holds={"id": "2"}, held={"id": "3"},
                         here=in_words({"id": "1"}, "High"), there=in_words({"id": "2"}, "Low")))  # fmt: skip
    assert (told.source.words, told.target.words, told.before, told.start) == ("High", "Low", "3", "High")
    people = in_words([{"accountId": "7"}], [{"name": "Ada", "id": "7"}])
    shown = weighed(asked(wants=[], holds=[{"accountId": "7"}], held=[], there=people))
    assert (shown.source.lines, shown.target.lines, shown.start) == ((), ("Ada",), "Ada")


def test_rich_text_is_words_and_begins_as_markdown() -> None:
    bold = document("Mind it")
    bold["content"][0]["content"][0]["marks"] = [{"type": "strong"}]
    told = weighed(asked(wants=bold, holds=document("Mind", "that"), held=document("Mind"), wanted=NEVER))
    assert (told.source.words, told.target.words, told.before) == ("Mind it", "Mind\n\nthat", "Mind")
    assert (told.is_rich, told.start.strip()) == (True, "**Mind it**")
    wiki = weighed(asked(wants="*Mind* it", holds="Mind", held=None, wanted=None, here={"format": "wiki"}))
    assert (wiki.source.words, wiki.start.strip(), wiki.before) == ("Mind it", "**Mind** it", None)


def test_what_was_written_over_is_told() -> None:
    told = weighed(asked(lost="to"))
    assert (told.source.lost, told.target.lost) == (False, True)


def test_what_a_person_wrote_is_text_a_list_or_nothing() -> None:
    assert given(asked(), " two\r\nlines ") == "two\nlines"
    assert given(asked(), "  ") is None
    assert given(asked(holds=["x"]), "one\r\n\r\n two ") == ["one", "two"]
    assert given(asked(holds=["x"]), "") == []
    with pytest.raises(ValueError, match="longer"):
        given(asked(), "x" * (LARGEST + 1))


def test_another_value_at_a_side_is_another_thing_to_decide() -> None:
    assert asked().seen == asked().seen
    assert asked().seen != asked(holds="other").seen
    assert asked().id == asked(holds="other").id
