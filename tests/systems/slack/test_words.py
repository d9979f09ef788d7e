"""What a message says is read also where Slack leaves its ``text`` empty."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.systems.slack.words import words_of
from tests.systems.slack.bodies import callback, message, received


def rich(*elements: Any) -> dict[str, Any]:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(elements)}]}


def test_a_text_is_taken_as_it_is() -> None:
    assert words_of({"text": "hi", "blocks": [rich({"type": "text", "text": "else"})]}) == "hi"


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"blocks": [rich({"type": "text", "text": "a < b"}, {"type": "emoji", "name": "wave"})]}, "a &lt; b:wave:"),
        (
            {"blocks": [rich({"type": "user", "user_id": "U2"}, {"type": "link", "url": "https://x"})]},
            "<@U2><https://x>",
        ),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "*Build* failed"}}]}, "*Build* failed"),
        ({"blocks": [{"type": "section", "fields": [{"type": "plain_text", "text": "<b>"}]}]}, "&lt;b&gt;"),
        ({"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "Down"}}, {"type": "divider"}]}, "Down"),
        ({"attachments": [{"fallback": "f", "title": "Alert", "text": "disk full"}]}, "Alert\ndisk full"),
        ({"attachments": [{"fallback": "only this"}]}, "only this"),
        ({"files": [{"name": "a.png", "permalink": "https://files/a"}]}, "<https://files/a|a.png>"),
    ],
)
def test_words_come_from_blocks_attachments_and_files(part: dict[str, Any], said: str) -> None:
    assert words_of({"text": "", **part}) == said


def test_a_list_keeps_its_points() -> None:
    points = [{"type": "rich_text_section", "elements": [{"type": "text", "text": word}]} for word in ("one", "two")]
    block = {"type": "rich_text", "elements": [{"type": "rich_text_list", "style": "bullet", "elements": points}]}
    assert words_of({"blocks": [block]}) == "• one\n• two"


def test_an_upload_without_a_word_becomes_an_event_that_names_the_file() -> None:
    body = message("", subtype="file_share", files=[{"name": "a.png", "permalink": "https://files/a"}])
    event = received(callback(body)).events[0]
    assert event.data["body"]["content"] == "<https://files/a|a.png>"


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "elements", "blocks", "fields", "url", "title"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@settings(max_examples=100)
@given(JSON, JSON, JSON)
def test_no_shape_of_blocks_crashes(blocks: Any, attachments: Any, files: Any) -> None:
    assert isinstance(words_of({"text": None, "blocks": blocks, "attachments": attachments, "files": files}), str)
