"""An edit of a translation comes back as that edit, and everything nobody edited stays what it was."""

from __future__ import annotations

import json
import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.event import Text
from connector.richtext import FORMATS, convert, merge_back, plain, same
from connector.richtext.constructs import CONSTRUCTS
from connector.richtext.slices import nodes, sliced
from connector.richtext.tree import Document, Paragraph, Run, Style
from tests.richtext import trees
from tests.richtext.test_laws import HOSTILE

STRINGS = ("markdown", "wiki", "mrkdwn")
pairs = pytest.mark.parametrize(
    ("native", "foreign"),
    [("adf", "markdown"), ("adf", "mrkdwn"), ("wiki", "markdown"), ("markdown", "wiki"), ("mrkdwn", "adf")],
)


def text(known: str, content: Any) -> Text:
    return {"format": known, "content": content}


def shown(native: Text, foreign: str) -> Text:
    return text(foreign, convert(native, foreign).content)


def replaced(rendered: Text, old: str, new: str) -> Text:
    """Edit a translation as a person would, in its own format."""
    content = rendered["content"]
    if rendered["format"] == "adf":
        return text("adf", json.loads(json.dumps(content, ensure_ascii=False).replace(old, new)))
    return text(rendered["format"], content.replace(old, new))


def adf(*blocks: dict[str, Any]) -> Text:
    return text("adf", {"type": "doc", "version": 1, "content": list(blocks)})


def paragraph(*inlines: dict[str, Any]) -> dict[str, Any]:
    return {"type": "paragraph", "content": list(inlines)}


def words(content: str, **marks: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "text", "text": content}
    found = [{"type": kind, **({"attrs": attrs} if attrs else {})} for kind, attrs in marks.items()]
    return {**made, "marks": found} if found else made


@pairs
@given(data=st.data())
def test_no_edit_is_no_change(native: str, foreign: str, data: st.DataObject) -> None:
    content = data.draw(trees.adf_like if native == "adf" else trees.any_text)
    before = text(native, content)
    rendered = shown(before, foreign)
    assert merge_back(before, rendered, rendered).text == before


@pairs
@given(above=trees.blocks, below=trees.blocks)
def test_an_edit_of_one_paragraph_changes_that_one_only(
    native: str, foreign: str, above: tuple[Any, ...], below: tuple[Any, ...]
) -> None:
    document = Document((*above, Paragraph((Run("Sentinel stays here"),)), *below))
    before = text(native, FORMATS[native].write(document, Style()).content)
    edited = replaced(shown(before, foreign), "Sentinel stays", "Sentinel goes")
    done = merge_back(before, shown(before, foreign), edited)
    old, new = ([one.native for one in sliced(native, found["content"])] for found in (before, done.text))
    place = next(number for number, one in enumerate(old) if "Sentinel stays" in json.dumps(one))
    assert new[:place] == old[:place]
    assert new[place + 1 :] == old[place + 1 :]
    assert json.dumps(new[place]) == json.dumps(old[place]).replace("Sentinel stays", "Sentinel goes")


def written(known: str, names: list[str]) -> Text:
    """Return a text that holds some constructs."""
    document = Document(tuple(block for name in names for block in CONSTRUCTS[name]))
    return text(known, FORMATS[known].write(document, Style()).content)


some = st.lists(st.sampled_from(list(CONSTRUCTS)), max_size=3)


@pairs
@given(names=st.tuples(some, some, some, some))
def test_what_an_edit_says_is_what_the_text_says_then(native: str, foreign: str, names: tuple[list[str], ...]) -> None:
    first, gone, come, last = names
    before = written(native, [*first, *gone, *last])
    edited = shown(written(native, [*first, *come, *last]), foreign)
    done = merge_back(before, shown(before, foreign), edited)
    assert same(shown(done.text, foreign), edited)


