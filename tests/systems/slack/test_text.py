"""Text becomes mrkdwn that fits, and a copy pages nobody."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.systems.slack.text import LIMIT, TITLE_LIMIT, native, title

PINGS = ("<!channel>", "<!here>", "<!everyone>", "<!subteam^S1>", "<!channel|channel>")


@pytest.mark.parametrize(
    ("markdown", "mrkdwn"),
    [
        ("**bold** and *soft*", "*bold* and _soft_"),
        ("[a link](https://example.org/?a=1&b=2)", "<https://example.org/?a=1&amp;b=2|a link>"),
        ("1 < 2 & 3 > 2", "1 &lt; 2 &amp; 3 &gt; 2"),
    ],
)
def test_markdown_becomes_mrkdwn(markdown: str, mrkdwn: str) -> None:
    assert native({"format": "markdown", "content": markdown})[0] == mrkdwn


def test_a_plain_string_is_shown_as_it_is() -> None:
    words, _ = native("a & b")
    assert words == "a &amp; b"
    assert title(words) == "a & b"


@pytest.mark.parametrize("ping", PINGS)
@pytest.mark.parametrize("form", ["plain", "markdown", "mrkdwn"])
def test_nothing_that_is_copied_pages_a_channel(form: str, ping: str) -> None:
    words, _ = native({"format": form, "content": f"hello {ping} there"})
    assert "<!" not in words


@given(st.text(alphabet="<!>channelhere|&^ \n*_`", max_size=60), st.sampled_from(["plain", "markdown", "mrkdwn"]))
def test_whatever_is_copied_pages_nobody(words: str, form: str) -> None:
    assert "<!" not in native({"format": form, "content": words})[0].replace("<!date^", "")


@pytest.mark.parametrize("form", ["plain", "markdown"])
def test_a_long_text_is_cut_to_fit_and_the_loss_is_told(form: str) -> None:
    words, losses = native({"format": form, "content": "all work and no play\n\n" * 1000})
    assert len(words) <= LIMIT
    assert losses


@pytest.mark.parametrize("value", [None, "", {"format": "markdown", "content": ""}])
def test_nothing_is_an_empty_text(value: Any) -> None:
    assert native(value)[0].strip() == ""


def test_a_title_is_the_first_line_without_marks_and_not_too_long() -> None:
    assert title("\n*Site* is <https://x.example|down> &amp; out\nmore") == "Site is down & out"
    assert title("") == ""
    assert len(title("x" * 500)) == TITLE_LIMIT
