"""The judge sees what was lost, doubled or turned around, and tells a late landing from a doubling."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.sandbox import Effect
from tests.chaos.crowd import Bug, Told
from tests.chaos.judge import Judge, Seen, Verdict, window
from tests.chaos.proxy import Held
from tests.chaos.trouble import Frozen

BEGIN = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
WORDS = ["note00001", "note00002"]
EFFECT = "e" * 32
MARK = f"jc1:chaos:github:{EFFECT}"


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def written(word: str, seconds: float, marker: str = "", action: str = "add_comment") -> Effect:
    return Effect(1, at(seconds), "who", action, "somewhere", marker, {"text": f"so {word} it is"})


def held(came: float, went: float, marker: str = MARK) -> Held:
    return Held(marker, at(came), at(went))


def frozen(begun: float, thawed: float, *announced: str) -> Frozen:
    return Frozen(at(begun), at(thawed), frozenset(announced))


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
    action: str = "add_comment",
    frozen: tuple[Frozen, ...] = (),
    held: tuple[Held, ...] = (),
) -> Verdict:
    """``marked`` are the moments at which the first comment was written to Jira under one marker."""
    told = Told([Bug("acme/web#1", "bug00001", "bug00001 is broken")], {("github", "bug00001"): WORDS})
    ledgers = {
        "github": [written(WORDS[0], 0), written(WORDS[1], 2)],
        "jira": [written(WORDS[0], 3 + seconds, MARK, action) for seconds in marked],
        "slack": [],
    }
    seen = {("github", WORDS[0]): at(acknowledged)} if acknowledged is not None else {}
    return Judge(told, Seen(states, ledgers, seen, frozen, held)).judge()


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


# --- what nobody could have found ----------------------------------------------------------------------
TWICE = world(jira=[*WORDS, WORDS[0]])


def told_apart(verdict: Verdict) -> tuple[int, int]:
    """Return how many landed late and how many are doubled."""
    return len(verdict.late_landed), len(verdict.duplicates)


def test_what_a_frozen_worker_had_announced_lands_late_and_is_told_apart() -> None:
    assert told_apart(judged(TWICE, marked=(0, 10), frozen=(frozen(2, 12, EFFECT),))) == (1, 0)


def test_a_thaw_explains_only_what_lands_right_after_it() -> None:
    for begun, thawed in ((4, 12), (2, 20), (2, 8)):
        assert told_apart(judged(world(), marked=(0, 10), frozen=(frozen(begun, thawed, EFFECT),))) == (0, 1)


def test_a_thaw_explains_nothing_that_was_not_announced_before_the_freeze() -> None:
    assert told_apart(judged(world(), marked=(0, 10), frozen=(frozen(2, 12, "f" * 32),))) == (0, 1)


def test_a_thaw_explains_one_request_of_a_mark_and_no_second() -> None:
    thrice = world(jira=[*WORDS, WORDS[0], WORDS[0]])
    assert told_apart(judged(thrice, marked=(0, 10, 10.5), frozen=(frozen(2, 12, EFFECT),))) == (1, 2)


def test_what_the_network_held_for_longer_than_anybody_looks_lands_late() -> None:
    assert told_apart(judged(TWICE, marked=(0, 10), held=(held(2, 12.9),))) == (1, 0)


def test_what_was_held_for_less_than_that_is_ours_to_find() -> None:
    assert told_apart(judged(world(), marked=(0, 10), held=(held(10.5, 12.9),))) == (0, 1)


def test_an_issue_is_looked_for_as_long_as_the_index_lags() -> None:
    longest = window("jira", "add_issue").total_seconds()
    for kept, late in ((longest - 0.5, 0), (longest + 0.5, 1)):
        verdict = judged(world(), marked=(0, 20), action="add_issue", held=(held(22.9 - kept, 22.9),))
        assert told_apart(verdict) == (late, 1 - late)


def test_a_resend_that_had_just_found_nothing_may_come_after_what_was_held() -> None:
    assert told_apart(judged(TWICE, marked=(0, 1), held=(held(-5, 2.9),))) == (1, 0)
    assert told_apart(judged(world(), marked=(0, 5), held=(held(-5, 2.9),))) == (0, 1)


def test_another_effect_that_was_held_explains_nothing() -> None:
    other = held(2, 12.9, marker="jc1:chaos:github:" + "f" * 32)
    assert told_apart(judged(world(), marked=(0, 10), held=(other,))) == (0, 1)


def test_one_late_landing_excuses_one_copy() -> None:
    thrice = world(jira=[*WORDS, WORDS[0], WORDS[0]])
    assert told_apart(judged(thrice, marked=(0, 10), held=(held(2, 12.9),))) == (1, 1)