@pairs
@given(data=st.data())
def test_any_edit_of_any_text_is_taken(native: str, foreign: str, data: st.DataObject) -> None:
    before = text(native, data.draw(trees.adf_like if native == "adf" else trees.any_text))
    edited = text(foreign, data.draw(trees.adf_like if foreign == "adf" else trees.any_text))
    done = merge_back(before, shown(before, foreign), edited)
    assert done.text["format"] == native
    json.dumps(done.text)


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_texts_are_merged_in_bounded_time(hostile: str) -> None:
    before = text("wiki", hostile[:3_000])
    rendered = shown(before, "markdown")
    edited = text("markdown", f"new\n\n{rendered['content']}\n\nnew")
    start = time.process_time()
    merge_back(before, rendered, edited)
    assert time.process_time() - start < 2


MENTION = {"type": "mention", "attrs": {"id": "5b10a2844c20165700ede21g", "text": "@Bob B", "accessLevel": ""}}
STATUS = {"type": "status", "attrs": {"text": "DONE", "color": "green", "localId": "s1"}}
DATE = {"type": "date", "attrs": {"timestamp": "1700000000000"}}
EXTENSION = {"type": "extension", "attrs": {"extensionType": "com.x", "extensionKey": "roadmap"}}
MEDIA = {
    "type": "mediaSingle",
    "attrs": {"layout": "wrap-left", "width": 40},
    "content": [{"type": "media", "attrs": {"type": "file", "id": "f1", "collection": "c", "alt": "plan.png"}}],
}
LAYOUT = {
    "type": "layoutSection",
    "content": [
        {"type": "layoutColumn", "attrs": {"width": 50.0}, "content": [paragraph(words("left"))]},
        {"type": "layoutColumn", "attrs": {"width": 50.0}, "content": [paragraph(words("right"))]},
    ],
}
RICH = adf(
    paragraph(words("Ask "), MENTION, words(" until "), DATE, words(" "), STATUS, words(" red", textColor={"color": "#ff0000"})),
    {"type": "panel", "attrs": {"panelType": "custom", "panelIcon": ":x:"}, "content": [paragraph(words("boxed"))]},
    EXTENSION,
    MEDIA,
    LAYOUT,
    {"type": "decisionList", "attrs": {"localId": "d"}, "content": [
        {"type": "decisionItem", "attrs": {"localId": "e", "state": "DECIDED"}, "content": [words("we go")]}]},
    {"type": "expand", "attrs": {"title": "more"}, "content": [paragraph(words("folded"))]},
    paragraph(words("last")),
)  # fmt: skip


@pytest.mark.parametrize("foreign", STRINGS)
def test_what_only_atlassian_has_survives_edits_elsewhere(foreign: str) -> None:
    rendered = shown(RICH, foreign)
    done = merge_back(RICH, rendered, replaced(rendered, "last", "very last"))
    content = RICH["content"]["content"]
    assert done.text == adf(*content[:-1], paragraph(words("very last")))
    assert done.losses == ()


@pytest.mark.parametrize("foreign", STRINGS)
def test_people_dates_and_colours_survive_edits_of_words_beside_them(foreign: str) -> None:
    rendered = shown(RICH, foreign)
    done = merge_back(RICH, rendered, replaced(rendered, "until", "before")).text["content"]["content"][0]
    assert [one["type"] for one in done["content"]] == ["text", "mention", "text", "date", "text", "status", "text"]
    assert done["content"][2]["text"] == " before "
    assert done["content"][-1] == words(" red", textColor={"color": "#ff0000"})


@pytest.mark.parametrize("foreign", STRINGS)
@pytest.mark.parametrize("word", ["left", "right", "boxed", "we go", "folded"])
def test_an_edit_within_a_box_changes_the_words_in_it_only(foreign: str, word: str) -> None:
    rendered = shown(RICH, foreign)
    done = merge_back(RICH, rendered, replaced(rendered, word, "edited"))
    assert done.text == replaced(RICH, f'"text": "{word}"', '"text": "edited"')


def test_between_two_documents_of_atlassian_the_place_of_a_paragraph_is_an_edit_too() -> None:
    native = adf(paragraph(words("a")), paragraph(words("b")))
    centred = {**paragraph(words("b")), "marks": [{"type": "alignment", "attrs": {"align": "center"}}]}
    edited = adf(paragraph(words("a")), centred)
    assert merge_back(native, native, edited).text == edited


