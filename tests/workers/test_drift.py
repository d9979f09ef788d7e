"""Every connector is held against its target once a day; its owner learns what no longer fits, and when it does again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from connector.config import Connector, Mode
from connector.errors import ConnectorError, Forbidden, RateLimited, Scope
from connector.examining import Finding, Level, Needs
from connector.mapping import Rule
from connector.ports import Site
from tests.workers.office import MAPPING, Office, bugs
from tests.workers.test_alerting import Room
from workers.behalf import asker
from workers.drift import schedule
from workers.examination import SOON, Examined, digest, due, examined, look
from workers.operating.standing import standing

DAY = timedelta(days=1)
RENAMED = Finding(Level.PROBLEM, ("mapping", "Severity"), "'Major' is no choice", "write 'Major 2'", "option:x")
NOTE = Finding(Level.WARNING, ("to",), "there is no issue yet", cause="no_issue")


class Target:
    """What a target answers to an examination; ``refuses`` is raised instead."""

    def __init__(self, office: Office) -> None:
        self.finds: list[Finding] = []
        self.refuses: ConnectorError | None = None
        self.lanes: list[str] = []
        self.needs: list[Needs] = []
        system = office.systems["jira"]
        assert system.target is not None
        office.systems["jira"] = replace(system, target=replace(system.target, examine=self.examine))

    def examine(self, _site: Site, _settings: Any, needs: Needs) -> Sequence[Finding]:
        assert [fed.name for fed in needs.fields] == ["Summary", "Status"]
        self.lanes.append(asker().lane)
        self.needs.append(needs)
        if self.refuses is not None:
            raise self.refuses
        return [Finding(Level.OK, ("mapping", "Summary"), "exists"), *self.finds]


@pytest.fixture
def target(office: Office) -> Target:
    return Target(office)


def connector(office: Office) -> Connector:
    return office.config.connectors["bugs"]


def test_what_is_found_is_kept_without_what_is_well(office: Office, target: Target) -> None:
    assert examined(office.store) is None
    target.finds = [RENAMED, NOTE]
    found = look(office.desk, connector(office))
    assert found == Examined(office.clock(), (RENAMED, NOTE))
    assert examined(office.store) == found
    assert standing(office.desk, connector(office)).examined == found
    assert target.lanes == ["backfill"]


def test_what_values_stood_for_is_given_to_the_next_examination(office: Office, target: Target) -> None:
    path = ("mapping", "Status", "default")
    one = replace(connector(office), mapping=(MAPPING[0], Rule("Status", path="state", default="Done")))
    target.finds = [Finding(Level.OK, path, "", means="10002")]
    assert look(office.desk, one).means == ((path, "10002"),)
    assert examined(office.store) == Examined(office.clock(), means=((path, "10002"),))
    look(office.desk, one)
    assert [[named.was for named in fed.named] for fed in target.needs[-1].fields] == [[], ["10002"]]


def test_an_examination_is_due_once_a_day_and_when_the_connector_changes(office: Office) -> None:
    one = connector(office)
    assert [due(office.desk, one, DAY) for _ in range(3)] == [True, False, False]
    changed = replace(one, mapping=(*MAPPING, Rule("Severity", path="priority")))
    assert [due(office.desk, changed, DAY) for _ in range(2)] == [True, False]
    other = replace(one, name="other", uid="other")
    assert not due(office.desk, other, timedelta(0)), "it is switched off"
    assert not due(office.desk, replace(other, mode=Mode.PAUSED), DAY)
    office.config = replace(office.config, draining=frozenset({"other"}))
    assert not due(office.desk, other, DAY)
    ttl = office.store.client.pttl(office.store.tag + "examining")
    assert ttl > 23 * 3_600_000


def test_a_connector_has_the_same_digest_in_every_process() -> None:
    assert digest(bugs()) == digest(bugs())
    assert digest(bugs()) != digest(bugs(creates=False))


def test_a_target_that_cannot_be_asked_leaves_what_was_known_and_is_asked_soon(
    office: Office, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    target.finds = [RENAMED]
    assert due(office.desk, connector(office), DAY)
    first = look(office.desk, connector(office))
    office.clock.move(1000)
    target.refuses = RateLimited("slow down", scope=Scope.CONNECTION)
    second = look(office.desk, connector(office))
    assert (second.at, second.findings, second.tried) == (first.at, first.findings, office.clock())
    assert second.failed == "RateLimited: slow down"
    assert "could not be examined" in caplog.text
    assert 0 < office.store.client.pttl(office.store.tag + "examining") <= SOON


def test_a_closed_connection_is_left_alone(office: Office, target: Target) -> None:
    office.desk.connections.close("jira", timedelta(hours=1), "paused", "the token has expired")
    found = look(office.desk, connector(office))
    assert "jira is closed" in found.failed
    assert target.lanes == []


def test_a_target_that_is_not_there_for_us_is_a_problem(office: Office, target: Target) -> None:
    target.refuses = Forbidden("there is no project WEB", cause="not_found")
    (found,) = look(office.desk, connector(office)).problems
    assert (found.path, found.text, found.cause) == (("to",), "there is no project WEB", "not_found")


def test_only_what_is_new_is_logged(office: Office, target: Target, caplog: pytest.LogCaptureFixture) -> None:
    target.finds = [RENAMED]
    look(office.desk, connector(office))
    look(office.desk, connector(office))
    assert caplog.text.count("no longer fits its target: mapping.Severity") == 1


def test_the_owner_is_told_once_and_once_when_it_fits_again(redis_client: Redis) -> None:
    room = Room(redis_client)
    target = Target(room.office)
    one = connector(room.office)
    look(room.office.desk, one)
    assert room.look() == 0
    target.finds = [RENAMED, NOTE]
    look(room.office.desk, one)
    assert (room.look(), room.look()) == (1, 0)
    text = room.said[-1][1]
    for part in (
        "mapping.Severity does not fit the target",
        "'Major' is no choice",
        "Write 'Major 2'",
        "ConnectorDrifts",
    ):
        assert part in text
    # Nobody takes it as they take a group of dead letters: no second call after an hour.
    room.office.clock.move(2 * 3_600_000)
    assert room.look() == 0
    target.finds = []
    look(room.office.desk, one)
    assert (room.look(), room.look()) == (1, 0)
    assert "is over" in room.said[-1][1]


def test_the_watch_is_in_the_schedule_of_workers() -> None:
    (entry,) = schedule("connector.ticks").values()
    assert (entry["task"], entry["options"]["queue"]) == ("watch", "connector.ticks")
