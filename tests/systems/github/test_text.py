"""Rich text arrives on GitHub readable, harmless and within its limit."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.systems.github.text import LIMIT, ROOM, markers, native
from tests.systems.github.scene import mark


def adf(*texts: dict[str, Any]) -> dict[str, Any]:
    paragraph = {"type": "paragraph", "content": list(texts)}
    return {"format": "adf", "content": {"type": "doc", "version": 1, "content": [paragraph]}}


def test_a_jira_description_becomes_markdown() -> None:
    bold = {"type": "text", "text": "now", "marks": [{"type": "strong"}]}
    words, losses = native(adf({"type": "text", "text": "It breaks "}, bold))
    assert words.strip() == "It breaks **now**"
    assert losses == ()


def test_markdown_stays_readable() -> None:
    words, losses = native({"format": "markdown", "content": "When I **click** `x`:\n\n- one\n- two"})
    assert "**click** `x`" in words
    assert re.search(r"^[-*] one$", words, re.MULTILINE)
    assert losses == ()


@pytest.mark.parametrize("source", ["adf", "wiki"])
def test_words_from_elsewhere_call_nobody_and_close_nothing(source: str) -> None:
    said = "ask @alice, closes #12, see acme/web#3"
    text = adf({"type": "text", "text": said}) if source == "adf" else {"format": "wiki", "content": said}
    words, _ = native(text)
    assert not re.search(r"(?<![\w`\\/])@alice\b", words)
    assert not re.search(r"closes #12\b", words)
    assert "alice" in words


def test_nothing_is_an_empty_text() -> None:
    assert native(None) == ("", ())
    assert native("")[0] == ""


def test_a_string_is_markdown_already() -> None:
    assert native("**bold**")[0].strip() == "**bold**"


def test_a_long_text_is_cut_and_said_so() -> None:
    words, losses = native({"format": "markdown", "content": "word " * 20_000})
    assert len(words) <= LIMIT - ROOM
    assert losses


def test_a_marker_in_a_jira_description_is_not_carried_over() -> None:
    words, _ = native(adf({"type": "text", "text": f"<!-- {mark('x')} -->"}))
    assert markers(words) == ()


@given(st.text(max_size=200))
def test_writing_a_text_twice_changes_nothing_more(said: str) -> None:
    once, _ = native({"format": "markdown", "content": said})
    twice, _ = native({"format": "markdown", "content": once})
    assert twice.strip() == once.strip()
