"""The judge sees what was lost, doubled or turned around, and tells a late landing from a doubling."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.sandbox import Effect
from tests.chaos.crowd import Bug, Told
from tests.chaos.judge import Judge, Seen, Verdict

BEGIN = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
WORDS = ["note00001", "note00002"]


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def written(word: str, seconds: float, marker: str = "") -> Effect:
    return Effect(1, at(seconds), "who", "add_comment", "somewhere", marker, {"text": f"so {word} it is"})


def world(
    *, jira: list[str] | None = None, slack: list[str] | None = None, title: str = "bug00001 is broken", issues: int = 1
) -> dict[str, Mapping[str, Any]]:
    """Everything as it should be, but for what a test says."""
    fields = {
        "summary": title,
        "status": {"name": "To Do", "statusCategory": {"key": "new"}},
        "comment": {"comments": [{"body": word} for word in (WORDS if jira is None else jira)]},
    }
    root = f"*<http://jira/browse/WEB-1|WEB-1>* {title} *To Do*"
    thread = [root, *(WORDS if slack is None else slack)]
    issue = {"key": "acme/web#1", "state": "open", "comments": [{"body": word} for word in WORDS]}
    return {
        "github": {"repositories": {"acme/web": {"issues": [issue]}}},
        "jira": {f"WEB-{number + 1}": {"fields": fields} for number in range(issues)},
        "slack": {"general": [{"ts": str(n), "thread_ts": "0", "text": text} for n, text in enumerate(thread)]},
    }


def judged(
    states: Mapping[str, Mapping[str, Any]],
    *,
    acknowledged: float | None = 1.0,
    marked: tuple[float, ...] = (),
    frozen: tuple[float, float] | None = None,
) -> Verdict:
    told = Told([Bug("acme/web#1", "bug00001", "bug00001 is broken")], {("github", "bug00001"): WORDS})
    ledgers = {
        "github": [written(WORDS[0], 0), written(WORDS[1], 2)],
        "jira": [written(WORDS[0], 3 + seconds, "jc1:mark") for seconds in marked],
        "slack": [],
    }
    seen = {("github", WORDS[0]): at(acknowledged)} if acknowledged is not None else {}
    return Judge(told, Seen(states, ledgers, seen, [(at(frozen[0]), at(frozen[1]))] if frozen else [])).judge()


def test_a_world_in_order_is_found_in_order() -> None:
    assert judged(world()) == Verdict(ordered=1)


def test_a_missing_comment_is_lost_wherever_it_is_missing() -> None:
    assert len(judged(world(jira=WORDS[:1])).lost) == 1
    assert len(judged(world(slack=WORDS[1:])).lost) == 1


def test_a_comment_that_stands_twice_is_doubled() -> None:
    assert len(judged(world(jira=[*WORDS, WORDS[0]])).duplicates) == 1
    assert len(judged(world(slack=[*WORDS, WORDS[0]])).duplicates) == 1


def test_an_issue_is_wanted_once() -> None:
    assert judged(world(issues=0)).lost
    assert judged(world(issues=2)).duplicates


def test_the_last_title_must_have_arrived_everywhere() -> None:
    assert len(judged(world(title="bug00001 is older")).lost) == 2


def test_comments_turned_around_are_an_inversion() -> None:
    assert len(judged(world(jira=WORDS[::-1])).inversions) == 1


def test_an_order_that_nobody_could_know_is_no_inversion() -> None:
    # The first was acknowledged only after the second had been made, or never: a poll may have brought it.
    for acknowledged in (2.5, None):
        verdict = judged(world(jira=WORDS[::-1]), acknowledged=acknowledged)
        assert (verdict.inversions, verdict.ordered) == ([], 0)


def test_one_marker_is_added_once() -> None:
    assert len(judged(world(), marked=(0, 1)).duplicates) == 1


def test_what_a_frozen_worker_had_announced_lands_late_and_is_told_apart() -> None:
    verdict = judged(world(jira=[*WORDS, WORDS[0]]), marked=(0, 10), frozen=(2, 12))
    assert (len(verdict.late_landed), verdict.duplicates) == (1, [])


def test_a_thaw_explains_only_what_lands_right_after_it() -> None:
    for frozen in ((4, 12), (2, 20), (2, 8)):
        verdict = judged(world(), marked=(0, 10), frozen=frozen)
        assert (verdict.late_landed, len(verdict.duplicates)) == ([], 1)
