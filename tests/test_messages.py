"""However events are cut into digests, each of their messages is told once and in order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from connector.config import Comments, Message
from connector.event import Event, Kind
from connector.messages import LONGEST, company, digested, messages_for, patience, said
from tests.workers.office import bugs, comment, event
from workers.tools import tools

WINDOW = timedelta(minutes=5)
CONNECTOR = bugs(
    messages=(
        Message(frozenset({Kind.ISSUE_UPDATED}), "now {{ title }}", changed=frozenset({"title"}), digest=WINDOW),
        Message(frozenset({Kind.COMMENT_CREATED}), "said {{ comment.body }}", digest=2 * WINDOW),
        Message(frozenset({Kind.COMMENT_UPDATED}), "at once {{ comment.body }}"),
    ),
    comments=Comments(),
)
NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
TOOLS = tools()


def _event(number: int, what: tuple[str, int, int]) -> Event:
    kind, entity, length = what
    words = f"{number} " + "x" * length
    match kind:
        case "said":
            return comment(number, words, issue=entity, sub=f"c{number}")
        case "edited":
            return comment(number, words, Kind.COMMENT_UPDATED, issue=entity, sub=f"c{number}")
        case "renamed":
            return event(number, issue=entity, change={"title": words})
        case _:
            return event(number, issue=entity, title=words, change={"state": "x"})


events = st.lists(
    st.tuples(
        st.sampled_from(["said", "said", "renamed", "renamed", "moved", "edited"]),
        st.sampled_from([1, 1, 1, 2]),
        st.sampled_from([1, 10, LONGEST // 3, LONGEST]),
    ),
    min_size=1,
    max_size=12,
).map(lambda rows: [_event(number, row) for number, row in enumerate(rows)])


@given(events)
def test_digests_tell_what_the_events_would_have_told_one_by_one(happened: list[Event]) -> None:
    alone = [text["content"] for one in happened for text in said(CONNECTOR, one, TOOLS)]
    together: list[str] = []
    left = happened
    while left:
        count = company(CONNECTOR, left, TOOLS) if patience(CONNECTOR, left[0]) is not None else 1
        assert 1 <= count <= len(left)
        batch, left = left[:count], left[count:]
        assert len({one.entity.ref for one in batch}) == 1
        text = digested(CONNECTOR, batch, TOOLS, NOW)
        if count > 1:
            assert all(message.digest for one in batch for message in messages_for(CONNECTOR, one))
            assert text is not None
            assert len(str(text["content"])) <= LONGEST
        together += str(text["content"]).split("\n\n") if text is not None else []
    assert together == alone


@given(events, st.sets(st.integers(0, 11)))
def test_what_is_too_old_leaves_the_others_as_they_are(happened: list[Event], old: set[int]) -> None:
    expiring = replace(CONNECTOR, expire={"message": timedelta(hours=1), "comment": timedelta(hours=1)})
    aged = [replace(one, at=NOW - timedelta(hours=2)) if n in old else one for n, one in enumerate(happened)]
    kept = [one for n, one in enumerate(happened) if n not in old]
    assert digested(expiring, aged, TOOLS, NOW) == digested(CONNECTOR, kept, TOOLS, NOW)


def test_the_shortest_window_of_what_is_owed_counts() -> None:
    both = replace(CONNECTOR, messages=tuple(replace(one, on=frozenset({Kind.COMMENT_CREATED}), changed=frozenset(), digest=one.digest or WINDOW) for one in CONNECTOR.messages))  # fmt: skip
    assert patience(both, comment(1, "x")) == WINDOW
