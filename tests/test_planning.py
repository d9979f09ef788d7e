"""What is planned follows from values alone, and many states come to the same as the last of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.config import Audience, Comments, Config, Message, References, When
from connector.errors import Rejected
from connector.event import Event, Kind
from connector.link import Link, Marker, effect_key
from connector.mapping import Rule
from connector.planning import (
    Known,
    collapse,
    creation,
    difference,
    plan,
    target_entity,
)
from connector.rings import based, echoes, mirrored, siblings, spend, unspent
from connector.system import Action, Shaped
from tests.workers.office import back, bugs, comment, event
from workers.tools import tools

NOW = datetime(2027, 1, 15, 9, tzinfo=UTC)
LINK = Link("git:issue:1", "jira:issue:10", key="WEB-1")
TOOLS = tools()


def planned(one: Event, connector: Any = None, *, link: Link | None = None, **kept: Any) -> Any:
    return plan(connector or bugs(), one, Known(link, kept), TOOLS, instance="test", now=NOW)


STATES = st.lists(
    st.builds(
        lambda number, title, state: event(number, title=title, change={"state": state}),
        st.integers(1, 9),
        st.sampled_from("abc"),
        st.sampled_from(["open", "closed"]),
    ),
    min_size=1,
    max_size=6,
)


@given(STATES, st.dictionaries(st.sampled_from(["Summary", "Status"]), st.sampled_from(["a", "open"])))
def test_collapsing_states_comes_to_the_same_as_planning_each(states: list[Event], base: dict[str, Any]) -> None:
    # Played one by one or as one, the target and the base end alike; the law that lets neighbours collapse.
    def play(events: list[Event]) -> dict[str, Any]:
        held, known = dict(base), dict(base)
        for one in events:
            values = planned(one, link=LINK).wanted
            changed = difference(Shaped(values), known)
            held |= changed
            known |= changed
        return held

    assert collapse(bugs(), states) == len(states)
    assert play(states) == play(states[-1:])


def test_only_neighbours_of_one_entity_that_are_states_collapse() -> None:
    one, two = event(1, title="a"), event(2, title="b")
    assert collapse(bugs(), [one]) == 1
    assert collapse(bugs(), [one, two, comment(3, "x"), event(4)]) == 2
    assert collapse(bugs(), [one, event(2, issue=2)]) == 1
    assert collapse(bugs(), [comment(1, "x"), comment(2, "y", sub="c2")]) == 1
    assert collapse(bugs(), [one, event(2, Kind.ISSUE_DELETED)]) == 1


def test_a_message_owed_for_each_event_forbids_collapsing() -> None:
    owed = bugs(messages=(Message(frozenset({Kind.ISSUE_UPDATED}), "x", changed=frozenset({"state"})),))
    assert collapse(owed, [event(1, title="a"), event(2, title="b")]) == 2
    assert collapse(owed, [event(1, title="a"), event(2, change={"state": "x"})]) == 1


def test_a_filter_is_asked_only_of_what_is_not_linked() -> None:
    picky = bugs(when=When(labels=frozenset({"Bug"})))
    assert planned(event(1, title="a", labels=["bug"]), picky).create
    assert planned(event(1, title="a", labels=["other"]), picky).skip.startswith("filtered: when.labels")
    assert planned(event(1, title="a", labels=[]), picky, link=LINK).wanted == {"Summary": "a"}


def test_a_condition_and_changed_keys_filter() -> None:
    assert planned(event(1, title="a"), bugs(when=When(condition="title == 'b'"))).skip.startswith("filtered")
    changed = bugs(when=When(changed=frozenset({"state"})))
    assert planned(event(1, title="a", change={"labels": []}), changed).skip.startswith("filtered")
    assert planned(event(1, Kind.ISSUE_CREATED, title="a"), changed).create


def test_a_connector_that_creates_nothing_follows_only() -> None:
    follower = bugs(creates=False)
    assert planned(event(1, title="a"), follower).skip.startswith("not linked")
    assert planned(event(1, title="a"), follower, link=LINK).wanted == {"Summary": "a"}


def test_a_deleted_source_leaves_its_target() -> None:
    assert planned(event(1, Kind.ISSUE_DELETED, title="a"), link=LINK).skip.startswith("deleted at its source")


def test_what_cannot_be_mapped_is_rejected() -> None:
    closed = bugs(mapping=(Rule("Status", path="state", table={"open": "To Do"}),))
    with pytest.raises(Rejected):
        planned(event(1, state="odd"), closed)


def test_a_relation_is_owed_until_the_creation_is_finished() -> None:
    assert planned(event(1, title="a")).relation["url"] == "https://git/issue/1"
    assert planned(event(1, title="a"), link=LINK).relation == {}
    owing = Link(**{**_fields(LINK), "extra": {"unfinished": True}})
    assert planned(event(1, title="a"), link=owing).relation
    assert planned(comment(1, "x", state="open"), link=owing).wanted == {"Summary": "Broken", "Status": "open"}
    assert planned(event(1, title="a"), bugs(relates=False)).relation == {}


def _fields(link: Link) -> dict[str, Any]:
    return {name: getattr(link, name) for name in Link.__slots__}


@pytest.mark.parametrize(
    ("audience", "visibility", "copied"),
    [
        (Audience.PUBLIC, "public", True),
        (Audience.PUBLIC, "restricted", False),
        (Audience.PUBLIC, "internal", False),
        (Audience.ALL, "internal", True),
    ],
)
def test_a_comment_never_reaches_a_wider_audience(audience: Audience, visibility: str, *, copied: bool) -> None:
    for kind in (Kind.COMMENT_CREATED, Kind.COMMENT_UPDATED):
        connector = bugs(comments=Comments(copied=True, audience=audience, text="{{ comment.body }}"))
        found = planned(comment(1, "x", kind, visibility=visibility), connector, link=LINK)
        assert any(one.text for one in found.appends) is copied


def test_an_edit_names_the_comment_it_edits() -> None:
    (edit,) = planned(comment(2, "x", Kind.COMMENT_UPDATED), link=LINK).appends
    assert (edit.action, edit.earlier) == (Action.EDIT_COMMENT, effect_key("bugs", "git:issue:1", "comment", "c1"))
    assert planned(comment(2, "x", Kind.COMMENT_DELETED), bugs(comments=Comments(copied=True)), link=LINK).skip


def test_an_old_message_expires_and_an_old_state_does_not() -> None:
    dated = bugs(
        messages=(Message(frozenset({Kind.ISSUE_UPDATED}), "x"),), expire={"message": timedelta(hours=1)}, mapping=()
    )
    assert planned(event(1, at=NOW - timedelta(hours=2)), dated, link=LINK).skip.startswith("expired")
    assert planned(event(1, at=NOW), dated, link=LINK).appends
    assert planned(event(1, title="a", at=NOW - timedelta(days=9)), link=LINK).wanted


# --- echoes ---------------------------------------------------------------------------------------------------


def test_an_update_is_an_echo_only_where_every_changed_value_is_ours() -> None:
    assert echoes(event(1, change={"state": "x"}), {"state": "x"})
    assert not echoes(event(1, change={"state": "x"}), {"state": "y"})
    assert not echoes(event(1, change={"state": "x", "title": "t"}), {"state": "x"})
    assert not echoes(event(1, state="x"), {"state": "x"}), "nothing is known to have changed"


def test_an_echo_moves_the_base_and_adds_nothing() -> None:
    noisy = bugs(messages=(Message(frozenset({Kind.ISSUE_UPDATED}), "x"),))
    found = planned(event(1, title="a", change={"state": "x"}), noisy, link=LINK, state="x")
    assert found.adopt
    assert found.appends == ()


def test_an_echo_is_heard_once() -> None:
    other = based(Link("jira:issue:10", "git:issue:1"), {}, {"state": "x"}, "delivery-1")
    kept, stamps = unspent(LINK, other, "back")
    assert kept == {"state": "x"}
    after = spend(LINK, event(1, change={"state": "x"}), other.kept, stamps)
    assert unspent(after, other, "back")[0] == {}
    assert spend(after, event(2, change={"state": "x"}), other.kept, stamps) is after
    again = based(other, {}, {"state": "x"}, "delivery-2")
    assert unspent(after, again, "back")[0] == {"state": "x"}, "a new write has an echo of its own"


def test_a_marker_of_ours_is_ours_only_here() -> None:
    def marked(instance: str, origin: str) -> str:
        return planned(comment(1, "x", marker=str(Marker(instance, origin, effect_key("u", "e", "a")))), link=LINK).skip  # type: ignore[no-any-return]

    assert marked("test", "jira").startswith("echo")
    assert marked("staging", "jira") == ""
    assert marked("test", "slack") == ""


# --- pull requests ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "named"),
    [
        ("WEB-1: mend", ("WEB-1",)),
        ("fix(WEB-2,WEB-1)", ("WEB-1", "WEB-2")),
        ("web-1 XWEB-1 WEB-1x WEB1 OTHER-9", ()),
        ("feature/WEB-12-long-name", ("WEB-12",)),
    ],
)
def test_a_pull_request_names_keys_of_the_targets_project(title: str, named: tuple[str, ...]) -> None:
    one = event(1, Kind.PULL_REQUEST_CREATED, what="pull_request", title=title)
    assert planned(one, bugs(references=References())).named == named


@pytest.mark.parametrize(
    ("data", "status"),
    [({"merged": True, "state": "closed"}, "Done"), ({"state": "closed"}, "To Do"), ({"state": "open"}, None)],
)
def test_a_pull_request_asks_for_the_status_of_its_state(data: dict[str, Any], status: str | None) -> None:
    options = References(status={"merged": "Done", "closed": "To Do"})
    one = event(1, Kind.PULL_REQUEST_UPDATED, what="pull_request", title="WEB-1", **data)
    assert planned(one, bugs(references=options)).wanted == ({"Status": status} if status else None)


# --- from plans to changes ----------------------------------------------------------------------------------------


def test_what_a_create_cannot_carry_is_left_for_later() -> None:
    shaped = Shaped({"Summary": "a", "Status": "Done"}, later=frozenset({"Status"}))
    marker = Marker("test", "git", effect_key("bugs", "git:issue:1", "create"))
    change = creation(event(1, title="a"), shaped, marker)
    assert (change.action, change.fields, change.effect) == (Action.CREATE, {"Summary": "a"}, marker.effect)


@given(st.dictionaries(st.text(max_size=3), st.integers()), st.dictionaries(st.text(max_size=3), st.integers()))
def test_a_difference_brings_a_base_to_what_is_wanted(wanted: dict[str, int], base: dict[str, int]) -> None:
    changed = difference(Shaped(wanted), base)
    assert {**base, **changed} == {**base, **wanted}
    assert difference(Shaped(wanted), {**base, **changed}) == {}


def test_a_link_seen_from_the_other_side_keeps_its_ends_and_forgets_the_base() -> None:
    link = Link("a:issue:1", "b:issue:2", key="B-2", source_key="A-1", base={"x": 1}, kept={"y": 2})
    seen = mirrored(link)
    assert (seen.source, seen.target, seen.key, seen.source_key) == ("b:issue:2", "a:issue:1", "A-1", "B-2")
    assert (seen.base, seen.kept) == ({}, {})
    assert target_entity(seen).ref == "a:issue:1"


def test_siblings_are_the_connectors_over_the_same_two_connections() -> None:
    mine, same, other_way = bugs(), bugs(name="more"), back()
    config = Config("test", {}, {one.name: one for one in (mine, same, other_way)}, hash="h")
    assert [(one.name, reverse) for one, reverse in siblings(config, mine)] == [("more", False), ("back", True)]