@pytest.mark.parametrize("foreign", STRINGS)
def test_a_mark_put_on_elsewhere_is_put_on_here(foreign: str) -> None:
    native = adf(paragraph(words("one two three")))
    bold = {"markdown": "**two**", "wiki": "*two*", "mrkdwn": "*two*"}[foreign]
    rendered = shown(native, foreign)
    done = merge_back(native, rendered, replaced(rendered, "two", bold))
    assert done.text == adf(paragraph(words("one "), words("two", strong={}), words(" three")))
    back = merge_back(done.text, shown(done.text, foreign), rendered)
    assert back.text == native


def test_a_block_that_was_moved_is_still_the_same_block() -> None:
    rendered = shown(RICH, "markdown")
    parts = rendered["content"].split("\n\n")
    edited = text("markdown", "\n\n".join([parts[-1], *parts[:-1]]))
    content = RICH["content"]["content"]
    assert merge_back(RICH, rendered, edited).text == adf(content[-1], *content[:-1])


def test_what_was_deleted_is_gone_and_its_hidden_neighbours_stay() -> None:
    hidden = {"type": "paragraph", "content": []}
    native = adf(paragraph(words("a")), hidden, paragraph(words("b")), paragraph(words("c")))
    done = merge_back(native, shown(native, "markdown"), text("markdown", "a\n\nc"))
    assert done.text == adf(paragraph(words("a")), hidden, paragraph(words("c")))


def test_a_column_that_was_emptied_leaves_a_document_that_jira_takes(adf_schema: jsonschema.Draft4Validator) -> None:
    rendered = shown(RICH, "markdown")
    done = merge_back(RICH, rendered, replaced(rendered, "left\n\n", "")).text
    assert "right" in plain(done)
    kinds = [one["type"] for one in done["content"]["content"]]
    assert "layoutSection" not in kinds
    for limit in (20, 60, 100, 140, 200):
        cut = convert(RICH, "adf", limit=limit).content
        assert all(len(one["content"]) > 1 for one in cut["content"] if one["type"] == "layoutSection")
        assert adf_schema.is_valid(cut)


def test_a_decision_that_is_added_elsewhere_is_a_decision(adf_schema: jsonschema.Draft4Validator) -> None:
    rendered = shown(RICH, "markdown")
    done = merge_back(RICH, rendered, replaced(rendered, "- we go", "- we go\n- we stop")).text
    decisions = next(one for one in done["content"]["content"] if one["type"] == "decisionList")
    assert [one["attrs"]["localId"] for one in decisions["content"]] == ["e", "task-1"]
    assert adf_schema.is_valid(adf(decisions)["content"])
    numbered = merge_back(RICH, rendered, replaced(rendered, "- we go", "1. we go")).text
    assert any(one["type"] == "orderedList" for one in numbered["content"]["content"])


def test_the_rest_of_a_text_that_was_cut_is_not_lost() -> None:
    native = adf(*(paragraph(words(f"paragraph {number} of many")) for number in range(60)))
    rendered = text("markdown", convert(native, "markdown", limit=600, more="https://x.y").content)
    assert "paragraph 59" not in rendered["content"]
    done = merge_back(native, rendered, replaced(rendered, "paragraph 3 ", "section 3 "))
    expected = replaced(native, "paragraph 3 ", "section 3 ")
    assert done.text == expected


def test_what_the_translation_had_added_is_left_out() -> None:
    native = text("markdown", "Hello *there*\n\n<!-- kept -->")
    rendered = text("wiki", "*Ann* wrote:\n\nHello _there_")
    done = merge_back(native, rendered, replaced(rendered, "Hello", "Goodbye"))
    assert done.text["content"] == "Goodbye *there*\n\n<!-- kept -->"


