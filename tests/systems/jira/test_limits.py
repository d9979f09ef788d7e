"""Jira's limits are those it publishes, and what its answers say is left is read from them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.ports import Request, Response
from connector.system import Left, Limit, Period
from connector.systems.jira import SYSTEM
from connector.systems.jira.limits import headroom
from tests.systems.jira.places import CONNECTIONS

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
READ = Request("GET", "/x", endpoint="get")


def limits(flavour: str, **members: int) -> list[Limit]:
    return list(SYSTEM.limits(SYSTEM.connection().load({**CONNECTIONS[flavour], "limits": members})))


def test_bursts_of_cloud_are_token_buckets_that_are_used_fully() -> None:
    rates = {one.endpoint: one for one in limits("cloud") if one.per == SECOND}
    assert {name: (one.amount, one.burst) for name, one in rates.items()} == {
        "get": (100, 10),
        "search": (100, 10),
        "post": (100, 10),
        "put": (50, 5),
        "delete": (50, 5),
    }


def test_writes_on_one_issue_hold_in_any_window() -> None:
    per_issue = [(one.amount, one.per, one.burst) for one in limits("cloud") if one.endpoint == "entity"]
    assert per_issue == [(20, 2 * SECOND, 0), (100, 30 * SECOND, 0)]


def test_points_come_back_at_the_top_of_the_hour_and_tokens_have_none() -> None:
    assert not [one for one in limits("cloud") if one.unit == "points"]
    (points,) = [one for one in limits("cloud", points_per_hour=65_000) if one.unit == "points"]
    assert (points.endpoint, points.amount, points.per, points.period) == ("*", 65_000, HOUR, Period.ALIGNED)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ()),
        ({"ratelimit": '"global-app-quota";r=1200;t=1800'}, (Left("*", HOUR, 1200, "points", HOUR / 2),)),
        (
            {"ratelimit": '"tenant-quota";r=50, "global-app-quota";r=7;t=60'},
            (Left("*", HOUR, 7, "points", timedelta(minutes=1)),),
        ),
        ({"ratelimit": '"global-app-quota";t=1800'}, ()),
        ({"ratelimit": '"burst";r=3;t=1'}, ()),
        ({"beta-ratelimit": '"global-app-quota";r=1;t=1800'}, ()),
        ({"x-ratelimit-remaining": "12"}, ()),
        ({"x-ratelimit-remaining": "12", "x-ratelimit-nearlimit": "true"}, (Left("*", HOUR, 12, "points"),)),
        ({"x-ratelimit-remaining": "soon", "x-ratelimit-nearlimit": "true"}, ()),
    ],
)
def test_what_cloud_says_is_left_of_the_quota(headers: dict[str, str], expected: tuple[Left, ...]) -> None:
    assert headroom(READ, Response(200, headers)) == expected


def test_what_data_center_says_is_left_of_its_bucket() -> None:
    said = {"x-ratelimit-fillrate": "5", "x-ratelimit-interval-seconds": "1", "x-ratelimit-limit": "50"}
    assert headroom(READ, Response(200, {**said, "x-ratelimit-remaining": "9"})) == (Left("*", SECOND, 9),)
    assert headroom(READ, Response(200, {**said, "x-ratelimit-remaining": "0"})) == (
        Left("*", SECOND, 0, resets_in=SECOND / 5),
    )
    (kept,) = limits("data-center", requests_per_second=5)
    assert (kept.endpoint, kept.unit, kept.per) == ("*", "calls", SECOND), "it speaks of the limit that is kept"
