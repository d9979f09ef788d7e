"""What a GitHub account sees is listed page by page, and only what may be seen."""

from __future__ import annotations

import pytest

from connector.errors import ConnectorError, Rejected
from connector.listed import Listed
from connector.systems.github import SYSTEM
from tests.systems.direct import Bench
from tests.systems.github.scene import act, scene


def rows(here: Bench, kind: str, **query: str) -> list[Listed]:
    return list(SYSTEM.lists[kind](here.site, query))


def test_repositories_tell_whether_we_may_write() -> None:
    here = scene()
    world = here.sandbox.world
    world.add_repository("acme/secret", here.clock()).hidden_from.add("acme-bot")
    world.add_repository("acme/read-only", here.clock()).writers = {"alice"}
    found = {one.name: one.facts["writable"] for one in rows(here, "repositories")}
    assert found["acme/web"] is True
    assert found["acme/read-only"] is False
    assert "acme/secret" not in found


def test_repositories_beyond_the_first_page_are_listed() -> None:
    here = scene()
    for number in range(230):
        here.sandbox.world.add_repository(f"acme/r{number}", here.clock())
    assert len(rows(here, "repositories", search="acme/r")) == 230


def test_labels_and_milestones_of_a_repository_are_its_options() -> None:
    here = scene()
    act(here, "POST", "/repos/acme/web/labels", {"name": "p0", "description": "Now"})
    act(here, "POST", "/repos/acme/web/milestones", {"title": "Autumn", "state": "closed"})
    (label,) = rows(here, "labels", repository="acme/web", search="P0")
    assert label.facts == {"description": "Now"}
    (milestone,) = rows(here, "milestones", repository="acme/web", search="autumn")
    assert milestone.facts["state"] == "closed"
    fields = {one.id: one.facts for one in rows(here, "fields", repository="acme/web")}
    assert {"id": label.id, "name": "p0"} in fields["labels"]["options"]
    assert fields["labels"]["open"] is True
    assert {"id": str(milestone.facts["number"]), "name": "Autumn"} in fields["milestone"]["options"]


def test_fields_are_known_without_a_repository_and_without_a_call() -> None:
    here = scene()
    fields = {one.id: one.facts for one in rows(here, "fields")}
    assert "options" not in fields["labels"], "nobody has told"
    assert fields["title"]["aliases"] == ["summary"]
    assert not here.transport.sent


@pytest.mark.parametrize("name", ["acme", "acme/../web", "a b/c"])
def test_what_is_no_repository_is_not_asked_for(name: str) -> None:
    here = scene()
    with pytest.raises(Rejected, match="is no repository: write owner/name"):
        rows(here, "labels", repository=name)
    assert not here.transport.sent


def test_a_repository_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConnectorError):
        rows(scene(), "labels", repository="acme/nope")
