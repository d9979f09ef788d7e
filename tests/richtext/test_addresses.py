"""Links and attached files of a copied text lead to where its new readers find them."""

from __future__ import annotations

from typing import Any

import pytest

from connector.event import Text
from connector.richtext import convert, merge_back, same

ISSUE = "https://jira.example/browse/WEB-1"
THERE = {
    "https://github.com/acme/web/issues/12": ISSUE,
    "https://github.com/acme/web/pull/3": "https://jira.example/browse/WEB-3",
}
FILES = {
    "plan.png": "https://jira.example/secure/attachment/1/plan.png",
    "notes.txt": "https://jira.example/2/notes.txt",
}


def text(known: str, content: Any) -> Text:
    return {"format": known, "content": content}


def media(name: str) -> Any:
    node = {"type": "media", "attrs": {"type": "file", "id": "f", "collection": "c", "alt": name}}
    return {"type": "mediaSingle", "attrs": {"layout": "center"}, "content": [node]}


def doc(*nodes: Any) -> Text:
    return text("adf", {"type": "doc", "version": 1, "content": list(nodes)})


def test_links_to_issues_lead_to_their_counterparts() -> None:
    source = text(
        "markdown",
        "see https://github.com/acme/web/issues/12, [that](https://github.com/acme/web/pull/3) and https://x.y",
    )
    done = convert(source, "wiki", links=THERE.get).content
    assert done == f"see [{ISSUE}], [that|https://jira.example/browse/WEB-3] and https://x.y"


def test_an_attached_picture_is_shown_where_it_can_be_found() -> None:
    for source in (text("wiki", "!plan.png!"), doc(media("plan.png"))):
        done = convert(source, "markdown", files=FILES.get)
        assert done.content == f"![plan.png]({FILES['plan.png']})"
        assert done.losses == ()


def test_an_attached_file_becomes_a_link() -> None:
    done = convert(text("wiki", "see [^notes.txt] and [the notes|^notes.txt]"), "markdown", files=FILES.get).content
    assert done == f"see [notes.txt]({FILES['notes.txt']}) and [the notes]({FILES['notes.txt']})"


@pytest.mark.parametrize("source", [text("wiki", "!odd.png!"), text("wiki", "[^odd.png]"), doc(media("odd.png"))])
@pytest.mark.parametrize("to", ["markdown", "mrkdwn"])
def test_a_file_that_is_not_known_leads_to_its_page_and_that_is_said(source: Text, to: str) -> None:
    done = convert(source, to, files=FILES.get, more=ISSUE)
    assert done.content in {f"[odd.png]({ISSUE})", f"<{ISSUE}|odd.png>"}
    assert any("link to the page" in loss for loss in done.losses)


def test_an_address_that_runs_code_is_no_file() -> None:
    done = convert(
        text("markdown", '<img src="javascript:alert(1)" alt="x">'), "wiki", files=lambda name: f"https://x.y/{name}"
    ).content
    assert done == "x"


def test_a_picture_of_the_media_service_survives_an_edit_of_the_words_around_it() -> None:
    inline = {"type": "mediaInline", "attrs": {"type": "file", "id": "f", "collection": "c", "alt": "plan.png"}}
    native = doc({"type": "paragraph", "content": [{"type": "text", "text": "look at "}, inline]}, media("odd.png"))
    rendered = text("markdown", convert(native, "markdown", files=FILES.get, more=ISSUE).content)
    edited = text("markdown", rendered["content"].replace("look", "peek"))
    done = merge_back(native, rendered, edited, files=FILES.get, more=ISSUE).text
    expected = doc({"type": "paragraph", "content": [{"type": "text", "text": "peek at "}, inline]}, media("odd.png"))
    assert done == expected


def test_texts_whose_links_are_counterparts_are_the_same() -> None:
    github = text("markdown", "see https://github.com/acme/web/issues/12")
    assert same(github, text("wiki", f"see {ISSUE}"), links=THERE.get)
    assert not same(github, text("wiki", f"see {ISSUE}"))
    native = text("wiki", "!plan.png!")
    assert same(native, text("markdown", f"![plan.png]({FILES['plan.png']})"), files=FILES.get)


def test_a_link_that_an_edit_adds_leads_to_our_counterpart() -> None:
    native = text("wiki", f"see {ISSUE}")
    rendered = text("markdown", "see https://github.com/acme/web/issues/12")
    edited = text("markdown", "now see https://github.com/acme/web/issues/12 and https://github.com/acme/web/pull/3")
    done = merge_back(native, rendered, edited, links=THERE.get).text["content"]
    assert done == f"now see {ISSUE} and https://jira.example/browse/WEB-3"
