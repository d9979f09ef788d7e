"""Jira's wiki markup: real notation is understood, foreign text stays text, nothing is lost."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connector.richtext import FORMATS, convert, plain
from connector.richtext.tree import Style

LEAST_RATE = 0.85
"""Share of the corpus that must come out as that package's tests say."""


def markdown(wiki: str) -> str:
    return str(FORMATS["markdown"].write(FORMATS["wiki"].read(wiki), Style(pings=True)).content)


def wiki(text: str) -> Any:
    return convert({"format": "markdown", "content": text}, "wiki").content


def normal(text: str) -> list[str]:
    """Bring Markdown into one form: our own writing of it, without empty lines.

    Left out of the comparison on purpose: the language that package gives to code without one, its
    attributes of pictures, links of attachments (we show their name), backslashes.
    """
    text = re.sub(r"```Java\n", "```\n", text)
    text = re.sub(r"\{(?:width|height)=[^}]*\}", "", text)
    text = re.sub(r"\[([\w.-]+)\]\(\1\)", r"\1", text)
    written = str(FORMATS["markdown"].write(FORMATS["markdown"].read(text), Style(pings=True)).content)
    lines = (line.replace("\\", "").rstrip() for line in written.split("\n"))
    return [line for line in lines if line.strip("> ")]


def test_most_of_the_corpus_is_read_as_its_authors_say(reference_data: Path) -> None:
    cases = json.loads((reference_data / "wiki-markup" / "jira2markdown" / "cases.json").read_text("utf-8"))
    cases = [case for case in cases if not case.get("options")]  # those map people, which is not reading
    wrong = [case["jira"] for case in cases if normal(markdown(case["jira"])) != normal(case["markdown"])]
    rate = 1 - len(wrong) / len(cases)
    assert rate >= LEAST_RATE, f"{rate:.1%}: {wrong}"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("h2. Title", "## Title"),
        ("*b* _i_ -s- {{c}}", "**b** *i* ~~s~~ `c`"),
        ("a{*}b{*}c", "a**b**c"),
        ("* a\n** b\n*# c\n* d", "- a\n  - b\n\n  1. c\n\n- d"),
        ("# a\n#* b", "1. a\n   - b"),
        ("[words|https://x.y] https://x.y/1", "[words](https://x.y) https://x.y/1"),
        ("[https://x.y/1|https://x.y/1|smart-link]", "https://x.y/1"),
        ("{code:python}\nx = 1\n{code}", "```python\nx = 1\n```"),
        ("{noformat}\n*a*\n{noformat}", "```\n*a*\n```"),
        ("{quote}\na\n\n* b\n{quote}", "> a\n>\n> - b"),
        ("bq. a", "> a"),
        ("{info:title=T}\na\n{info}", "> [!NOTE]\n> **T**\n>\n> a"),
        ("||a||b||\n|c|d|", "| a | b |\n| --- | --- |\n| c | d |"),
        ("----", "---"),
        ("[*see http://x.y/a_b&amp;lt;*|http://x.y]", "[**see http://x.y/a_b\\&lt;**](http://x.y)"),
        ("a\\\\b", "a\nb"),
        (r"\*a\*", r"\*a\*"),
        ("!https://x.y/z.png|thumbnail!", "![https://x.y/z.png](https://x.y/z.png)"),
        ("(/) done", ":white_check_mark: done"),
        ("{color:red}a{color}", "a"),
        ("{unknown:x=1}text{unknown}", "{unknown:x=1}text{unknown}"),
        ("{code}never ends", "{code}never ends"),
    ],
)
def test_notation_is_understood(source: str, expected: str) -> None:
    assert markdown(source) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{code}",
        "{panel}x{panel}",
        "[~admin]",
        "[a|http://x.y]",
        "!a.png!",
        "{{x}}",
        "h1. x",
        "bq. x",
        "||a||",
        "a \\\\ b",
        "(x) :)",
    ],
)
def test_foreign_text_stays_text(text: str) -> None:
    done = convert({"format": "plain", "content": text}, "wiki")
    assert plain({"format": "wiki", "content": done.content}) == text


def test_people_are_named_as_each_jira_wants() -> None:
    source: Any = {"format": "markdown", "content": "ask @octocat"}
    assert convert(source, "wiki", people={"octocat": "557058:ab-c"}.get).content == "ask [~accountid:557058:ab-c]"
    assert convert(source, "wiki", people={"octocat": "jdoe"}.get).content == "ask [~jdoe]"
    assert convert(source, "wiki").content == "ask @octocat"


def test_people_are_found_in_both_notations() -> None:
    source: Any = {"format": "wiki", "content": "[~jdoe] and [~accountid:557058:ab-c]"}
    people = {"jdoe": "john", "557058:ab-c": "alice"}
    assert convert(source, "markdown", people=people.get).content == "@john and @alice"


def test_marks_inside_of_words_are_braced() -> None:
    assert wiki("a**b**c") == "a{*}b{*}c"


def test_ordinary_text_is_not_escaped() -> None:
    text = "well-known C:\\temp, snake_case, 1-2, a - b, really?? yes! [WEB-1] 50% a/b 'x'"
    assert convert({"format": "plain", "content": text}, "wiki").content == text


def test_code_that_holds_the_sign_of_code_is_kept() -> None:
    code = "a {code} b"
    done = wiki(f"```\n{code}\n```")
    assert done == f"{{noformat}}\n{code}\n{{noformat}}"


def test_code_that_no_macro_can_hold_is_said_to_be_changed() -> None:
    done = convert({"format": "markdown", "content": "```\n{code} {noformat}\n```"}, "wiki")
    assert any("macro signs" in loss for loss in done.losses)


def test_boxes_in_boxes_of_their_kind_are_shown_once_and_said() -> None:
    done = convert({"format": "markdown", "content": "> a\n>\n> > b"}, "wiki")
    assert done.content == "{quote}\na\n\nb\n{quote}"
    assert any("nest" in loss for loss in done.losses)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{panel:title=T|bgColor=#fff}\na\n{panel}", "colours or borders of a panel"),
        ("{code:title=a.py|borderStyle=solid}\nx\n{code}", "title or look of a code block"),
        ("!plan.png|width=300!", "size or place of an image"),
        ("{anchor:here}a", "anchor within the text"),
    ],
)
def test_what_markup_says_beyond_the_tree_is_named(text: str, said: str) -> None:
    assert said in convert({"format": "wiki", "content": text}, "markdown").losses
    assert (
        convert(
            {"format": "wiki", "content": f"{{noformat}}\n{text.replace('code', 'x')}\n{{noformat}}"}, "markdown"
        ).losses
        == ()
    )


@pytest.mark.parametrize(
    "text", ["{panel:title=T}\na\n{panel}", "{code:java}\nx\n{code}", "a | b! c | d!", "wow! a|b!"]
)
def test_ordinary_markup_loses_nothing(text: str) -> None:
    assert not {"colours or borders of a panel", "title or look of a code block", "size or place of an image"} & set(
        convert({"format": "wiki", "content": text}, "markdown").losses
    )
