"""Two texts are the same where only their writing differs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from connector.event import Text
from connector.richtext import FORMATS, convert, same
from connector.richtext.tree import Document, Style
from tests.richtext import trees


def text(known: str, content: Any) -> Text:
    return {"format": known, "content": content}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (text("markdown", "* a\n* b"), text("markdown", "- a\n- b\n")),
        (text("markdown", "__bold__ _it_\r\n\r\nx"), text("markdown", "**bold** *it*\n\nx")),
        (text("markdown", "Title\n====="), text("wiki", "h1. Title")),
        (text("wiki", "*b* {{c}}\n\n* x\n** y"), text("markdown", "**b** `c`\n\n- x\n  - y")),
        (text("wiki", "{color:red}word{color}"), text("markdown", "word")),
        (text("wiki", "bq. said"), text("wiki", "{quote}\nsaid\n{quote}")),
        (text("markdown", "| a |\n|---|\n| b |"), text("mrkdwn", "```\na\n-\nb\n```")),
        (text("plain", "see https://x.y"), text("markdown", "see <https://x.y>")),
    ],
)
def test_only_the_writing_differs(one: Text, other: Text) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (text("markdown", "a"), text("markdown", "b")),
        (text("markdown", "**a**"), text("wiki", "a")),
        (text("markdown", "`a  b`"), text("wiki", "{{a b}}")),
        (text("markdown", "- a\n- b"), text("wiki", "# a\n# b")),
        (text("markdown", "[a](https://x.y)"), text("wiki", "[a|https://x.z]")),
        (text("markdown", "```\na \n```"), text("wiki", "{code}\na\n{code}")),
    ],
)
def test_what_a_reader_would_see_differs(one: Text, other: Text) -> None:
    assert not same(one, other)
    assert not same(other, one)


def test_the_ids_that_jira_gives_to_tasks_and_the_joints_of_runs_do_not_count() -> None:
    def doc(*inlines: dict[str, Any], local_id: str) -> Text:
        item = {"type": "taskItem", "attrs": {"localId": local_id, "state": "TODO"}, "content": list(inlines)}
        tasks = {"type": "taskList", "attrs": {"localId": local_id}, "content": [item]}
        return text("adf", {"type": "doc", "version": 1, "content": [tasks]})

    one = doc({"type": "text", "text": "a"}, {"type": "text", "text": "b"}, local_id="1")
    assert same(one, doc({"type": "text", "text": "ab"}, local_id="2"))


def test_people_are_compared_by_who_they_are() -> None:
    mention = {"type": "mention", "attrs": {"id": "557058:ab", "text": "@Ann"}}
    cloud = text("adf", {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [mention]}]})
    assert same(cloud, text("wiki", "[~ann]"), people={"557058:ab": "ann"}.get)
    assert not same(cloud, text("wiki", "[~bob]"), people={"557058:ab": "ann"}.get)
    assert same(cloud, text("markdown", "@Ann"))


@pytest.mark.parametrize(
    ("known", "to"), [("adf", "markdown"), ("adf", "wiki"), ("wiki", "mrkdwn"), ("markdown", "adf")]
)
@given(document=trees.documents)
def test_a_text_is_the_same_as_its_translation(known: str, to: str, document: Document) -> None:
    source = text(known, FORMATS[known].write(document, Style()).content)
    assert same(source, text(to, convert(source, to).content))
