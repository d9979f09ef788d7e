"""Steps from what is installed to what is wanted: one kept, others' left alone, nothing removed before it is replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.ports import Secret
from connector.webhooks import Do, Installed, Step, Wanted, converge, place_of, shown, withdraw

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
EVENTS = frozenset({"issues", "issue_comment"})
WANTED = Wanted("acme/web", "https://jc.example/hooks/github", EVENTS, Secret("s3cret"))
GOOD = Installed("1", "acme/web", WANTED.url, EVENTS)


def steps(*found: Installed, former: tuple[str, ...] = (), renew: bool = False) -> tuple[Step, ...]:
    return converge(WANTED, found, connection="github", former=former, now=NOW, renew=renew)


def short(made: tuple[Step, ...]) -> list[tuple[str, str]]:
    return [(one.do.value, one.hook.id if one.hook else "") for one in made]


def test_where_there_is_none_one_is_made() -> None:
    (made,) = steps(Installed("9", "acme/web", "https://ci.example/hook", frozenset({"push"})))
    assert made.do is Do.CREATE
    assert made.wanted == WANTED


def test_what_is_as_wanted_is_kept_and_written_anew_only_on_request() -> None:
    assert short(steps(GOOD)) == [("keep", "1")]
    assert short(steps(GOOD, renew=True)) == [("update", "1")]


@pytest.mark.parametrize(
    ("drifted", "word"),
    [
        (replace(GOOD, active=False), "switched off"),
        (replace(GOOD, events=frozenset({"issues"})), "lacks the events issue_comment"),
        (replace(GOOD, events=EVENTS | {"push"}), "has the events push besides"),
        (replace(GOOD, signed=False), "no secret"),
        (replace(GOOD, filter='project in ("WEB")'), 'is told of project in ("WEB") and not of everything'),
        (replace(GOOD, url=WANTED.url + "?key=4711"), "key"),
        (replace(GOOD, faults=("does not check our certificate",)), "certificate"),
        (replace(GOOD, expires=NOW + timedelta(days=9)), "expires 2026-12-03"),
    ],
)
def test_drift_is_repaired_in_place_and_told_in_words(drifted: Installed, word: str) -> None:
    (step,) = steps(drifted)
    assert (step.do, step.hook) == (Do.UPDATE, drifted)
    assert word in "; ".join(step.why)
    assert "4711" not in "; ".join(step.why)


def test_what_expires_later_is_left_for_later() -> None:
    assert short(steps(replace(GOOD, expires=NOW + timedelta(days=11)))) == [("keep", "1")]


def test_one_of_an_earlier_address_is_moved_and_not_replaced() -> None:
    old = replace(GOOD, url="https://old.example/hooks/github")
    assert short(steps(old, former=("https://old.example",))) == [("update", "1")]


def test_the_same_path_at_an_unknown_address_is_told_of_and_left_alone() -> None:
    staging = replace(GOOD, id="7", url="https://staging.example/hooks/github")
    made = steps(staging)
    assert short(made) == [("create", ""), ("leave", "7")]
    assert not made[1].changes


def test_doubles_go_last_and_the_one_with_the_least_to_repair_stays() -> None:
    made = steps(
        replace(GOOD, id="1", events=frozenset({"issues"})),
        replace(GOOD, id="2"),
        replace(GOOD, id="3", url="https://old.example/hooks/github"),
        former=("https://old.example",),
    )
    assert short(made) == [("keep", "2"), ("remove", "1"), ("remove", "3")]


def test_a_connection_whose_name_begins_like_another_is_another() -> None:
    other = replace(GOOD, id="5", url="https://jc.example/hooks/github-two")
    assert short(steps(other)) == [("create", "")]


def test_withdrawing_takes_ours_alone() -> None:
    others = replace(GOOD, id="8", url="https://staging.example/hooks/github")
    made = withdraw("acme/web", [GOOD, others], connection="github", bases=["https://jc.example/"], why="asked to")
    assert short(made) == [("remove", "1")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://JC.example:443/hooks/x", "https://jc.example/hooks/x/"),
        ("http://jc.example:80/hooks/x?key=1", "http://jc.example/hooks/x"),
    ],
)
def test_addresses_are_compared_as_places(one: str, other: str) -> None:
    assert place_of(one) == place_of(other)


def test_a_key_in_an_address_is_never_shown() -> None:
    assert shown("https://user:pw@jc.example/hooks/x?key=4711") == "https://jc.example/hooks/x?…"
    assert "4711" not in shown("http://[broken/hooks/x?key=4711")


HOSTS = st.sampled_from(["https://jc.example", "https://old.example", "https://staging.example", "https://x.example/y"])
HOOKS = st.lists(
    st.builds(
        Installed,
        id=st.integers(1, 10**6).map(str),
        place=st.just("acme/web"),
        url=st.builds(lambda host, path: host + path, HOSTS, st.sampled_from(["/hooks/github", "/hooks/jira", "/ci"])),
        events=st.frozensets(st.sampled_from(["issues", "issue_comment", "push"])),
        active=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda one: one.id,
)


@given(HOOKS)
def test_taking_the_steps_leaves_exactly_one_and_touches_nobody_elses(found: list[Installed]) -> None:
    former = ("https://old.example",)
    here = {one.id: one for one in found}
    others = {
        one.id: one
        for one in found
        if place_of(one.url) not in {"https://jc.example/hooks/github", "https://old.example/hooks/github"}
    }
    began = len(here) > len(others)
    for step in converge(WANTED, found, connection="github", former=former, now=NOW):
        if step.do is Do.REMOVE and step.hook is not None:
            del here[step.hook.id]
        elif step.do is Do.UPDATE and step.hook is not None:
            here[step.hook.id] = replace(GOOD, id=step.hook.id)
        elif step.do is Do.CREATE:
            here["new"] = replace(GOOD, id="new")
        ours = [one for number, one in here.items() if number not in others]
        assert ours or not began, "at no moment is there none"
    assert [replace(one, id="") for number, one in here.items() if number not in others] == [replace(GOOD, id="")]
    assert {number: here[number] for number in others} == others
    again = converge(WANTED, here.values(), connection="github", former=former, now=NOW)
    assert not any(step.changes for step in again)
