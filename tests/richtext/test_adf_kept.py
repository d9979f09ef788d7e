"""A document of Atlassian that is read and written again is the same document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.richtext import FORMATS, convert
from connector.richtext.tree import Style

EMPTY = ("bulletList", "orderedList", "taskList", "table")
"""Nodes that show nothing without content, and are not written."""


def normal(node: Any) -> Any:
    """Bring a document into the form that is promised to stay: ids of editors left out, defaults left out.

    Left out are the ``localId`` of all but tasks and decisions, absent against empty ``content``, ``order``
    1 of a list, the order of marks, and where a text is parted although nothing changes.
    """
    if isinstance(node, list):
        made: list[Any] = []
        for one in map(normal, node):
            last = made[-1] if made else {}
            if one["type"] == "text" == last.get("type") and one.get("marks") == last.get("marks"):
                last["text"] += one["text"]
            else:
                made.append(one)
        return made
    kept = {name: value for name, value in node.items() if name not in {"attrs", "content", "marks"}}
    attrs = dict(node.get("attrs", {}))
    if node["type"] not in {"taskList", "taskItem", "decisionList", "decisionItem", "syncBlock"}:
        attrs.pop("localId", None)
    if node["type"] == "orderedList" and attrs.get("order") == 1:
        del attrs["order"]
    if node["type"] == "hardBreak":
        attrs = {}
    marks = sorted(node.get("marks", []), key=lambda mark: json.dumps(mark, sort_keys=True))
    parts = (("attrs", attrs), ("marks", marks), ("content", normal(node.get("content", []))))
    return {**kept, **{name: value for name, value in parts if value}}


def again(document: Any) -> Any:
    return FORMATS["adf"].write(FORMATS["adf"].read(document), Style()).content


def element(kind: str, *content: Any, marks: tuple[Any, ...] = (), **attrs: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"type": kind}
    made |= {"attrs": attrs} if attrs else {}
    made |= {"content": list(content)} if content else {}
    return made | ({"marks": list(marks)} if marks else {})


words = st.sampled_from(["word", "two words", "*a*", "Ünï", "😀", "שלום", "tab\there", "  "])
ids = st.sampled_from([{}, {"localId": "abc-1"}])
text_marks = st.lists(
    st.sampled_from(
        [
            element("strong"), element("em"), element("strike"), element("underline"),
            element("link", href="https://x.y/a"), element("subsup", type="sub"), element("textColor", color="#FF5630"),
            element("backgroundColor", color="#dcdfe4"), element("annotation", id="a1", annotationType="inlineComment"),
            element("annotation", id="a2", annotationType="inlineComment"),
        ]
    ),
    max_size=3,
    unique_by=lambda mark: json.dumps(mark) if mark["type"] == "annotation" else mark["type"],
).map(tuple)  # fmt: skip
texts = st.builds(lambda text, marks: {**element("text", marks=marks), "text": text}, words, text_marks)
inlines = st.one_of(
    texts,
    texts,
    st.sampled_from(
        [
            element("hardBreak"), element("mention", id="a:1", text="@Ann", accessLevel=""), element("mention", id="a:1"),
            element("mention", id="all", text="@all", userType="SPECIAL"), element("emoji", shortName=":smile:", text="😄"),
            element("emoji", shortName=":custom:", id="1f", text=":custom:"), element("date", timestamp="1700000000000"),
            element("status", text="DONE", color="green", style="bold"), element("status", text="x", color="#abcdef"),
            element("inlineCard", url="https://x.y/1"), element("inlineCard", data={"@type": "Document"}),
            element("placeholder", text="Type"), element("mediaInline", id="m", collection="c", type="file"),
            element("inlineExtension", extensionType="com.x", extensionKey="y", parameters={"a": [1, None]}),
            element("mention", id="a:1", text="@Ann", marks=(element("annotation", id="a3", annotationType="inlineComment"),)),
        ]
    ),
)  # fmt: skip
lines = st.lists(inlines, max_size=4)
paragraphs = st.builds(
    lambda content, marks, attrs: element("paragraph", *content, marks=marks, **attrs),
    lines,
    st.sampled_from([(), (element("alignment", align="center"),), (element("indentation", level=2),)]),
    ids,
)
media = element("media", id="f", type="file", collection="c", alt="plan.png")
leaves = st.one_of(
    paragraphs,
    paragraphs,
    st.builds(lambda content, level, attrs: element("heading", *content, level=level, **attrs), lines, st.integers(1, 6), ids),
    st.sampled_from(
        [
            element("rule"),
            {**element("codeBlock", language="python", wrap=True), "content": [{"type": "text", "text": "x = 1\n\ty \n"}]},
            element("codeBlock"), element("mediaSingle", media, layout="wrap-left", width=33.3), element("mediaGroup", media),
            element("mediaSingle", element("media", type="external", url="https://x.y/z.png", width=3), layout="wide"),
            element("mediaSingle", media, element("caption", {"type": "text", "text": "seen"}), layout="center"),
            element("mediaSingle", element("media", type="external", url="https://x.y/z.png"), layout="center"),
            element("blockCard", url="https://x.y/2"), element("blockCard", data={"name": "n"}),
            element("embedCard", url="https://x.y/3", layout="wide", width=80),
            element("extension", extensionType="com.x", extensionKey="roadmap", parameters={"deep": {"a": 1}}),
            element("syncBlock", resourceId="r", localId="s"), element("newThing", element("paragraph"), odd=[1, {"a": None}]),
        ]
    ),
)  # fmt: skip


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=2)
    item = st.builds(lambda blocks: element("listItem", *blocks), st.lists(paragraphs, min_size=1, max_size=2))
    nested = st.builds(lambda one, two: element("listItem", one, element("bulletList", two)), paragraphs, item)
    items = st.lists(st.one_of(item, nested), min_size=1, max_size=2)
    task = st.builds(
        lambda content, state: element("taskItem", *content, localId="t", state=state),
        lines,
        st.sampled_from(["TODO", "DONE"]),
    )
    decision = st.builds(lambda content: element("decisionItem", *content, localId="d", state="DECIDED"), lines)
    cell = st.builds(
        lambda kind, blocks, attrs: element(kind, *blocks, **attrs), st.sampled_from(["tableCell", "tableHeader"]),
        st.lists(paragraphs, min_size=1, max_size=2),
        st.sampled_from([{}, {"background": "#deebff", "colwidth": [120]}, {"colspan": 2}, {"rowspan": 2, "valign": "top"}]),
    )  # fmt: skip
    row = st.lists(cell, min_size=1, max_size=2).map(lambda cells: element("tableRow", *cells))
    return st.one_of(
        st.builds(lambda found, attrs: element("bulletList", *found, **attrs), items, ids),
        st.builds(lambda found, start: element("orderedList", *found, order=start), items, st.integers(0, 5)),
        st.lists(task, min_size=1, max_size=2).map(lambda found: element("taskList", *found, localId="l")),
        st.lists(decision, min_size=1, max_size=2).map(lambda found: element("decisionList", *found, localId="dl")),
        st.lists(paragraphs, min_size=1, max_size=2).map(lambda found: element("blockquote", *found)),
        st.builds(
            lambda found, attrs: element("panel", *found, **attrs), st.lists(paragraphs, min_size=1, max_size=2),
            st.sampled_from([{"panelType": "note"}, {"panelType": "custom", "panelIcon": ":x:", "panelColor": "#ffffff"},
                             {"panelType": "newest"}]),
        ),
        st.builds(lambda rows, attrs: element("table", *rows, **attrs), st.lists(row, min_size=1, max_size=2),
                  st.sampled_from([{}, {"isNumberColumnEnabled": True, "layout": "wide", "width": 760}])),
        st.builds(lambda found, marks: element("expand", *found, title="more", marks=marks), st.lists(paragraphs, min_size=1),
                  st.sampled_from([(), (element("breakout", mode="wide"),)])),
        st.builds(lambda one, two: element("layoutSection", element("layoutColumn", *one, width=66.66),
                                           element("layoutColumn", *two, width=33.33)), some, some),
        st.builds(lambda found: element("bodiedExtension", *found, extensionType="com.x", extensionKey="z"), some),
    )  # fmt: skip


blocks = st.recursive(leaves, _containers, max_leaves=5)
documents = st.lists(blocks, max_size=4).map(lambda content: {"type": "doc", "version": 1, "content": content})


@given(document=documents)
def test_reading_and_writing_changes_nothing(document: Any) -> None:
    assert normal(again(document)) == normal(document)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (element("paragraph", marks=(element("alignment", align="center"),)), "alignment"),
        (element("panel", element("paragraph"), panelType="custom", panelIcon=":x:"), "icon"),
        (element("layoutSection", *[element("layoutColumn", element("paragraph"), width=50)] * 2), "columns"),
        (element("decisionList", element("decisionItem", localId="d", state="DECIDED"), localId="l"), "decisions"),
        (element("embedCard", url="https://x.y", layout="wide"), "card"),
        (element("paragraph", {**element("text", marks=(element("annotation", id="1"),)), "text": "a"}), "comments"),
        (element("table", element("tableRow", element("tableCell", background="#fff000"))), "colour behind"),
        (element("table", element("tableRow", element("tableCell")), width=700), "width"),
    ],
)
def test_what_no_other_format_says_is_named(node: Any, said: str) -> None:
    document: Any = {"format": "adf", "content": {"type": "doc", "version": 1, "content": [node]}}
    for name in ("markdown", "wiki", "mrkdwn"):
        assert any(said in loss for loss in convert(document, name).losses)
    assert convert(document, "adf").losses == ()


def test_every_valid_document_of_the_corpus_stays(reference_data: Path, adf_schema: jsonschema.Draft4Validator) -> None:
    for path in sorted((reference_data / "adf" / "marklassian").glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        if isinstance(document, dict) and adf_schema.is_valid(document):
            assert normal(again(document)) == normal(document), path.name


@pytest.mark.parametrize(
    "node",
    [
        element("decisionList", element("decisionItem", localId="d", state="DECIDED"), localId="l"),
        element("bodiedSyncBlock", element("paragraph"), resourceId="r", localId="l"),
        element("embedCard", url="https://x.y", layout="wide"),
        element("paragraph", marks=(element("alignment", align="end"),)),
        element("expand", element("paragraph"), title="t", marks=(element("breakout", mode="wide"),)),
        element("bulletList", element("listItem", element("bulletList", element("listItem", element("paragraph"))))),
    ],
)
def test_what_was_valid_is_valid(adf_schema: jsonschema.Draft4Validator, node: Any) -> None:
    document = {"type": "doc", "version": 1, "content": [node]}
    assert adf_schema.is_valid(document)
    assert adf_schema.is_valid(again(document))


@pytest.mark.parametrize(
    "node",
    [
        element("mediaSingle", element("media", type="external", url="javascript:alert(1)"), layout="center"),
        element("blockCard", url="javascript:alert(1)"),
        element("extension", extensionType="x", parameters={"link": " JavaScript:alert(1)"}),
        element("panel", element("paragraph"), panelType="custom", panelIcon="javascript:alert(1)"),
        element("paragraph", {**element("text", marks=(element("odd", href="\tjavascript:x"),)), "text": "a"}),
    ],
)
def test_no_address_that_runs_code_is_carried_along(node: Any) -> None:
    done = again({"type": "doc", "version": 1, "content": [node]})
    assert "javascript:" not in json.dumps(done).lower().replace('"text": "javascript:', "")