def test_source_that_nobody_edited_stays_letter_by_letter() -> None:
    native = text(
        "markdown",
        "Title\r\n=====\r\n\r\n* one\r\n* two\r\n\r\n__old__ [ref]\r\n\r\nlast  \r\n\r\n[ref]: https://x.y\r\n",
    )
    rendered = shown(native, "adf")
    done = merge_back(native, rendered, replaced(rendered, "last", "new last")).text["content"]
    assert done == native["content"].replace("last  ", "new last")


def test_one_cell_of_a_table_is_edited() -> None:
    def cell(kind: str, content: str, **attrs: Any) -> dict[str, Any]:
        return {"type": kind, "attrs": attrs, "content": [paragraph(words(content, textColor={"color": "#00ff00"}))]}

    rows = [
        {"type": "tableRow", "content": [cell("tableHeader", "h"), cell("tableHeader", "i")]},
        {"type": "tableRow", "content": [cell("tableCell", "green"), cell("tableCell", "blue")]},
    ]
    native = adf({"type": "table", "content": rows})
    rendered = shown(native, "markdown")
    done = merge_back(native, rendered, replaced(rendered, "blue", "navy")).text
    green = {"type": "textColor", "attrs": {"color": "#00ff00"}}
    assert json.dumps(done).count(json.dumps(green)) == 4
    assert plain(done).endswith("green | navy")


def test_a_task_ticked_where_tasks_are_only_drawn_is_ticked() -> None:
    task = {"type": "taskItem", "attrs": {"localId": "t1", "state": "TODO"}, "content": [words("test it")]}
    native = adf({"type": "taskList", "attrs": {"localId": "l1"}, "content": [task]})
    rendered = shown(native, "mrkdwn")
    done = merge_back(native, rendered, replaced(rendered, "☐", "☑")).text
    assert done == replaced(native, "TODO", "DONE")


def test_an_edit_of_a_degraded_table_is_kept_and_the_loss_is_said() -> None:
    native = adf(
        {"type": "table", "content": [
            {"type": "tableRow", "content": [{"type": "tableCell", "content": [paragraph(words("cell"))]}]}]}
    )  # fmt: skip
    rendered = shown(native, "mrkdwn")
    done = merge_back(native, rendered, replaced(rendered, "cell", "edited"))
    assert "edited" in plain(done.text)
    assert any("simpler" in loss for loss in done.losses)


def test_people_who_are_mapped_stay_who_they_are() -> None:
    native = adf(paragraph(words("ask "), MENTION, words(" now")))
    rendered = text("markdown", "ask @octocat now")
    done = merge_back(native, rendered, text("markdown", "ask @octocat today"), people={"octocat": "5b10a"}.get)
    assert done.text == adf(paragraph(words("ask "), MENTION, words(" today")))


def test_people_are_ours_when_the_edit_comes_back() -> None:
    native = adf(paragraph(words("hello")))
    rendered = shown(native, "markdown")
    edited = text("markdown", "hello @octocat")
    done = merge_back(native, rendered, edited, people={"octocat": "5b10a2844c20165700ede21g"}.get).text
    assert done["content"]["content"][0]["content"][1]["attrs"]["id"] == "5b10a2844c20165700ede21g"


def test_an_edit_from_elsewhere_calls_nobody_but_what_the_author_wrote_goes_on_to_act() -> None:
    native = text("markdown", "Closes #12, cc @octocat for a")
    rendered = shown(native, "wiki")
    done = merge_back(native, rendered, replaced(rendered, "for a", "and @everyone about #13")).text["content"]
    assert done.startswith("Closes #12, cc @octocat and ")
    assert "@everyone" not in done
    assert "#13" not in done


@pytest.mark.parametrize("native", [text("adf", None), text("adf", "words"), text("markdown", ""), text("odd", "x")])
def test_an_edit_of_nothing_is_the_whole_text(native: Text) -> None:
    done = merge_back(native, text("wiki", ""), text("wiki", "h1. New\n\n* a"))
    assert plain(done.text).startswith(("New", "words", "x"))


def test_nodes_of_an_edited_document_stay_nodes() -> None:
    assert nodes(json.dumps(RICH["content"])) == RICH["content"]["content"]
