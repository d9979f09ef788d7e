"""The table of constructs and systems tells what really happens, and losses are told exactly."""

from __future__ import annotations

import pytest

from connector.richtext.constructs import CONSTRUCTS, SYSTEMS, tried


@pytest.mark.parametrize("known", SYSTEMS)
@pytest.mark.parametrize("name", CONSTRUCTS)
def test_a_loss_is_told_if_and_only_if_something_is_lost(name: str, known: str) -> None:
    verdict = tried(CONSTRUCTS[name], known)
    assert (verdict.word == "exact") == (not verdict.losses)


def test_nothing_is_impossible_and_most_is_exact() -> None:
    words = [tried(blocks, known).word for blocks in CONSTRUCTS.values() for known in SYSTEMS]
    assert "impossible" not in words
    assert words.count("exact") > len(words) * 0.6


def test_atlassian_and_github_keep_most_of_all() -> None:
    exact = {known: sum(tried(blocks, known).word == "exact" for blocks in CONSTRUCTS.values()) for known in SYSTEMS}
    assert exact["adf"] > exact["markdown"] > exact["mrkdwn"]


@pytest.mark.parametrize(
    ("name", "known", "word"),
    [
        ("panel: info", "markdown", "exact"),
        ("panel: info", "mrkdwn", "degraded"),
        ("status", "markdown", "equivalent"),
        ("table", "wiki", "exact"),
        ("table", "mrkdwn", "degraded"),
        ("code block with tabs, spaces at ends, backticks", "markdown", "exact"),
        ("code block with tabs, spaces at ends, backticks", "adf", "exact"),
        ("code block with tabs, spaces at ends, backticks", "wiki", "exact"),
        ("columns", "adf", "exact"),
        ("person who is mapped", "mrkdwn", "exact"),
    ],
)
def test_some_that_must_be_so(name: str, known: str, word: str) -> None:
    assert tried(CONSTRUCTS[name], known).word == word
