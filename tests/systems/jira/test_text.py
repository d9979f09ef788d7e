"""Rich text reaches each flavour in its own form, and comes back as what it was."""

from __future__ import annotations

from typing import Any

import pytest

from connector.event import Kind
from connector.link import Marker, effect_key
from connector.richtext import plain
from connector.system import Action, Change, Inbound, Target, Trust
from connector.systems.jira import SYSTEM
from connector.systems.jira.settings import JiraTarget
from connector.systems.jira.text import LIMIT, comparable
from tests.systems.jira.places import Someone, place

assert SYSTEM.target is not None
JIRA: Target = SYSTEM.target
WEB = JiraTarget("WEB")
MARKDOWN = "# Steps\n\n1. open **it**\n2. see `500`\n\n```python\nprint(1)\n```\n"


def markdown(words: str) -> dict[str, str]:
    return {"format": "markdown", "content": words}


def test_cloud_takes_a_document_and_data_center_wiki_markup() -> None:
    document, _ = JIRA.text(place("cloud").site, WEB, markdown(MARKDOWN))
    wiki, _ = JIRA.text(place("data-center").site, WEB, markdown(MARKDOWN))
    assert [node["type"] for node in document["content"]] == ["heading", "orderedList", "codeBlock"]
    assert wiki.startswith("h1. Steps")
    assert "{code:python}\nprint(1)\n{code}" in wiki


@pytest.mark.parametrize("flavour", ["cloud", "data-center"])
def test_a_text_over_the_limit_is_cut_and_the_loss_is_told(flavour: str) -> None:
    here = place(flavour)
    content, losses = JIRA.text(here.site, WEB, markdown("word " * 20_000))
    # Of a document the letters are counted, as of wiki markup: what Jira counts of ADF is not published.
    letters = content if isinstance(content, str) else plain({"format": "adf", "content": content})
    assert LIMIT * 0.9 < len(letters) <= LIMIT
    assert any("cut" in loss or "truncated" in loss for loss in losses), losses


def test_plain_words_stay_plain_whatever_they_look_like() -> None:
    here = place("data-center")
    shaped = JIRA.shape(here.site, WEB, {"Summary": "x", "Description": "*not* bold {code} [~ada]"}, None)
    assert shaped.fields["description"] != "*not* bold {code} [~ada]", "it is escaped"
    assert plain({"format": "wiki", "content": shaped.fields["description"]}) == "*not* bold {code} [~ada]"


def test_a_rich_text_in_a_short_field_becomes_one_line() -> None:
    shaped = JIRA.shape(place().site, WEB, {"Summary": markdown("**It**\n\nbreaks")}, None)
    assert shaped.fields["summary"] == "It breaks"


@pytest.mark.parametrize("flavour", ["cloud", "data-center"])
def test_a_comment_comes_back_with_the_words_it_was_written_with(flavour: str) -> None:
    here = place(flavour)
    issue = Someone(here).creates()
    entity = SYSTEM.find(here.site, None, issue).entity
    here.sandbox.hooks(here.clock())
    body, _ = JIRA.text(here.site, WEB, markdown(MARKDOWN))
    mark = Marker("test", "github", effect_key("uid", "github:issue:1", "comment", "1"))
    JIRA.write(here.site, WEB, Change(Action.COMMENT, mark.effect, mark, entity=entity, body=body))
    hook = here.sandbox.hooks(here.clock())[0]
    (event,) = SYSTEM.receive("here", here.site.settings, Inbound(hook.headers, hook.body), Trust.SIGNED).events
    assert event.kind is Kind.COMMENT_CREATED
    full = SYSTEM.complete(here.site, event)
    assert full is not None
    assert event.data["comment"]["body"]["format"] == "wiki"
    assert full.data["comment"]["body"]["format"] == ("adf" if flavour == "cloud" else "wiki")
    assert _squeezed(full.data["comment"]["body"]) == _squeezed(event.data["comment"]["body"])


def _squeezed(text: Any) -> str:
    return " ".join(plain(text).split())


def test_ids_of_tasks_are_kept_and_other_local_ids_dropped() -> None:
    task = {"type": "taskItem", "attrs": {"localId": "a", "state": "TODO"}, "content": []}
    paragraph = {"type": "paragraph", "attrs": {"localId": "b"}, "content": [task]}
    assert comparable(paragraph) == {"type": "paragraph", "content": [task]}
