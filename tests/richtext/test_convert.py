"""Conversions as systems ask for them: limits, losses, odd input."""

from __future__ import annotations

from typing import Any

import pytest

from connector.richtext import FORMATS, convert, find_text, plain, size

LONG = "# Title\n\n" + "\n\n".join(f"Paragraph {number} has **some** words 😀 in it." for number in range(200))
MORE = "https://x.y/issues/1"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("limit", [60, 200, 1_000, 5_000])
def test_a_long_text_is_cut_at_a_safe_place_and_says_where_the_rest_is(name: str, limit: int) -> None:
    done = convert({"format": "markdown", "content": LONG}, name, limit=limit, more=MORE)
    assert size(name, done.content) <= limit
    shown = plain({"format": name, "content": done.content})
    assert "… (truncated)" in shown
    assert MORE in shown
    assert any("text cut" in loss for loss in done.losses)
    if limit >= 1_000:
        assert size(name, done.content) > limit * 0.8


def test_a_text_that_fits_is_not_touched() -> None:
    done = convert({"format": "markdown", "content": LONG}, "markdown", limit=size("markdown", LONG))
    assert "truncated" not in done.content
    assert done.losses == ()


def test_a_cut_code_block_is_closed() -> None:
    source: Any = {"format": "markdown", "content": "```\n" + "line of code\n" * 500 + "```\n\nafter"}
    for name, fence in (("markdown", "```"), ("mrkdwn", "```"), ("wiki", "{code}")):
        done = convert(source, name, limit=400, more=MORE).content
        assert done.count(fence) == 2
        assert "line of code\n" + fence in done


def test_letters_outside_the_basic_plane_count_twice() -> None:
    done = convert({"format": "plain", "content": "😀" * 100}, "plain", limit=120).content
    assert len(done.encode("utf-16-le")) // 2 <= 120


@pytest.mark.parametrize("limit", range(16))
@pytest.mark.parametrize("name", ["markdown", "mrkdwn", "wiki", "plain", "adf"])
def test_even_a_limit_without_room_is_kept(name: str, limit: int) -> None:
    assert size(name, convert({"format": "plain", "content": "word " * 50}, name, limit=limit).content) <= limit


def test_nothing_becomes_an_empty_text() -> None:
    for name in FORMATS:
        empty = {"type": "doc", "version": 1, "content": []} if name == "adf" else ""
        assert convert(None, name).content == empty
        assert convert({"format": "adf", "content": None}, name).content == empty


def test_a_bare_string_and_an_unknown_format_are_plain_text() -> None:
    assert convert("a *b*", "markdown").content == r"a \*b\*"
    assert convert({"format": "odd", "content": "a *b*"}, "markdown").content == r"a \*b\*"


def test_each_loss_is_said_once() -> None:
    done = convert({"format": "markdown", "content": "# a\n\n# b\n\n---"}, "mrkdwn")
    assert done.losses == ("heading shown as a bold line: Slack has none",)


def test_plain_shows_words_only() -> None:
    text: Any = {"format": "markdown", "content": "# See [the **log**](https://x.y) of `x` :tada:\n\n- a"}
    assert plain(text) == "See the log of x 🎉\n\n- a"


def test_keys_of_issues_stay_text() -> None:
    for name in ("markdown", "mrkdwn", "wiki", "plain"):
        assert convert({"format": "plain", "content": "see WEB-12"}, name).content == "see WEB-12"


def test_texts_are_found_in_any_value() -> None:
    text: Any = {"format": "wiki", "content": "a"}
    assert list(find_text({"body": text, "comment": {"body": text}, "other": [1, None, "x"]})) == [text, text]


def test_a_settled_text_is_left_as_its_authors_wrote_it_where_it_fits() -> None:
    words = "* a bullet\n\n@alice looks at <b>this</b>"
    assert convert({"format": "markdown", "content": words, "settled": True}, "markdown").content == words
    assert convert({"format": "markdown", "content": words}, "markdown").content != words
    assert "cut" in str(convert({"format": "markdown", "content": words * 9, "settled": True}, "markdown", limit=80))
    assert convert({"format": "wiki", "content": "*b*", "settled": True}, "markdown").content == "**b**"
