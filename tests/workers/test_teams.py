"""A connector's team touches nothing that its connections keep for others, whatever an item or a person says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakeredis import FakeRedis, FakeServer

from connector.config import Config, Mode, Owner, References
from tests.workers.street import Street
from tests.workers.street import bugs as street_bugs
from workers.stores.records import Letter


def dead(street: Street) -> list[Letter]:
    return street.store.dead()


def kept(street: Street, connection: str, *patterns: str) -> None:
    """Keep the team of the connector to parts of a connection."""
    config = street.config
    connections = {**config.connections, connection: replace(config.connections[connection], teams={"web": patterns})}
    street.config = Config("test", connections, config.connectors, hash="h2")


@pytest.fixture
def street() -> Street:
    made = Street(FakeRedis(server=FakeServer(server_type="valkey")))
    made.declare(street_bugs(owner=Owner("web")))
    return made


def test_what_is_for_the_team_is_written(street: Street) -> None:
    kept(street, "jira", "WEB")
    kept(street, "git", "acme/*")
    street.report("Broken")
    street.deliver_hooks("git")
    assert list(street.issues()) == ["Broken"]
    assert not dead(street)


def test_an_item_of_another_place_is_not_read_into_the_target(street: Street) -> None:
    kept(street, "git", "acme/pay-*")
    street.report("Broken")
    street.deliver_hooks("git")
    (letter,) = dead(street)
    assert (letter.fields["error"], letter.fields["cause"]) == ("Rejected", "team")
    assert "only these repositories of connection git: acme/pay-*; acme/web is none of them" in letter.fields["message"]
    assert not street.issues()


def test_an_issue_that_is_not_for_the_team_is_not_written_to(street: Street) -> None:
    number = street.report("Broken")
    street.deliver_hooks("git")
    kept(street, "jira", "PAY")
    writes = len(street.benches["jira"].sandbox.ledger.effects)
    street.comment(number, "me too")
    street.deliver_hooks("git")
    (letter,) = dead(street)
    assert "WEB is none of them" in letter.fields["message"]
    assert len(street.benches["jira"].sandbox.ledger.effects) == writes


@pytest.mark.parametrize(("mode", "project"), [(Mode.LIVE, "PAY"), (Mode.SHADOW, "PAY"), (Mode.LIVE, "WEB")])
def test_a_pull_request_cannot_move_an_issue_of_another_team(mode: Mode, project: str, street: Street) -> None:
    """Whoever may open a pull request may write any key into it."""
    street.report("Broken")
    street.deliver_hooks("git")
    street.declare(street_bugs(owner=Owner("web"), references=References(status={"created": "Done"}), mode=mode))
    kept(street, "jira", project)
    before = len(street.benches["jira"].sandbox.ledger.effects)
    street.person("POST", "/pulls", {"title": "Mends WEB-1", "head": "mend", "base": "main", "body": ""})
    street.deliver_hooks("git")
    allowed = project == "WEB"
    assert (len(street.benches["jira"].sandbox.ledger.effects) > before) == allowed
    said = [one.fields["message"] for one in dead(street)] + [one["reason"] for one in street.store.settled(most=1)]
    assert any("WEB is none of them" in one or "would be refused: Rejected (team)" in one for one in said) != allowed


def test_a_connection_that_is_not_for_the_team_is_not_used_at_all(street: Street) -> None:
    config = street.config
    connections = {**config.connections, "jira": replace(config.connections["jira"], teams={"payments": ()})}
    street.report("Broken")
    street.deliver_hooks("git")
    street.config = Config("test", connections, config.connectors, hash="h2")
    street.comment(1, "me too")
    street.deliver_hooks("git")
    assert "connection jira is not for team 'web'" in dead(street)[0].fields["message"]
