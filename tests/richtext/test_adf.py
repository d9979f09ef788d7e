"""Atlassian's documents: what we write fits the published schema, what we do not know survives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from connector.richtext import FORMATS, convert
from connector.richtext.tree import Document, Style
from tests.richtext import trees


def adf(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": list(blocks)}


def paragraph(*inlines: dict[str, Any]) -> dict[str, Any]:
    return {"type": "paragraph", "content": list(inlines)}


def text(words: str, *marks: str) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "text", "text": words}
    return {**made, "marks": [{"type": mark} for mark in marks]} if marks else made


def there_and_back(document: Any) -> Any:
    return FORMATS["adf"].write(FORMATS["adf"].read(document), Style()).content


def errors(schema: jsonschema.Draft4Validator, document: Any) -> list[str]:
    return [error.message[:300] for error in schema.iter_errors(document)]


@given(document=trees.documents)
def test_every_document_fits_the_schema(adf_schema: jsonschema.Draft4Validator, document: Document) -> None:
    assert errors(adf_schema, FORMATS["adf"].write(document, Style()).content) == []


def test_every_markdown_of_the_corpus_fits_the_schema(
    adf_schema: jsonschema.Draft4Validator, reference_data: Path
) -> None:
    cases = json.loads((reference_data / "adf" / "marklassian" / "cases.json").read_text("utf-8"))
    for case in cases:
        done = convert({"format": "markdown", "content": case["markdown"]}, "adf")
        assert errors(adf_schema, done.content) == [], case["name"]


def test_every_wiki_text_of_the_corpus_fits_the_schema(
    adf_schema: jsonschema.Draft4Validator, reference_data: Path
) -> None:
    cases = json.loads((reference_data / "wiki-markup" / "jira2markdown" / "cases.json").read_text("utf-8"))
    for case in cases:
        done = convert({"format": "wiki", "content": case["jira"]}, "adf")
        assert errors(adf_schema, done.content) == [], case["jira"]


def words_of(node: Any) -> str:
    if isinstance(node, dict):
        own = node.get("text", "") if node.get("type") == "text" else ""
        return own + "".join(words_of(one) for one in node.get("content", []))
    return ""


def types_of(node: Any) -> list[str]:
    return [node["type"], *(kind for one in node.get("content", []) for kind in types_of(one))]


@pytest.mark.parametrize("name", ["nested-list.json", "code-blocks.json", "inline-code-marks.json", "table.json"])
def test_markdown_becomes_what_another_converter_makes_of_it(reference_data: Path, name: str) -> None:
    folder = reference_data / "adf" / "marklassian"
    cases = json.loads((folder / "cases.json").read_text("utf-8"))
    markdown = next(case["markdown"] for case in cases if case["expected_adf_file"] == name)
    expected = json.loads((folder / name).read_text("utf-8"))
    done = convert({"format": "markdown", "content": markdown}, "adf").content
    assert [one["type"] for one in done["content"]] == [one["type"] for one in expected["content"]]
    assert words_of(done).split() == words_of(expected).split()
    # Below the top only lists and code are compared: pictures and empty cells are laid out differently.
    kinds = {"bulletList", "orderedList", "listItem", "codeBlock", "tableRow", "tableCell", "tableHeader"}
    assert [kind for kind in types_of(done) if kind in kinds] == [kind for kind in types_of(expected) if kind in kinds]


def test_a_document_goes_through_unchanged() -> None:
    document = adf(
        {"type": "heading", "attrs": {"level": 2}, "content": [text("Title")]},
        paragraph(
            text("bold", "strong"),
            text(" and "),
            {"type": "status", "attrs": {"text": "DONE", "color": "green"}},
            {"type": "hardBreak"},
            {"type": "date", "attrs": {"timestamp": "1700000000000"}},
            {"type": "inlineCard", "attrs": {"url": "https://x.y/1"}},
        ),
        {"type": "bulletList", "content": [{"type": "listItem", "content": [paragraph(text("point"))]}]},
        {"type": "codeBlock", "attrs": {"language": "py"}, "content": [text("x = 1\n\n  y")]},
        {"type": "panel", "attrs": {"panelType": "warning"}, "content": [paragraph(text("careful"))]},
        {"type": "expand", "attrs": {"title": "more"}, "content": [paragraph(text("inside"))]},
        {"type": "rule"},
    )
    assert there_and_back(document) == document


def test_nodes_nobody_knows_are_given_back_as_they_were() -> None:
    block = {"type": "newThing", "attrs": {"deep": {"a": [1, None]}}, "content": [paragraph(text("kept words"))]}
    inline = {"type": "mediaInline", "attrs": {"id": "1", "collection": "c"}}
    document = adf(block, paragraph(text("a"), inline))
    assert there_and_back(document) == document
    shown = convert({"format": "adf", "content": document}, "markdown")
    assert "kept words" in shown.content
    assert any("only its source knows" in loss for loss in shown.losses)


def test_ids_of_tasks_are_kept_and_new_ones_are_the_same_every_time() -> None:
    known = adf(
        {
            "type": "taskList",
            "attrs": {"localId": "list-7"},
            "content": [{"type": "taskItem", "attrs": {"localId": "t-9", "state": "DONE"}, "content": [text("a")]}],
        }
    )
    assert there_and_back(known) == known
    source: Any = {"format": "markdown", "content": "- [ ] a\n- [x] b"}
    assert convert(source, "adf").content == convert(source, "adf").content
    assert '"localId": "task-1"' in json.dumps(convert(source, "adf").content)


def test_content_nested_without_end_becomes_text_with_a_loss() -> None:
    node: dict[str, Any] = paragraph(text("the bottom"))
    for _ in range(5_000):
        node = {"type": "blockquote", "content": [node]}
    done = convert({"format": "adf", "content": adf(node)}, "markdown")
    assert "the bottom" in done.content
    assert any("deep" in loss for loss in done.losses)


def test_code_stands_with_a_link_only() -> None:
    done = convert({"format": "markdown", "content": "**[`x`](https://x.y)**"}, "adf").content
    marks = done["content"][0]["content"][0]["marks"]
    assert [mark["type"] for mark in marks] == ["link", "code"]


def test_what_a_list_cannot_hold_is_lowered_and_said() -> None:
    done = convert({"format": "markdown", "content": "- point\n\n  > quoted\n\n  | a |\n  |---|\n  | b |"}, "adf")
    kinds = [one["type"] for one in done.content["content"][0]["content"][0]["content"]]
    assert kinds == ["paragraph", "paragraph", "codeBlock"]
    assert any("quote" in loss for loss in done.losses)
    assert any("table" in loss for loss in done.losses)


def test_an_address_that_runs_code_is_no_link() -> None:
    link = {"type": "text", "text": "click", "marks": [{"type": "link", "attrs": {"href": "javascript:alert(1)"}}]}
    for name in FORMATS:
        assert "javascript" not in json.dumps(
            convert({"format": "adf", "content": adf(paragraph(link))}, name).content
        ).lower() or (
            name == "plain"  # words, that nobody can click
        )
