"""A long list is read to its end, although its limit lets only some of its pages through at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.errors import RateLimited, Scope
from connector.ports import Request, Response, Site
from connector.systems.slack import SYSTEM
from connector.systems.slack.sandbox.workspace import User
from tests.systems.slack.scene import scene
from workers.cli.asking import patient


def refusing(*waits: timedelta | None) -> tuple[Site, list[str]]:
    """Make a site that refuses as often, then answers; and what it was asked."""
    asked: list[str] = []
    left = list(waits)

    def send(request: Request) -> Response:
        asked.append(request.path)
        if left:
            raise RateLimited("slow down", scope=Scope.ENDPOINT, retry_after=left.pop(0))
        return Response(200)

    here = scene()
    return Site("here", here.site.settings, send, here.clock), asked


def test_a_read_waits_as_long_as_it_is_told_to_and_is_sent_again() -> None:
    waited: list[float] = []
    site, asked = refusing(timedelta(seconds=30), None)
    assert patient(site, 100, waited.append, lambda: 0.0).send(Request("GET", "/x")).status == 200
    assert waited == [30.0, 5.0]
    assert asked == ["/x"] * 3


@pytest.mark.parametrize(("method", "wait"), [("GET", 101), ("POST", 1)])
def test_it_does_not_wait_longer_than_it_may_nor_to_write(method: str, wait: int) -> None:
    waited: list[float] = []
    site, asked = refusing(timedelta(seconds=wait))
    with pytest.raises(RateLimited):
        patient(site, 100, waited.append, lambda: 0.0).send(Request(method, "/x"))
    assert waited == []
    assert len(asked) == 1


def test_ten_thousand_people_are_listed_although_slack_tells_four_thousand_a_minute() -> None:
    here = scene(pace=True)
    for number in range(10_000):
        one = User(f"U1{number:06d}", f"person{number}", f"Person {number}", f"p{number}@example.com")
        here.sandbox.space.users[one.id] = one
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        here.clock.move(timedelta(seconds=seconds))

    begun = here.clock().timestamp()
    site = patient(here.site, 600, wait, lambda: here.clock().timestamp() - begun)
    assert len(list(SYSTEM.lists["users"](site, {"search": "Person "}))) == 10_000
    assert waits
    assert sum(waits) < 180
