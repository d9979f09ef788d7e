"""The table of constructs and systems tells what really happens, and losses are told exactly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.richtext.constructs import CONSTRUCTS, SYSTEMS, tried
from connector.richtext.tree import (
    Blocks,
    BulletList,
    Cell,
    Expand,
    Item,
    OrderedList,
    Panel,
    Paragraph,
    Quote,
    Run,
    Table,
    TaskList,
)

LINE = Paragraph((Run("a line"),))


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


WITHIN: dict[str, Callable[[Blocks], Blocks]] = {
    "a point": lambda blocks: (BulletList((Item((LINE, *blocks)),)),),
    "a numbered point": lambda blocks: (OrderedList((Item((LINE, *blocks)), Item((LINE,)))),),
    "a task": lambda blocks: (TaskList((Item((LINE, *blocks), done=True),)),),
    "a quote": lambda blocks: (Quote(blocks),),
    "a panel": lambda blocks: (Panel("info", "", blocks),),
    "a section": lambda blocks: (Expand("title", blocks),),
    "a cell": lambda blocks: (Table(((Cell((LINE,), header=True),), (Cell(blocks),))),),
    "paragraphs": lambda blocks: (LINE, *blocks, LINE),
    "a pair": lambda blocks: (*blocks, *blocks),
}


@given(
    known=st.sampled_from(list(SYSTEMS)),
    names=st.lists(st.sampled_from(list(CONSTRUCTS)), min_size=1, max_size=2),
    places=st.lists(st.sampled_from(list(WITHIN)), max_size=3),
)
def test_losses_are_told_exactly_wherever_a_construct_stands(known: str, names: list[str], places: list[str]) -> None:
    blocks = tuple(block for name in names for block in CONSTRUCTS[name])
    for place in places:
        blocks = WITHIN[place](blocks)
    verdict = tried(blocks, known)
    assert (verdict.word == "exact") == (not verdict.losses)
    assert verdict.word != "impossible"


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
