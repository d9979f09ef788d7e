"""GitHub's Markdown: readable going through, and quiet when it comes from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from connector.richtext import convert
from connector.richtext.guard import GUARD, guarded, unguarded


def through(text: str, **options: Any) -> str:
    return str(convert({"format": "markdown", "content": text}, "markdown", **options).content)


@pytest.mark.parametrize(
    "text",
    [
        "# Title\n\nSome **bold**, *italic*, ~~gone~~ and `code`.",
        "- a\n- b\n  - c\n    1. d\n- e",
        "- [ ] to do\n- [x] done",
        "3. three\n4. four",
        "```python\nx = '```'[0]\n```".replace("'```'[0]", "1"),
        "> quoted\n>\n> - list",
        "> [!WARNING]\n> careful",
        "| a | b |\n| --- | --- |\n| `x\\|y` | c<br>d |",
        "[words](https://x.y) and https://x.y/a_b?c=d",
        "![alt](https://x.y/z.png)",
        "a snake_case word, 2 * 3, C:\\temp, a < b, AT&T, [WEB-1] and (x)",
        "line one\nline two",
        "<details>\n<summary>more</summary>\n\ninside\n\n</details>",
        "H<sub>2</sub>O",
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert through(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ping @octocat", "@octocat"),
        ("(@acme/web)", "@acme"),
        ("Closes #12", "#12"),
        ("acme/web#12", "#12"),
        ("GH-12", "GH-12"),
        ("see !7", "!7"),
        ("Fixes https://github.com/a/b/issues/1", "Fixes "),
    ],
)
@pytest.mark.parametrize("source", ["plain", "wiki", "mrkdwn", "markdown"])
def test_copied_text_calls_nobody_and_closes_nothing(source: str, text: str, said: str) -> None:
    done = convert({"format": source, "content": text}, "markdown").content
    assert said not in done
    assert done.replace(GUARD, "") == text


def test_a_copy_of_a_copy_is_clean() -> None:
    first = through("ask @octocat about #1, Closes https://x.y/1")
    assert convert({"format": "markdown", "content": first}, "plain").content == (
        "ask @octocat about #1, Closes https://x.y/1"
    )
    assert through(first) == first


def test_a_person_who_is_known_is_notified() -> None:
    assert through("ask @octocat", people={"octocat": "hubot"}.get) == "ask @hubot"


def test_a_text_written_for_the_target_may_act_and_what_was_guarded_stays_guarded() -> None:
    inner = through("by @mallory")
    assert through(f"cc @oncall\n\n{inner}", pings=True) == f"cc @oncall\n\nby @{GUARD}mallory"


def test_addresses_and_code_are_left_alone() -> None:
    text = "`@a #1` https://x.y/#12\n\n```\n@b closes #2\n```"
    assert through(text) == text


def test_an_address_of_mail_is_no_mention() -> None:
    assert guarded("bob@acme.example") == "bob@acme.example"


def test_zero_width_spaces_of_the_text_itself_stay() -> None:
    assert unguarded(f"สวัสดี{GUARD}ครับ") == f"สวัสดี{GUARD}ครับ"


def test_bold_next_to_letters_and_signs_is_bold_all_the_same() -> None:
    done = convert({"format": "wiki", "content": "a{*}b.{*}c"}, "markdown").content
    assert done == "a<strong>b.</strong>c"


def test_hidden_comments_are_not_carried_along() -> None:
    assert through("a\n\n<!-- jc1:prod:jira:0123 -->\n\nb <!-- c --> d").split() == ["a", "b", "d"]


def test_what_looks_like_html_but_is_none_stays() -> None:
    done = convert({"format": "markdown", "content": "List<String> and <b>bold</b>"}, "plain").content
    assert done == "List<String> and bold"


def test_a_table_without_header_gets_one_and_says_so() -> None:
    done = convert({"format": "wiki", "content": "|a|b|\n|c|d|"}, "markdown")
    assert done.content.startswith("| a | b |\n| --- | --- |")
    assert any("header" in loss for loss in done.losses)


def test_lists_next_to_each_other_do_not_become_one() -> None:
    done = convert({"format": "wiki", "content": "* a\n\n* b"}, "markdown").content
    assert done == "- a\n\n* b"


@pytest.mark.parametrize("text", ["[a]: b", "[\n[a]: b", "[a](x]: b", "[a\nb]: c"])
def test_text_that_looks_like_the_definition_of_a_link_does_not_vanish(text: str) -> None:
    done = convert({"format": "plain", "content": text}, "markdown").content
    assert convert({"format": "markdown", "content": done}, "plain").content == text


def test_what_is_nested_too_deep_is_kept_as_text_and_said() -> None:
    done = convert({"format": "markdown", "content": ">" * 300 + " the bottom"}, "plain")
    assert "the bottom" in done.content
    assert any("too deep" in loss for loss in done.losses)


@pytest.mark.parametrize(
    "text", ["[a](https://x.y)", "![a](https://x.y)", "[a](b)", "<b>x</b>", "&lt;", "# x", "- x", "1. x"]
)
def test_text_that_looks_like_markdown_stays_text(text: str) -> None:
    done = convert({"format": "plain", "content": text}, "markdown").content
    assert convert({"format": "markdown", "content": done}, "plain").content == text
    wiki = convert({"format": "markdown", "content": done}, "wiki").content
    assert convert({"format": "wiki", "content": wiki}, "plain").content == text


def test_an_address_over_several_runs_is_one() -> None:
    parts: Any = [{"type": "text", "text": part} for part in ("see http://", "x.y")]
    document = {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": parts}]}
    assert convert({"format": "adf", "content": document}, "markdown").content == "see http://x.y"
