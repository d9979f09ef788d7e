"""Every connector says whether it takes an event, and if not, why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connector.config import Comments, Config, Connection, Connector, Message, Owner, References, When
from connector.event import Event, Kind
from connector.routing import Route, kept_out, routes
from connector.system import Places, System
from tests.workers.fake_system import Fake
from tests.workers.office import back, bugs, comment, event
from workers.tools import tools


def system(name: str) -> System:
    return Fake(name, lambda: datetime(2027, 1, 1, tzinfo=UTC)).system()


def declared(*connectors: Connector) -> Config:
    connections = {name: Connection(name, name, None) for name in ("git", "jira")}
    return Config("test", connections, {each.name: each for each in connectors}, hash="h")


def routed(one: Event, *connectors: Connector, selects: str = "") -> list[Route]:
    config = declared(*connectors)
    systems = {"git": replace(system("git"), selects=lambda *_: selects), "jira": system("jira")}
    return list(routes(config, systems, one, tools()))


def answer(one: Event, connector: Connector, **more: str) -> tuple[str, bool]:
    (route,) = routed(one, connector, **more)
    return route.reason, route.follows


def test_an_event_is_offered_to_the_connectors_of_its_source() -> None:
    names = [route.connector.name for route in routed(event(1, title="a"), bugs(), back(), bugs(name="more"))]
    assert names == ["bugs", "more"]


def test_what_the_source_block_does_not_cover_is_declined_in_its_words() -> None:
    assert answer(event(1), bugs(), selects="not in acme/web") == ("not in acme/web", False)


def test_an_unknown_kind_is_declined() -> None:
    assert answer(event(1, Kind.OTHER), bugs())[0]


def test_only_the_kinds_that_are_asked_for_are_taken() -> None:
    picky = bugs(when=When(events=frozenset({Kind.ISSUE_CREATED})))
    assert answer(event(1, Kind.ISSUE_CREATED), picky) == ("", False)
    assert "issue.updated" in answer(event(1), picky)[0]


def test_a_filter_that_does_not_hold_still_lets_what_is_linked_through() -> None:
    labelled = When(labels=frozenset({"bug"}))
    assert answer(event(1, labels=[]), bugs(when=labelled)) == ("", True)
    assert answer(event(1, labels=["bug"]), bugs(when=labelled)) == ("", False)
    assert answer(event(1, labels=[]), bugs(when=labelled, creates=False))[0].startswith("when.labels")


def test_a_hint_is_decided_when_it_has_been_read() -> None:
    labelled = bugs(when=When(labels=frozenset({"bug"})), creates=False)
    assert answer(event(1, labels=[], partial=True), labelled) == ("", False)


def test_comments_are_for_those_who_copy_them_or_tell_of_them() -> None:
    silent = bugs(comments=Comments())
    assert answer(comment(1, "x"), silent)[0] == "comments are not copied"
    assert answer(comment(1, "x"), bugs()) == ("", False)
    telling = bugs(comments=Comments(), messages=(Message(frozenset({Kind.COMMENT_CREATED}), "x"),))
    assert answer(comment(1, "x"), telling) == ("", False)
    assert answer(comment(1, "x", Kind.COMMENT_DELETED), telling)[0] == "comments are not copied"


def test_pull_requests_are_for_those_who_follow_references() -> None:
    one = event(1, Kind.PULL_REQUEST_CREATED, what="pull_request", title="WEB-1")
    assert "references" in answer(one, bugs())[0]
    assert answer(one, bugs(references=References())) == ("", False)


def test_one_that_is_being_removed_takes_nothing_new() -> None:
    known = {name: system(name) for name in ("git", "jira")}
    going = replace(declared(bugs(), bugs(name="more")), draining=frozenset({"bugs"}))
    found = {one.connector.name: one.reason for one in routes(going, known, event(1), tools())}
    assert found == {"bugs": "it is being removed and takes nothing new", "more": ""}


PLACES = Places("projects", source=lambda _: ("WEB",), target=lambda _: ("WEB",), told=lambda name: name != "#web")


@pytest.mark.parametrize(
    ("teams", "place", "why"),
    [
        ({}, "SEC", ""),
        ({"payments": ()}, "SEC", ""),
        ({"payments": ("PAY", "P-*")}, "pay", ""),
        ({"payments": ("PAY", "P-*")}, "P-1", ""),
        ({"payments": ("PAY", "P-*")}, "SEC", "only these projects of connection git: PAY, P-*; SEC is none of them"),
        ({"payments": ("PAY",)}, "", "of this item it is not known"),
        ({"payments": ("#web",)}, "C1", ""),
        ({"web": ()}, "PAY", "connection git is not for team 'payments'"),
    ],
)
def test_a_team_is_kept_to_what_is_for_it(teams: dict[str, tuple[str, ...]], place: str, why: str) -> None:
    mine = bugs(owner=Owner("payments"))
    config = replace(declared(mine), connections={"git": Connection("git", "git", None, teams=teams)})
    told = kept_out(config, mine, replace(system("git"), places=PLACES), mine.source, place)
    assert why in told
    assert bool(told) == bool(why)
