"""What a Slack app sees is listed, with the scopes that it has."""

from __future__ import annotations

import pytest

from connector.errors import Forbidden
from connector.listed import Listed
from connector.systems.slack import SYSTEM
from connector.systems.slack.sandbox import SCOPES
from tests.systems.direct import Bench
from tests.systems.slack.scene import call, scene


def rows(here: Bench, kind: str, **query: str) -> list[Listed]:
    return list(SYSTEM.lists[kind](here.site, query))


def test_channels_are_named_as_people_write_them() -> None:
    found = {one.name: one for one in rows(scene(), "channels")}
    assert found["#general"].id == found["#general"].facts["key"] == "C0000001"
    assert found["#general"].facts["private"] is False
    assert [one.name for one in rows(scene(), "channels", search="alert")] == ["#alerts"]


def test_who_may_see_public_channels_only_is_shown_these() -> None:
    here = scene(SCOPES - {"groups:read"})
    asked = [one.facts["private"] for one in rows(here, "channels")]
    assert asked
    assert not any(asked)


def test_without_the_scope_it_is_said_which_is_missing() -> None:
    with pytest.raises(Forbidden, match="channels:read"):
        rows(scene(SCOPES - {"channels:read", "groups:read"}), "channels")


def test_people_and_bots_are_told_apart() -> None:
    here = scene()
    me = call(here, "auth.test")["user_id"]
    found = {one.id: one.facts for one in rows(here, "users")}
    assert found[me]["bot"] is False
    assert any(one["bot"] for one in found.values())
